"""The rows in SQLite: each statement prepared once per connection."""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import chain

from weft.checkpoint.faults import Faults
from weft.checkpoint.requests import DeleteThread, EraseRun, Now, PruneRun
from weft.checkpoint.script import Request
from weft.checkpoint.sql import Batch, Change, LongTexts, Rows, Said, SqlTables, Statement, Value
from weft.checkpoint.sql.dialect import Dialect, put_for_sqlite
from weft.checkpoint.sqlite.packing import packed, packed_entry, unpacked, unpacked_entry
from weft.checkpoint.tables import Claimable, Door

_TABLES = SqlTables(LongTexts(packed, unpacked, packed_entry, unpacked_entry))
_TOGETHER = 16
"""So many lines are inserted at once: each statement hands the interpreter's lock over twice."""
_ERASING = frozenset({EraseRun, DeleteThread, PruneRun})


class SqliteTables:
    """The rows as one connection sees them; `restart` begins the next transaction."""

    def __init__(self, connection: sqlite3.Connection, faults: Faults) -> None:
        self.connection = connection
        self._faults = faults
        self._dialect = Dialect(partial(put_for_sqlite, ahead_s=faults.ahead_s))
        self._ahead_s = faults.ahead_s
        self._now: object = None
        self.statements = 0
        """How many were executed, those that begin and end transactions left out."""
        self.erased = False
        """Whether something was erased whose bytes still stand in the write-ahead log."""

    def restart(self) -> None:
        """Let the next transaction read the clock."""
        self._now = None
        if self._ahead_s != self._faults.ahead_s:
            self._ahead_s = self._faults.ahead_s
            self._dialect = Dialect(partial(put_for_sqlite, ahead_s=self._ahead_s))

    def answer(self, request: Request[object]) -> object:
        kind = type(request)
        if kind is Now:
            # One time for all that shares a commit.
            if self._now is None:
                self._now = self._answer(request)
            return self._now
        if kind in _ERASING:
            self.erased = True
        answer = self._answer(request)
        if self._now is None and isinstance(answer, Door | Claimable):
            self._now = answer.now
        return answer

    def _answer(self, request: Request[object]) -> object:
        statements = _TABLES.statements(request)
        try:
            said = next(statements)
            while True:
                said = statements.send(self._execute(said))
        except StopIteration as end:
            answer: object = end.value
            return answer

    def _execute(self, said: Said) -> Rows:
        if isinstance(said, Statement):
            return self._run(said.text, said.values).fetchall()
        if isinstance(said, Change):
            return ((self._run(said.text, said.values).rowcount,),)
        if isinstance(said, Batch):
            for start in range(0, len(said.lines), _TOGETHER):
                lines = said.lines[start : start + _TOGETHER]
                self._run(_of_lines(said.text, len(lines)), list(chain.from_iterable(lines)))
        return ()

    def _run(self, text: str, values: Sequence[Value]) -> sqlite3.Cursor:
        self.statements += 1
        return self.connection.execute(self._dialect[text], values)


@lru_cache(maxsize=64)
def _of_lines(text: str, count: int) -> str:
    """Return the insertion of one line as that of `count` lines."""
    head, values, line = text.rpartition("VALUES ")
    return head + values + ", ".join([line] * count)
