"""Signing keys: one Ed25519 pair per service, the public halves in a directory of the mesh."""

import asyncio
import base64
import binascii
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IMODE
from types import MappingProxyType

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from weft.core import Record
from weft.core.errors import ConfigError

PRIVATE_MODE = 0o600


class PublicKey(Record):
    """What a service publishes: the file `<service>.json` of the trust directory."""

    kid: str
    service: str
    public: str
    """The 32 raw bytes, base64url without padding."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A pinned public key and the one service it speaks for."""

    kid: str
    service: str
    public: Ed25519PublicKey = field(repr=False)

    def signed(self, signature: bytes, message: bytes) -> bool:
        try:
            self.public.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A service's own pair; the private half appears in no repr."""

    kid: str
    service: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, service: str) -> "SigningKey":
        return cls.of(service, Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, service: str, private: Ed25519PrivateKey) -> "SigningKey":
        raw = private.public_key().public_bytes_raw()
        return cls(hashlib.sha256(raw).hexdigest()[:16], service, private)

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)

    def public(self) -> PublicKey:
        raw = self.private.public_key().public_bytes_raw()
        return PublicKey(kid=self.kid, service=self.service, public=b64(raw).decode())

    def trusted(self) -> TrustedKey:
        return TrustedKey(self.kid, self.service, self.private.public_key())


def open_key(path: Path, service: str) -> SigningKey:
    """Return the key of the file, made if absent; call it before the event loop runs.

    Raises:
        ConfigError: The file can be read by others, or holds no key.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_MODE)
    except FileExistsError:
        return SigningKey.of(service, _load(path))
    private = Ed25519PrivateKey.generate()
    with os.fdopen(descriptor, "wb") as file:
        file.write(private.private_bytes_raw())
    return SigningKey.of(service, private)


def publish(key: SigningKey, directory: Path) -> None:
    """Put the public half where the other services look; call it before the event loop runs."""
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{key.service}.json"
    part = target.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(orjson.dumps(key.public().to_json()))
    part.replace(target)


class Trust:
    """The keys pinned for the mesh, by key id.

    With a directory, a key id it does not know makes it look there again if anything changed there,
    so a new or rotated key needs no restart. Key files whose name differs from their service are
    taken as that service's too, which lets an old key overlap with its successor.
    """

    def __init__(
        self,
        keys: tuple[TrustedKey, ...] = (),
        *,
        directory: Path | None = None,
    ) -> None:
        self._pinned: Mapping[str, TrustedKey] = MappingProxyType({key.kid: key for key in keys})
        self._keys = self._pinned
        self._directory = directory
        self._stamp = 0
        self._order = asyncio.Lock()

    async def find(self, kid: str) -> TrustedKey | None:
        """Return the key of this id, or None for one that nobody pinned."""
        if (known := self._keys.get(kid)) is not None or self._directory is None:
            return known
        async with self._order:
            # Whoever came second finds what the first one read.
            if kid not in self._keys:
                await self._look()
        return self._keys.get(kid)

    async def _look(self) -> None:
        found = await asyncio.to_thread(_read_changed, self._directory, self._stamp)
        if found is not None:
            self._stamp, keys = found
            self._keys = MappingProxyType({**keys, **self._pinned})


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def unb64(text: bytes) -> bytes:
    """Return the bytes of unpadded base64url.

    Raises:
        ValueError: It is none.
    """
    if b"=" in text:
        raise ValueError("base64url here has no padding")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _load(path: Path) -> Ed25519PrivateKey:
    if S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(f"others can read the key file {path.name}: run chmod 600 on it")
    try:
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"the key file {path.name} holds no key: remove it") from error


def _read_changed(directory: Path | None, stamp: int) -> tuple[int, dict[str, TrustedKey]] | None:
    """Return the directory's keys and its stamp, or None where it is as it was at `stamp`."""
    try:
        current = directory.stat().st_mtime_ns if directory is not None else stamp
    except FileNotFoundError:
        return None
    if directory is None or current == stamp:
        return None
    return current, _read_all(directory)


def _read_all(directory: Path) -> dict[str, TrustedKey]:
    found: dict[str, TrustedKey] = {}
    for file in sorted(directory.glob("*.json")):
        try:
            key = PublicKey.model_validate_json(file.read_bytes())
            public = Ed25519PublicKey.from_public_bytes(unb64(key.public.encode()))
        except (OSError, ValidationError, ValueError):
            continue
        found[key.kid] = TrustedKey(key.kid, key.service, public)
    return found
