"""Who says so: keys of services, whom they trust, tokens and signatures."""

from weft.identity.api_keys import ApiKeys
from weft.identity.keys import PublicKey, SigningKey, Trust, TrustedKey, open_key, publish
from weft.identity.tokens import Caller, Minter, Verifier

__all__ = [
    "ApiKeys",
    "Caller",
    "Minter",
    "PublicKey",
    "SigningKey",
    "Trust",
    "TrustedKey",
    "Verifier",
    "open_key",
    "publish",
]
