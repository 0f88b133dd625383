"""What must not stand in the project: index hosts, machine paths, unhashed pins."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Written in pieces, so that this file does not hold what it looks for.
HOSTS = re.compile(
    "|".join(
        ["py" + r"pi\.org", "python" + "hosted", r"registry\.npm" + "js", r"deb\.debi" + "an"]
    ),
    re.IGNORECASE,
)
PATHS = re.compile("|".join(["/wor" + "k/", "/roo" + r"t/\.", r"\.\./sha" + "red"]))
LOCKS = sorted((ROOT / "deploy" / "locks").glob("*.txt"))


def tracked() -> list[Path]:
    listed = subprocess.run(
        [
            shutil.which("git") or "git",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=10,
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


@pytest.mark.parametrize("forbidden", [HOSTS, PATHS], ids=["index hosts", "machine paths"])
def test_no_tracked_file_holds_forbidden_words(forbidden: re.Pattern[str]) -> None:
    found = []
    for path in tracked():
        if not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in forbidden.finditer(text)]

    assert found == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
@pytest.mark.requirement("SEC-121")
def test_every_pin_of_a_lock_has_a_hash(lock: Path) -> None:
    pins = re.findall(
        r"^[A-Za-z0-9._\[\],-]+==.*?(?=^\S|\Z)", lock.read_text(), re.MULTILINE | re.DOTALL
    )

    assert pins
    assert [pin.split(" ", 1)[0] for pin in pins if "--hash=sha256:" not in pin] == []
