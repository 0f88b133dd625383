"""What `weft up` leaves for callers on its machine: where the gateway is, and a key for it."""

from typing import Final

from weft.core import Record

__all__ = ["CREDENTIALS", "Credentials"]

CREDENTIALS: Final = "credentials.json"
"""The file's name in the home of the mesh; for its owner only."""


class Credentials(Record):
    """Where the gateway is, and the key for it."""

    url: str
    key: str
