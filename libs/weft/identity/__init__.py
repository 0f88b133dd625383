"""Who says so: keys of services, whom they trust, tokens and signatures."""

from weft.identity.keys import PublicKey, SigningKey, Trust, TrustedKey, open_key, publish

__all__ = ["PublicKey", "SigningKey", "Trust", "TrustedKey", "open_key", "publish"]
