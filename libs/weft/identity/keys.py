"""Signing keys: one Ed25519 pair per service, the public halves in a directory of the mesh."""

import asyncio
import base64
import binascii
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from stat import S_IMODE
from types import MappingProxyType

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from weft.core import SYSTEM_CLOCK, Clock, Record
from weft.core.errors import ConfigError
from weft.core.private_files import (
    NotAFileError,
    create_private,
    make_private_directory,
    read_file,
    write_private,
)
from weft.core.supervision import guarded

__all__ = ["b64", "unb64"]

LOOK_SECONDS = 2.0
"""How long a key is trusted without another look at the directory."""
SETTLED_NS = 1_000_000_000


class PublicKey(Record):
    """What a service publishes: the file `<service>.json` of the trust directory."""

    kid: str
    service: str
    public: str
    """The 32 raw bytes, base64url without padding."""
    issuer: bool = False
    """Whether the service may speak for anybody; others pass on what they were given."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A pinned public key and the one service it speaks for."""

    kid: str
    service: str
    public: Ed25519PublicKey = field(repr=False)
    issuer: bool = False

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
    issuer: bool = False
    """Whether its tokens may begin a chain, as those of router and gateway do."""

    @classmethod
    def generate(cls, service: str, *, issuer: bool = False) -> "SigningKey":
        return replace(cls.of(service, Ed25519PrivateKey.generate()), issuer=issuer)

    @classmethod
    def of(cls, service: str, private: Ed25519PrivateKey) -> "SigningKey":
        raw = private.public_key().public_bytes_raw()
        return cls(hashlib.sha256(raw).hexdigest()[:16], service, private)

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)

    def public(self) -> PublicKey:
        raw = self.private.public_key().public_bytes_raw()
        return PublicKey(
            kid=self.kid, service=self.service, public=b64(raw).decode(), issuer=self.issuer
        )

    def trusted(self) -> TrustedKey:
        return TrustedKey(self.kid, self.service, self.private.public_key(), self.issuer)


def open_key(path: Path, service: str) -> SigningKey:
    """Return the key of the file, made if absent; call it before the event loop runs.

    Raises:
        ConfigError: The file can be read by others, or holds no key.
    """
    if not path.exists():
        private = Ed25519PrivateKey.generate()
        if create_private(path, private.private_bytes_raw()):
            return SigningKey.of(service, private)
    return SigningKey.of(service, _load(path))


def publish(key: SigningKey, directory: Path) -> None:
    """Put the public half where the other services look; call it before the event loop runs."""
    make_private_directory(directory)
    write_private(directory / f"{key.service}.json", orjson.dumps(key.public().to_json()))


class Trust:
    """The keys pinned for the mesh, by key id.

    With a directory, what stands there is trusted and nothing else: it is looked at again after
    `LOOK_SECONDS`, so that a removed key soon stops, and at once for a key id that is not known, so
    that a new or rotated key needs no restart. Key files whose name differs from their service are
    taken as that service's too, which lets an old key overlap with its successor.
    """

    def __init__(
        self,
        keys: tuple[TrustedKey, ...] = (),
        *,
        directory: Path | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._pinned: Mapping[str, TrustedKey] = MappingProxyType({key.kid: key for key in keys})
        self._keys = self._pinned
        self._directory = directory
        self._clock = clock
        self._looked: float | None = None
        self._stamp = 0
        self._settled = True
        self._order = asyncio.Lock()

    async def find(self, kid: str) -> TrustedKey | None:
        """Return the key of this id, or None for one that nobody pinned."""
        if self._directory is not None and (kid not in self._keys or self._is_old()):
            async with self._order:
                # Whoever came second finds what the first one read.
                if kid not in self._keys or self._is_old():
                    await self._look(self._directory)
        return self._keys.get(kid)

    def _is_old(self) -> bool:
        return self._looked is None or self._clock.monotonic() - self._looked > LOOK_SECONDS

    async def _look(self, directory: Path) -> None:
        # What changed within a tick of the file system's clock left no trace in the stamp.
        stamp = self._stamp if self._settled or not self._is_old() else 0
        self._looked = self._clock.monotonic()
        with guarded("trust directory"):
            reading = await asyncio.to_thread(_read_changed, directory, stamp)
            if reading is not None:
                self._stamp, self._settled, keys = reading
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
        return Ed25519PrivateKey.from_private_bytes(read_file(path))
    except (ValueError, NotAFileError) as error:
        raise ConfigError(
            f"the key file {path} holds no key: remove it, and a new one is made at the next start"
        ) from error


def _read_changed(directory: Path, stamp: int) -> tuple[int, bool, dict[str, TrustedKey]] | None:
    """Return the directory's keys, its stamp, and whether that is old enough to tell changes.

    None where it is as it was at `stamp`.
    """
    try:
        current = directory.stat().st_mtime_ns
    except FileNotFoundError:
        return 0, True, {}
    if current == stamp:
        return None
    settled = time.time_ns() - current > SETTLED_NS
    return current, settled, _read_all(directory)


def _read_all(directory: Path) -> dict[str, TrustedKey]:
    """Return the keys that can be read.

    Raises:
        OSError: A file is there and cannot be read now.
    """
    keys: dict[str, TrustedKey] = {}
    for file in sorted(directory.glob("*.json")):
        try:
            key = PublicKey.model_validate_json(read_file(file))
            public = Ed25519PublicKey.from_public_bytes(unb64(key.public.encode()))
        except (FileNotFoundError, NotAFileError, PermissionError, ValidationError, ValueError):
            # Gone meanwhile, or no key of ours.
            continue
        keys[key.kid] = TrustedKey(key.kid, key.service, public, key.issuer)
    return keys
