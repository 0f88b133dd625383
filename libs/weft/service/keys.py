"""API keys: shown once, kept as hashes, compared in constant time."""

import asyncio
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from pydantic import TypeAdapter, ValidationError

from weft.core import ALL_SCOPES, SYSTEM_CLOCK, Clock, Principal, Record, secret_id
from weft.core.errors import ConfigError, UnauthenticatedError

log = logging.getLogger(__name__)

KEY_FORM = re.compile(r"wft_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
REREAD_SECONDS = 2.0


class KeyRecord(Record):
    """What the file keeps of a key: never the key."""

    key_id: str
    name: str
    tenant: str
    subject: str
    scopes: frozenset[str]
    hash: str
    """SHA-256 of the whole key; 256 random bits need no slow hash."""
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def principal(self) -> Principal:
        return Principal(tenant=self.tenant, subject=self.subject, scopes=self.scopes)


_RECORDS = TypeAdapter(list[KeyRecord])


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `text` is shown once and kept nowhere."""

    text: str = field(repr=False)
    record: KeyRecord


def new_key(
    name: str,
    *,
    tenant: str = "local",
    subject: str | None = None,
    scopes: Iterable[str] = ALL_SCOPES,
    clock: Clock = SYSTEM_CLOCK,
) -> NewKey:
    """Return a key with its own subject unless told otherwise."""
    key_id = secrets.token_hex(8)
    text = f"wft_{key_id}_{secrets.token_urlsafe(32)}"
    record = KeyRecord(
        key_id=key_id,
        name=name,
        tenant=tenant,
        subject=subject or secret_id(),
        scopes=frozenset(scopes),
        hash=_digest(text),
        created_at=clock.now(),
    )
    return NewKey(text, record)


class KeyFile:
    """The keys of one file, read again when it changes; a revoked key is refused within 5 s."""

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self.path = path
        self._clock = clock
        self._keys: dict[str, KeyRecord] = {}
        self._read_at = -REREAD_SECONDS
        self._stamp: tuple[int, int, int] | None = None
        self._order = asyncio.Lock()

    async def authenticate(self, credential: str) -> Principal:
        """Return whose key this is.

        Raises:
            UnauthenticatedError: It is nobody's, revoked or expired; which one is not said.
        """
        if self._outdated():
            async with self._order:
                # Of many requests at once one reads, and the others wait for what it finds.
                if self._outdated():
                    await self._reread()
        match = KEY_FORM.fullmatch(credential)
        record = self._keys.get(match[1]) if match else None
        # An unknown id costs the same comparison as a known one.
        expected = record.hash if record is not None else _NOBODY
        fits = hmac.compare_digest(_digest(credential).encode(), expected.encode())
        if record is None or not fits or not _valid(record, self._clock.now()):
            raise UnauthenticatedError("this needs a valid API key")
        return record.principal()

    def _outdated(self) -> bool:
        return self._clock.monotonic() - self._read_at >= REREAD_SECONDS

    async def _reread(self) -> None:
        try:
            await anyio.to_thread.run_sync(self.read)
        except (ConfigError, OSError):
            # The keys of the last good reading stand until somebody mends the file.
            log.exception("key_file_unreadable", extra={"path": str(self.path)})
        self._read_at = self._clock.monotonic()

    def read(self) -> None:
        """Read the file if it changed; where there is none, nobody has a key.

        Raises:
            ConfigError: It is not a key file.
        """
        try:
            stat = self.path.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if self._stamp == stamp:
                return
            records = _RECORDS.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            self._keys, self._stamp = {}, None
            return
        except ValidationError as error:
            raise ConfigError(f"{self.path} is not a key file") from error
        self._keys = {record.key_id: record for record in records}
        self._stamp = stamp

    def records(self) -> list[KeyRecord]:
        self.read()
        return list(self._keys.values())

    def write(self, records: Iterable[KeyRecord]) -> None:
        """Replace the file in one step; it is readable by its owner only."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_RECORDS.dump_json(list(records), indent=1))
        draft.replace(self.path)


def _valid(record: KeyRecord, now: float) -> bool:
    return record.revoked_at is None and (record.expires_at is None or now < record.expires_at)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


_NOBODY = _digest(secrets.token_hex(32))
