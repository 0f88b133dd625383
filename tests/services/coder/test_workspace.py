"""What may be edited, what is refused, and the patch that comes of it, taken by `git apply`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from services.coder import project as projects
from services.coder.project import Project, ProjectError
from services.coder.suites import SuiteReport
from services.coder.workspace import MOST_CHANGED, RefusedError, Workspace
from tests.services.coder.projects import made

GIT = shutil.which("git") or "git"
FILES = {
    "app/money.py": "def cents(text):\n    return int(text)\n",
    "app/windows.py": "one = 1\r\ntwo = 2\r\n",
    "read me.txt": "no end",
    "run.sh": "#!/bin/sh\n",
    "page.txt": "a\fb\u2028c\nnext\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = made(tmp_path / "project", FILES)
    (root / "run.sh").chmod(0o755)
    return root


@pytest.fixture
def workspace(root: Path, tmp_path: Path) -> Workspace:
    return Workspace(Project(root), tmp_path / "home" / "work.json")


def applied(root: Path, patch: str) -> None:
    subprocess.run([GIT, "apply", "-"], cwd=root, input=patch.encode(), check=True)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("repository", [True, False])
def test_a_patch_makes_of_the_project_what_the_copy_is(
    workspace: Workspace,
    root: Path,
    repository: bool,  # noqa: FBT001
) -> None:
    if repository:
        subprocess.run([GIT, "init", "-q"], cwd=root, check=True)
    before = contents(root)
    workspace.write("app/money.py", "def cents(text):\n    return round(float(text) * 100)\n")
    workspace.write("app/windows.py", "one = 1\ntwo = 22\nthree = 3")
    workspace.write("read me.txt", "no end\nand none here")
    workspace.write("page.txt", "a\fb\u2028c\nother\n")
    workspace.write("app/new/deep.py", "x = 'ä'\n")
    workspace.write("empty.txt", "")
    workspace.write("run.sh", None)

    assert contents(root) == before
    wanted = {
        path: change.after.encode()
        for path, change in workspace.changes.items()
        if change.after is not None
    }
    applied(root, workspace.diff())

    after = contents(root)
    assert {path: after[path] for path in wanted} == wanted
    assert "run.sh" not in after
    assert after["app/windows.py"] == b"one = 1\r\ntwo = 22\r\nthree = 3"


def test_what_was_changed_goes_on_in_another_process_and_back_to_nothing(
    workspace: Workspace, root: Path
) -> None:
    workspace.write("app/money.py", "x = 1\n")
    workspace.keep_report(SuiteReport(passed=True, command="t"))

    again = Workspace(Project(root), workspace.kept_in)
    assert again.read("app/money.py") == "x = 1\n"
    assert again.tested() is not None
    again.write("app/money.py", "x = 2\n")
    # A report is of the files as they were.
    assert again.tested() is None
    again.write("app/money.py", FILES["app/money.py"])

    assert (again.changes, again.diff(), again.drifted()) == ({}, "", [])


def test_what_changed_in_the_project_meanwhile_is_told(workspace: Workspace, root: Path) -> None:
    workspace.write("app/money.py", "x = 1\n")
    workspace.write("new.py", "x = 1\n")
    made(root, {"app/money.py": "another = 1\n", "new.py": "hers = 1\n"})

    assert sorted(workspace.drifted()) == ["app/money.py", "new.py"]


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../other.py", "app/../../other.py", "", "  ", ".", ".git/config", "app",
     "sub/.git/hooks/pre-commit", ".venv/lib/x.py", "node_modules/x.js", "link.txt", "out/x.py",
     "a\nb.py", 'a"b.py', "x" * 300],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused_and_changes_nothing(
    workspace: Workspace, root: Path, path: str
) -> None:
    outside = made(root.parent / "outside", {"x.py": "secret = 1\n"})
    (root / "link.txt").symlink_to(outside / "x.py")
    (root / "out").symlink_to(outside)

    for text in ("x = 1\n", None):
        with pytest.raises(RefusedError):
            workspace.write(path, text)
    with pytest.raises(RefusedError):
        workspace.read(path)

    assert workspace.changes == {}
    assert (outside / "x.py").read_text() == "secret = 1\n"


def test_what_is_no_text_or_too_much_is_refused(workspace: Workspace, root: Path) -> None:
    (root / "image.png").write_bytes(b"\x89PNG\0")
    (root / "latin.txt").write_bytes(b"\xe4")

    for name, words in (("image.png", "is"), ("latin.txt", "is no text")):
        with pytest.raises(RefusedError, match=words):
            workspace.read(name)
    for text, words in (("a\0b", "binary"), ("x" * (513 << 10), "larger"), ("\ud800", "no text")):
        with pytest.raises(RefusedError, match=words):
            workspace.write("new.txt", text)
    for number in range(MOST_CHANGED):
        workspace.write(f"{number}.txt", "x")
    with pytest.raises(RefusedError, match="at most 100 files"):
        workspace.write("more.txt", "x")
    with pytest.raises(RefusedError, match="no file"):
        workspace.write("nowhere.txt", None)


def test_a_pipe_is_no_file(workspace: Workspace, root: Path) -> None:
    os.mkfifo(root / "pipe")

    with pytest.raises((RefusedError, OSError)):
        workspace.read("pipe")
    assert "pipe" not in workspace.files()


def test_only_the_projects_own_files_are_seen(root: Path) -> None:
    made(root, {".env": "KEY=1", ".venv/x.py": "", "node_modules/y.js": "", "out.log": "1"})
    project = Project(root)

    walked = project.files()
    subprocess.run([GIT, "init", "-q"], cwd=root, check=True)
    made(root, {".gitignore": "*.log\n.env\n", "gone.py": ""})
    subprocess.run([GIT, "add", "."], cwd=root, check=True)
    (root / "gone.py").unlink()
    # Git would start it to list files.
    subprocess.run(
        [GIT, "config", "core.fsmonitor", f"touch {root}/started; false"], cwd=root, check=True
    )
    listed = project.files()

    assert walked == sorted([*FILES, "out.log"])
    assert listed == sorted([*FILES, ".gitignore"])
    assert not (root / "started").exists()
    assert project.linked() == [
        [str(root / ".venv"), ".venv"],
        [str(root / "node_modules"), "node_modules"],
    ]


def test_a_project_that_is_too_large_says_what_helps(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "MOST_FILES", 3)

    with pytest.raises(ProjectError, match="name a smaller directory"):
        Project(root).files()
