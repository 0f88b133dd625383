"""Card signatures: JWS over the RFC 8785 form, by keys pinned for the mesh and no others."""

import orjson

from weft.core import JsonObject, JsonValue, canonical
from weft.core.protocol_errors import CardRefusedError
from weft.identity.keys import SigningKey, Trust, b64, unb64

__all__ = ["sign"]

MAX_SIGNATURES = 8


def sign(card: JsonObject, key: SigningKey) -> JsonObject:
    """Return the card with one signature of `key`, replacing those it had."""
    header = orjson.dumps({"alg": "EdDSA", "kid": key.kid, "typ": "JOSE"})
    protected = b64(header)
    signature = b64(key.sign(protected + b"." + b64(_payload(card))))
    return {
        **_unsigned(card),
        "signatures": [{"protected": protected.decode(), "signature": signature.decode()}],
    }


async def check(card: JsonObject, *, service: str, trust: Trust) -> None:
    """Return if a pinned key of `service` signed the card; `jku` is never looked at.

    Raises:
        CardRefusedError: None did.
    """
    signatures = card.get("signatures")
    if not isinstance(signatures, list) or not signatures:
        raise CardRefusedError(f"the card of {service!r} is not signed")
    try:
        payload = b64(_payload(card))
    except ValueError as error:
        raise CardRefusedError(f"the card of {service!r} has no canonical form") from error
    for signature in signatures[:MAX_SIGNATURES]:
        if await _signed(signature, payload, service=service, trust=trust):
            return
    raise CardRefusedError(f"no pinned key of {service!r} signed its card as it stands")


async def _signed(signature: JsonValue, payload: bytes, *, service: str, trust: Trust) -> bool:
    if not isinstance(signature, dict):
        return False
    protected = str(signature.get("protected", "")).encode()
    try:
        header = orjson.loads(unb64(protected))
        raw = unb64(str(signature.get("signature", "")).encode())
    except ValueError:
        return False
    if not isinstance(header, dict) or header.get("alg") != "EdDSA" or "crit" in header:
        return False
    key = await trust.find(str(header.get("kid")))
    if key is None or key.service != service:
        return False
    return key.signed(raw, protected + b"." + payload)


def _payload(card: JsonObject) -> bytes:
    return canonical(_full(_unsigned(card)) or {})


def _unsigned(card: JsonObject) -> JsonObject:
    return {name: value for name, value in card.items() if name != "signatures"}


def _full(value: JsonValue) -> JsonValue:
    """Leave out what is empty, as protobuf's JSON does, so that every reader signs one form."""
    if isinstance(value, dict):
        kept = {name: _full(member) for name, member in value.items()}
        return {name: member for name, member in kept.items() if member is not None} or None
    if isinstance(value, list):
        return [member for element in value if (member := _full(element)) is not None] or None
    return None if value == "" else value
