"""Keys that open one process: given to it at its start, kept as hashes, compared in constant time."""

import hashlib
import hmac
from collections.abc import Mapping

from weft.core import ALL_SCOPES, Principal
from weft.core.errors import ConfigError, UnauthenticatedError

__all__ = ["OWNER", "ApiKeys"]

OWNER = "owner"
"""Whose key the only one is."""
SHORTEST = 16
"""Characters of a key: a shorter one can be guessed."""


class ApiKeys:
    """Whose key is whose; subjects see nothing of each other.

    Raises:
        ConfigError: A key is too short, or two subjects have the same.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        if short := sorted(subject for subject, key in keys.items() if len(key) < SHORTEST):
            raise ConfigError(
                f"the API key of {short[0]!r} has less than {SHORTEST} characters: "
                "take a longer one, such as `openssl rand -hex 24` prints"
            )
        self._subjects = {_digest(key): subject for subject, key in keys.items()}
        if len(self._subjects) < len(keys):
            raise ConfigError("two subjects have the same key")

    async def authenticate(self, credential: str) -> Principal:
        """Return whose key this is.

        Raises:
            UnauthenticatedError: It is nobody's.
        """
        digest = _digest(credential)
        fits = [kept for kept in self._subjects if hmac.compare_digest(kept, digest)]
        if not fits:
            raise UnauthenticatedError("this needs a valid API key")
        subject = self._subjects[fits[0]]
        return Principal(tenant="local", subject=subject, scopes=ALL_SCOPES - {"admin"})


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
