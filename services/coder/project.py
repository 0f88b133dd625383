"""The project that is worked on: which files are its own, and what stands beside them to be read."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

__all__ = ["ENVIRONMENTS", "Copied", "Project", "ProjectError"]

MOST_FILES = 20_000
MOST_BYTES = 128 << 20
ENVIRONMENTS = (".venv", "venv", "node_modules")
"""What a project's tests need and nobody copies: seen where it is, to be read only."""
_SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".weft"}
    | {"__pycache__", "target", "dist", "build", *ENVIRONMENTS}
)
"""Where nothing says what is ignored."""
_PRIVATE = ".env"
_GIT_SECONDS = 30.0


class ProjectError(Exception):
    """The project cannot be worked on, and what would help."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy is made of."""

    source: Path
    seen_at: Path
    """Where the copy is for whoever runs in it."""
    files: Sequence[str] = ()
    changes: Mapping[str, str | None] = field(default_factory=dict)
    """What files hold instead; None: they are gone."""
    linked: Sequence[list[str]] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """A directory of sources; nothing here changes it."""

    root: Path

    def files(self) -> list[str]:
        """Return the paths of its own files, sorted: what git knows or would, else all but the usual.

        Raises:
            ProjectError: They are too many, or too large to be copied.
        """
        names = self._known_to_git()
        listed = sorted(self._walked() if names is None else names)
        kept, size = list[str](), 0
        for name in listed:
            try:
                status = (self.root / name).lstat()
            except OSError:
                continue  # git knows it, and it is not there
            own = PurePosixPath(name).parts[0] not in ENVIRONMENTS
            if own and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                kept.append(name)
                size += status.st_size
        if len(kept) > MOST_FILES or size > MOST_BYTES:
            raise ProjectError(
                f"{self.root} has {len(kept)} files of {size >> 20} MiB together; {MOST_FILES} files "
                f"of {MOST_BYTES >> 20} MiB can be copied: name a smaller directory, or list what "
                "is no source in .gitignore"
            )
        return kept

    def linked(self) -> list[list[str]]:
        """Return its environments, each as where it is and its name here."""
        places = [self.root / name for name in ENVIRONMENTS]
        return [[str(place.resolve()), place.name] for place in places if place.is_dir()]

    def _known_to_git(self) -> list[str] | None:
        git = shutil.which("git")
        if git is None:
            return None
        # A repository may name programs for git to start; none of them is.
        listing = [git, "-c", "core.fsmonitor=false", "-C", str(self.root), "ls-files", "-z"]
        clean = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
        try:
            listed = subprocess.run(  # noqa: S603 - our own words
                [*listing, "--cached", "--others", "--exclude-standard"],
                capture_output=True,
                check=False,
                timeout=_GIT_SECONDS,
                env=clean,
            )
        except subprocess.TimeoutExpired:
            return None
        if listed.returncode:
            return None
        names = {name for name in os.fsdecode(listed.stdout).split("\0") if name}
        return sorted(names) or None

    def _walked(self) -> Iterator[str]:
        for directory, below, names in os.walk(self.root):
            below[:] = sorted(set(below) - _SKIPPED)
            for name in sorted(names):
                if not name.startswith(_PRIVATE):
                    yield str(PurePosixPath(Path(directory, name).relative_to(self.root)))
