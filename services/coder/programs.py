"""What a command needs beside the project: its program, and where that has its own files."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

__all__ = ["environment_of", "needed_by", "program_of"]

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_LINKS = 16
"""After so many a link leads nowhere."""


def program_of(name: str, root: Path) -> str | None:
    """Return the program that `name` starts in the project, as this service would; None: there is none."""
    if "/" in name:
        path = Path(name) if Path(name).is_absolute() else root / name
        return str(path) if os.access(path, os.X_OK) else None
    return shutil.which(
        name, path=os.pathsep.join([*_own_programs(root), os.environ.get("PATH", "")])
    )


def needed_by(program: str, readable: Sequence[Path]) -> list[str]:
    """Return the directories that must be there for `program`, and those that were named."""
    needed = [str(path.resolve()) for path in readable]
    needed += [str(prefix) for hop in _hops(Path(program)) if (prefix := _prefix(hop))]
    return list(dict.fromkeys(needed))


def environment_of(program: str, root: Path) -> Mapping[str, str]:
    """Return all that the command is told of its surroundings: nothing of this service's own."""
    path = [*_own_programs(root), str(Path(program).parent), _SYSTEM_PATH]
    environment = {
        "PATH": os.pathsep.join(dict.fromkeys(path)),
        "HOME": "/tmp",  # noqa: S108 - the command's own
        "TMPDIR": "/tmp",  # noqa: S108
        "LANG": "C.UTF-8",
        "CI": "true",
        "NO_COLOR": "1",
    }
    if program == sys.executable:
        # What is installed beside the coder is none of the project's.
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        if (root / "src").is_dir():
            # Nobody installed the project there.
            environment["PYTHONPATH"] = str(root / "src")
    return environment


def _own_programs(root: Path) -> list[str]:
    """Return where the project's environments have programs."""
    places = (root / ".venv" / "bin", root / "venv" / "bin", root / "node_modules" / ".bin")
    return [str(place) for place in places if place.is_dir()]


def _hops(program: Path) -> Iterator[Path]:
    """Yield the program, and all that its links name on the way to the file."""
    path = program.absolute()
    for _ in range(_LINKS):
        yield path
        if not path.is_symlink():
            break
        path = Path(os.path.normpath(path.parent / path.readlink()))
    yield path.resolve()


def _prefix(program: Path) -> Path | None:
    """Return the tree that a program was installed with; None where that is the system or a home."""
    directory = program.parent
    tree = directory.parent if directory.name == "bin" else directory
    homes = Path.home().is_relative_to(tree) or tree == Path.home() / ".local"
    return None if homes or tree.is_relative_to("/usr") else tree
