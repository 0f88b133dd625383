"""API keys: shown once, kept as hashes, compared in constant time."""

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import anyio
from pydantic import TypeAdapter, ValidationError

from weft.core import RUN_SCOPES, SYSTEM_CLOCK, Allowance, Clock, Principal, Record, secret_id
from weft.core.errors import ConfigError, UnauthenticatedError
from weft.core.private_files import (
    NotAFileError,
    locked,
    make_private_directory,
    read_file,
    write_private,
)

__all__ = ["KeyFile", "new_key"]

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
    limits: Allowance | Literal["none"] | None = None
    """None is what the front door allows everybody; "none" is no limit at all."""

    def principal(self) -> Principal:
        return Principal(
            tenant=self.tenant, subject=self.subject, scopes=self.scopes, limits=self.limits
        )

    def opens_with(self, text: str, *, now: float) -> bool:
        """Tell whether `text` is this key, and still good."""
        fits = hmac.compare_digest(_digest(text).encode(), self.hash.encode())
        return fits and _valid(self, now)


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
    scopes: Iterable[str] = RUN_SCOPES,
    limits: Allowance | Literal["none"] | None = None,
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
        limits=limits,
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
        size = 0
        try:
            stat = self.path.stat()
            size = stat.st_size
            stamp = (stat.st_ino, stat.st_mtime_ns, size)
            if self._stamp == stamp:
                return
            records = _RECORDS.validate_json(read_file(self.path))
        except FileNotFoundError:
            self._keys, self._stamp = {}, None
            return
        except (ValidationError, NotAFileError) as error:
            what = "is not a key file" if size else "is empty"
            raise ConfigError(
                f"{self.path} {what}: put a copy of the right one there, or remove it and make new "
                "keys with `weft keys create`"
            ) from error
        self._keys = {record.key_id: record for record in records}
        self._stamp = stamp

    def records(self) -> list[KeyRecord]:
        self.read()
        return list(self._keys.values())

    def add(self, record: KeyRecord) -> None:
        """Keep one more key."""
        self._change(lambda records: [*records, record])

    def revoke(self, chosen: Callable[[KeyRecord], bool]) -> list[KeyRecord]:
        """Revoke those keys that are not revoked yet, for good, and return them.

        They stay in the file: whoever looks finds when a key was last of use.
        """
        now = self._clock.now()
        revoked: list[KeyRecord] = []

        def alter(records: list[KeyRecord]) -> list[KeyRecord]:
            altered = []
            for record in records:
                if record.revoked_at is None and chosen(record):
                    revoked.append(record)
                    altered.append(record.model_copy(update={"revoked_at": now}))
                else:
                    altered.append(record)
            return altered

        self._change(alter)
        return revoked

    def _change(self, alter: Callable[[list[KeyRecord]], list[KeyRecord]]) -> None:
        """Read, alter and write the file while nobody else does."""
        make_private_directory(self.path.parent)
        with locked(self.path.with_name(f".{self.path.name}.lock")):
            content = _RECORDS.dump_json(alter(self.records()), indent=1)
            write_private(self.path, content)
            self.read()


def _valid(record: KeyRecord, now: float) -> bool:
    return record.revoked_at is None and (record.expires_at is None or now < record.expires_at)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


_NOBODY = _digest(secrets.token_hex(32))
