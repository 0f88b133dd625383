"""What an instance says of itself, sealed by its service's key for a short time or one question.

A card says what a service is and may be signed once for all; a seal says that this instance, at
this address, is there now. It is a JWS like a delegation token, of a type of its own.
"""

from dataclasses import dataclass, field

import orjson
from pydantic import ValidationError

from weft.a2a.wire.cards import MAX_CARD
from weft.catalog import Entry
from weft.core import SYSTEM_CLOCK, Clock, Record
from weft.core.protocol_errors import CardRefusedError
from weft.identity.keys import SigningKey, Trust, b64, unb64

__all__ = ["PROOF_PATH", "Sealer", "read_seal"]

PROOF_PATH = "/.well-known/weft-instance"
TYPE = "weft-instance+jws"
LIFETIME_SECONDS = 60.0
LEEWAY_SECONDS = 60.0
"""By how much the clocks of two machines may differ; a proof needs no clock at all."""
MAX_SEAL = 2 * MAX_CARD


class _Claims(Record):
    entry: Entry
    exp: float
    nonce: str = ""


@dataclass(slots=True)
class Sealer:
    """Seals the entry of this process; `open` while others may count on it."""

    entry: Entry
    key: SigningKey
    clock: Clock = SYSTEM_CLOCK
    open: bool = False
    _head: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        self._head = b64(orjson.dumps({"alg": "EdDSA", "kid": self.key.kid, "typ": TYPE}))

    def sealed(self, nonce: str = "") -> bytes:
        """Return the entry as this process says it now, in answer to `nonce` where one is given."""
        exp = self.clock.now() + LIFETIME_SECONDS
        claims = {"entry": self.entry.to_json(), "exp": exp, "nonce": nonce}
        signed = self._head + b"." + b64(orjson.dumps(claims))
        return signed + b"." + b64(self.key.sign(signed))


async def read_seal(
    sealed: bytes, trust: Trust, *, nonce: str = "", clock: Clock = SYSTEM_CLOCK
) -> Entry:
    """Return the entry, if a pinned key of its own service sealed it for now or for `nonce`.

    Raises:
        CardRefusedError: Nobody may count on it.
    """
    if len(sealed) > MAX_SEAL:
        raise CardRefusedError(f"the entry is larger than {MAX_SEAL} bytes")
    signed, _, signature = sealed.rpartition(b".")
    head, _, body = signed.partition(b".")
    try:
        header = orjson.loads(unb64(head))
        if not isinstance(header, dict) or "crit" in header:
            raise CardRefusedError("the entry's seal is none")
        if (header.get("alg"), header.get("typ")) != ("EdDSA", TYPE):
            raise CardRefusedError("the entry's seal is of another kind")
        key = await trust.find(str(header.get("kid")))
        if key is None or not key.signed(unb64(signature), signed):
            raise CardRefusedError("no pinned key sealed the entry")
        claims = _Claims.model_validate_json(unb64(body))
    except (ValueError, ValidationError) as error:
        raise CardRefusedError("the entry's seal cannot be read") from error
    entry, now = claims.entry, clock.now()
    if key.service != entry.service:
        raise CardRefusedError(f"a key of {key.service!r} seals no entry of {entry.service!r}")
    if claims.nonce != nonce:
        raise CardRefusedError(f"the seal of {entry.service!r} answers another question")
    fresh = now - LEEWAY_SECONDS <= claims.exp <= now + LIFETIME_SECONDS + LEEWAY_SECONDS
    if not nonce and not fresh:
        raise CardRefusedError(f"the seal of {entry.service!r} is over: it is from an earlier life")
    return entry
