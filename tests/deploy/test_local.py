"""The bootstrap installs exactly what the lock says, whatever an index offers besides."""

import base64
import hashlib
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from deploy import local
from tests.conftest import ROOT


class PackageIndex:
    """A package index in a directory, and a lock of what it offered at first."""

    def __init__(self, directory: Path) -> None:
        self._simple = directory / "simple"
        self.lock = directory / "lock.txt"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that let pip and uv know this index and no other."""
        url = self._simple.as_uri()
        return {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url}

    def offer(self, name: str, version: str, *lines: str, locked: bool = False) -> None:
        """Add a wheel with these metadata lines; lock it if told so."""
        folder = self._simple / name
        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / f"{name}-{version}-py3-none-any.whl"
        _write_wheel(wheel, name, version, lines)
        if locked:
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            with self.lock.open("a") as lock:
                lock.write(f"{name}=={version} --hash=sha256:{digest}\n")
        links = "".join(f'<a href="{file.name}">{file.name}</a>' for file in folder.glob("*.whl"))
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")


def _write_wheel(file: Path, name: str, version: str, lines: tuple[str, ...]) -> None:
    info = f"{name}-{version}.dist-info"
    metadata = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
    members = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": metadata + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(file, "w") as archive:
        record = ""
        for path, text in members.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
            record += f"{path},sha256={digest.decode()},{len(text)}\n"
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    """An index that has moved on since the lock was made, for all that is asked with an extra."""
    index = PackageIndex(tmp_path)
    index.offer("outer", "1.0", "Requires-Dist: inner[more]>=1.0", locked=True)
    index.offer(
        "inner", "1.0", "Provides-Extra: more", "Requires-Dist: deep; extra == 'more'", locked=True
    )
    index.offer("deep", "1.0", locked=True)
    index.offer("inner", "2.0", "Provides-Extra: more", "Requires-Dist: deep; extra == 'more'")
    index.offer("deep", "2.0")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in index.environment.items():
        monkeypatch.setenv(name, value)
    return index


def _made(steps: list[list[str]], environment: Path) -> list[str]:
    """Run the steps up to the lock's installation and return what is installed then."""
    for step in steps[:2]:
        assert local.failed(step) is None
    python = environment / "bin" / "python"
    code = "import deep, inner, outer; print(outer.VERSION, inner.VERSION, deep.VERSION)"
    done = subprocess.run([str(python), "-c", code], capture_output=True, check=True, text=True)
    return done.stdout.split()


@pytest.mark.timeout(120)
def test_pip_installs_the_locked_versions_though_the_index_has_newer_ones(
    index: PackageIndex, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"

    installed = _made(local.pip_steps(environment, index.lock), environment)

    assert installed == ["1.0", "1.0", "1.0"]


@pytest.mark.timeout(120)
def test_uv_installs_the_locked_versions_though_the_index_has_newer_ones(
    index: PackageIndex, tmp_path: Path
) -> None:
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed here")
    environment = tmp_path / "environment"

    installed = _made(local.uv_steps(uv, environment, index.lock), environment)

    assert installed == ["1.0", "1.0", "1.0"]


def test_an_installer_speaks_only_when_it_failed() -> None:
    assert local.failed(["sh", "-c", "echo WARNING: noise >&2"]) is None
    assert local.failed(["sh", "-c", "echo the reason >&2; exit 3"]) == "the reason\n"


def test_no_lock_is_ever_resolved_anew() -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    loose = [
        f"{name}:{number}"
        for name in files.split("\0")
        if name
        and (ROOT / name).is_file()
        and name not in {"tests/deploy/test_local.py", "tests/rig/mutants.toml"}
        for number, line in enumerate(_lines(ROOT / name), 1)
        if "--require-hashes" in line and not re.search(r"--no-deps", line)
    ]

    assert loose == []


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except UnicodeDecodeError:
        return []
