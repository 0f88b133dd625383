"""Who a service is to the bus: a name and a password in a file that only its owner reads."""

from pathlib import Path
from stat import S_IMODE

import orjson

from weft.core.errors import ConfigError
from weft.core.private_files import read_file
from weft.core.record import Record

__all__ = ["FOLDER", "SPECIALIST", "BusUser", "read_user"]

FOLDER = "bus"
SPECIALIST = "specialist"
"""The user of a service that was not there when the mesh was started."""


class BusUser(Record):
    """What NATS asks for, and where it is."""

    name: str
    password: str
    url: str | None = None
    """None where the bus is not of the mesh that wrote this."""


def read_user(home: Path, service: str) -> BusUser | None:
    """Return the user of `service`, else the one for newcomers, else None; it blocks.

    Raises:
        ConfigError: Others can read the file, or it holds no credential.
    """
    for name in (service, SPECIALIST):
        path = home / FOLDER / f"{name}.json"
        try:
            mode, text = path.stat().st_mode, read_file(path)
        except FileNotFoundError:
            continue
        if S_IMODE(mode) & 0o077:
            raise ConfigError(f"others can read the credential {path.name}: run chmod 600 on it")
        try:
            return BusUser.model_validate(orjson.loads(text))
        except ValueError as error:
            raise ConfigError(f"{path.name} holds no credential: start `weft up` again") from error
    return None
