"""Who says so: keys of services, whom they trust, tokens and signatures."""

from weft.identity.keys import PublicKey, SigningKey, Trust, TrustedKey, open_key, publish
from weft.identity.tokens import Caller, Minter, Verifier

__all__ = [
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
