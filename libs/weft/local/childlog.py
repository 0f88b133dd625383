"""The log of a child process: bounded, whatever the child says and however fast."""

import os
from pathlib import Path

LOG_BYTES = 8 * 1024 * 1024
"""A longer log is begun anew; this much of its end stays beside it, as `<name>.log.1`."""
LINE_BYTES = 64 * 1024
WORDS_BYTES = 64 * 1024
CUT = b" [the rest of this line was left out]"
LOG_MODE = 0o600


class ChildLog:
    """One file, to which the child may write as well; its methods block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0
        self._rest = b""
        self._dropping = False

    def open(self) -> int:
        """Return a descriptor to append to; what stands in the file was said by an earlier start."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, LOG_MODE)
        self._start = os.fstat(descriptor).st_size
        return descriptor

    def append(self, said: bytes) -> None:
        """Add output of the child by whole lines, for it may write to the file itself as well."""
        *lines, self._rest = (self._rest + said).split(b"\n")
        kept = [line + b"\n" for line in map(self._bounded, lines) if line is not None]
        if len(self._rest) > LINE_BYTES:
            if (line := self._bounded(self._rest)) is not None:
                kept.append(line + b"\n")
            self._rest, self._dropping = b"", True
        self._write(b"".join(kept))

    def finish(self) -> None:
        """Add what was said last, without the end of its line."""
        rest, self._rest = self._rest, b""
        if rest and (line := self._bounded(rest)) is not None:
            self._write(line + b"\n")
        self._dropping = False

    def bound(self) -> None:
        """Begin the file anew if it has grown too long."""
        with self.path.open("rb+") as log:
            size = log.seek(0, os.SEEK_END)
            if size <= LOG_BYTES:
                return
            log.seek(size - LOG_BYTES)
            self.path.with_name(f"{self.path.name}.1").write_bytes(log.read(LOG_BYTES))
            log.truncate(0)
            self._start = 0

    def last_words(self) -> str:
        """Return the last thing that was said since the start, and where the log is."""
        with self.path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(min(self._start, size), size - WORDS_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        # A traceback of grouped errors ends in lines that only draw its frame.
        words = [text for line in lines if (text := line.strip(" |+-"))]
        return f"{words[-1][:300] if words else 'it said nothing'} (log: {self.path})"

    def _bounded(self, line: bytes) -> bytes | None:
        """Return what is kept of a line; None for the end of one whose beginning was kept."""
        if self._dropping:
            self._dropping = False
            return None
        return line if len(line) <= LINE_BYTES else line[:LINE_BYTES] + CUT

    def _write(self, lines: bytes) -> None:
        if not lines:
            return
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, LOG_MODE)
        with os.fdopen(descriptor, "ab") as log:
            log.write(lines)
