"""What `weft up` leaves for callers on its machine: where the gateway is, and a key for it."""

from typing import Final
from urllib.parse import urlsplit

from weft.core import Record

__all__ = ["CREDENTIALS", "Credentials"]

CREDENTIALS: Final = "credentials.json"
"""The file's name in the home of the mesh; for its owner only."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Credentials(Record):
    """Where the gateway is, and the key for it."""

    url: str
    key: str

    @property
    def on_this_machine(self) -> bool:
        """Tell whether the mesh sees the same files as whoever calls it."""
        return urlsplit(self.url).hostname in _LOOPBACK
