"""How an agent outside the mesh is reached: by which of its interfaces, and with which credential."""

import asyncio
from collections.abc import Callable, Mapping

from weft.a2a.client.bindings import UNKNOWN_METHOD, VERSION_REFUSED, outgoing
from weft.a2a.client.transport import Outgoing
from weft.a2a.wire import extensions
from weft.a2a.wire.cards import Interface, PeerCard
from weft.core import JsonObject
from weft.core.errors import WeftError
from weft.core.protocol_errors import (
    AnswerLostError,
    CredentialMissingError,
    PeerRefusedError,
    PeerUnavailableError,
    UnexpectedStatusError,
)

__all__ = ["ForeignAccess", "Secret"]

SENDS = frozenset({"SendMessage", "SendStreamingMessage"})
_NOT_HERE = frozenset({404, 405, 406, 415, 501})
"""Answers of who serves another binding there, or nothing."""
_WHO_ARE_YOU = frozenset({401, 403})


class Secret:
    """Where a credential is found: nobody keeps it longer than for one call."""

    def __init__(self, header: str, words: str, read: Callable[[], str | None]) -> None:
        """`read` blocks; `words` say where it looks."""
        self.header = header
        self.words = words
        self._read = read

    async def value(self) -> str | None:
        return await asyncio.to_thread(self._read)


class ForeignAccess:
    """Writes the calls to one agent, by the first of its interfaces that has worked."""

    def __init__(
        self, card: PeerCard, secret: Secret | None = None, *, deduplicates: bool = False
    ) -> None:
        self._card = card
        self._secret = secret
        self._interfaces = card.interfaces or (Interface(card.url, tenant=card.tenant),)
        self._index = 0
        self._refused: set[int] = set()
        """Interfaces that turned out not to be what the card says."""
        self.deduplicates = deduplicates

    async def outgoing(
        self, method: str, params: JsonObject, headers: Mapping[str, str]
    ) -> Outgoing:
        """Return a call as it is sent.

        Raises:
            CredentialMissingError: It needs one, and there is none.
        """
        own = dict(headers)
        if self._card.extensions:
            own[extensions.HEADER] = ",".join(sorted(self._card.extensions))
        if self._secret is not None:
            secret = await self._secret.value()
            if secret is None:
                raise CredentialMissingError(
                    f"{self._card.service} needs its credential, which is looked for in "
                    f"{self._secret.words} and is not there"
                )
            own[self._secret.header] = secret
        return outgoing(self._interfaces[self._index], method, params, own)

    def repeats(self, method: str) -> bool:
        """Tell whether a call whose answer got lost may be made again."""
        return self.deduplicates or method not in SENDS

    def falls_back(self, method: str, error: WeftError) -> bool:
        """Turn to the next interface where this one is not what the card says; tell whether it did.

        Only what begins a task may go elsewhere: a task is known where it was begun.
        """
        if method not in SENDS or not _is_elsewhere(error):
            return False
        self._refused.add(self._index)
        left = [index for index in range(len(self._interfaces)) if index not in self._refused]
        if not left:
            self._refused.clear()
            self._index = 0
            return False
        self._index = left[0]
        return True

    def explained(self, error: WeftError) -> WeftError:
        """Return the error as somebody here can act on it."""
        if type(error) is PeerUnavailableError:
            place = self._interfaces[self._index].url
            words = f"{self._card.service} cannot be reached at {place}: {error}"
            return PeerUnavailableError(words, retry_after=error.retry_after)
        if not isinstance(error, UnexpectedStatusError) or error.status not in _WHO_ARE_YOU:
            return error
        if self._secret is None:
            return CredentialMissingError(
                f"{self._card.service} wants a credential (HTTP {error.status}), and none was named "
                "for it: add it again with --credential env:NAME or file:PATH"
            )
        return PeerRefusedError(
            f"{self._card.service} does not take the credential in {self._secret.words} "
            f"(HTTP {error.status})"
        )


def _is_elsewhere(error: WeftError) -> bool:
    if isinstance(error, PeerRefusedError):
        return error.rpc_code in {VERSION_REFUSED, UNKNOWN_METHOD}
    if isinstance(error, UnexpectedStatusError):
        return error.status in _NOT_HERE
    untaken = isinstance(error, PeerUnavailableError) and not isinstance(error, AnswerLostError)
    return untaken and getattr(error, "retry_after", None) is None
