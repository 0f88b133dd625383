"""`-f FILE`: files that a question is about, where the specialists of this machine can read them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from weft.cli.app import MeshPlace
from weft.core.errors import ConfigError
from weft.local.attachments import Attachment, attach
from weft.local.upkeep import is_running

STDIN = "-"


def attached(place: MeshPlace, files: Sequence[Path]) -> Path:
    """Copy the files below the mesh's home and return the directory that holds them.

    Raises:
        ConfigError: The mesh is elsewhere, or a file cannot be taken.
    """
    credentials = place.credentials()
    if not (credentials.on_this_machine and is_running(place.home)):
        raise ConfigError(
            f"-f copies files to a mesh that runs in {place.home} on this machine, and none does: "
            "put them below a data root of the mesh that you ask, and name their directory there "
            "with --data"
        )
    return attach(place.home, [_opened(file) for file in files])


def _opened(file: Path) -> Attachment:
    if str(file) == STDIN:
        return Attachment("stdin.log", sys.stdin.buffer)
    if file.is_dir():
        raise ConfigError(f"{file} is a directory: name it with --data, below a data root")
    try:
        return Attachment(file.name, file.open("rb"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
