"""Rules as scripts: pure, played again from the start, and careful about what they lock."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar, get_args, get_type_hints

import pytest

from weft.checkpoint import Checkpointer, requests
from weft.checkpoint.memory import MemoryDatabase, MemoryTables
from weft.checkpoint.script import Request, Script, play
from weft.checkpoint.sql import SqlTables
from weft.checkpoint.store import DatabaseCheckpointer
from weft.core import SYSTEM_CLOCK
from weft.core.errors import WeftError
from weft.testing import CheckpointerContract, ScriptedFaults

T = TypeVar("T")

KINDS: list[type[Request[object]]] = [
    kind
    for kind in vars(requests).values()
    if isinstance(kind, type) and issubclass(kind, Request) and kind is not Request
]


class ConflictError(Exception):
    """The database could not keep a transaction beside another one."""


class Log:
    """One play of a script: what it asked for, and what it was answered."""

    def __init__(self, answer: Callable[[Request[object]], object], *, until: int | None) -> None:
        self._answer = answer
        self._until = until
        self.exchange: list[tuple[Request[object], object]] = []

    def answer(self, request: Request[object]) -> object:
        if len(self.exchange) == self._until:
            raise ConflictError
        reply = self._answer(request)
        self.exchange.append((request, reply))
        return reply


class Replay:
    """Answers a second play as the first one was answered, if it asks for the same."""

    def __init__(self, log: Log) -> None:
        self._left = list(log.exchange)

    def answer(self, request: Request[object]) -> object:
        expected, reply = self._left.pop(0)
        assert request == expected
        return reply

    @property
    def asked_all(self) -> bool:
        return not self._left


class ContestedDatabase(MemoryDatabase):
    """Loses each transaction once, at another place each time, and plays it again.

    Of the play that it keeps it checks that the same answers lead to the same requests and the same
    result, and that whatever was written whole had been locked.
    """

    losses = 0

    async def write(self, script: Callable[[], Script[T]]) -> T:
        def contested() -> Script[T]:
            return self._contested(script)

        return await super().write(contested)

    async def read(self, script: Callable[[], Script[T]]) -> T:
        def watched() -> Script[T]:
            return self._kept(script)

        return await super().read(watched)

    def _contested(self, script: Callable[[], Script[T]]) -> Script[T]:
        self.losses += 1
        lost = Log(self._tables.answer, until=self.losses % 7)
        try:
            play(script(), lost.answer)
        except (ConflictError, WeftError):
            """Lost, or refused before that; either way nothing of it is kept."""
        self._tables.undo.all()
        return self._kept(script)

    def _kept(self, script: Callable[[], Script[T]]) -> Script[T]:
        log = Log(self._tables.answer, until=None)
        outcome = _outcome(script, log.answer)
        replay = Replay(log)
        again = _outcome(script, replay.answer)
        if isinstance(outcome, WeftError):
            assert repr(again) == repr(outcome)
        else:
            assert again == outcome
        assert replay.asked_all
        _check_locks(log)
        yield from ()
        if isinstance(outcome, WeftError):
            raise outcome
        return outcome


def _outcome(
    script: Callable[[], Script[T]], answer: Callable[[Request[object]], object]
) -> T | WeftError:
    try:
        return play(script(), answer)
    except WeftError as error:
        return error


def _check_locks(log: Log) -> None:
    """Fail unless what is written whole was read with a lock, or made, by the same script."""
    locked: set[str] = set()
    for request, reply in log.exchange:
        if isinstance(request, requests.SaveRun):
            assert request.row.run_id in locked
        elif isinstance(request, requests.InsertRun):
            assert {str(request.row.request_key), str(request.row.key)} <= locked
        elif isinstance(request, requests.AddMessage):
            assert str(request.row.request_key) in locked
        elif isinstance(request, requests.PutEffect):
            assert request.row.key in locked
        locked |= _locked(request, reply)


def _locked(request: Request[object], reply: object) -> set[str]:
    """Return the names of what nobody else changes from this request on."""
    if isinstance(request, requests.ReadDoor):
        return {str(request.key), str(request.thread)}
    if isinstance(request, requests.InsertRun):
        return {request.row.run_id}
    if isinstance(request, requests.ReadAttempts):
        return {request.key, request.held.run_id}
    names = {
        value
        for value in (getattr(request, "key", None), getattr(request, "thread", None))
        if value is not None
    }
    locking = requests.ReadClaimable | requests.ReadOldRuns
    if not (getattr(request, "lock", False) or isinstance(request, locking)):
        return set()
    rows = reply if isinstance(reply, list | tuple) and not hasattr(reply, "run_id") else [reply]
    return {str(name) for name in names} | {str(getattr(row, "run_id", "")) for row in rows}


class TestContested(CheckpointerContract):
    @pytest.fixture
    async def checkpointer(self, faults: ScriptedFaults) -> AsyncIterator[Checkpointer]:
        database = ContestedDatabase(SYSTEM_CLOCK, faults)
        async with aclosing(DatabaseCheckpointer(database)) as opened:
            yield opened


def test_there_are_requests() -> None:
    assert len(KINDS) > 25


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_every_way_to_keep_tables_answers_each_request_with_what_it_promises(
    kind: type[Request[object]],
) -> None:
    """The drivers find the method by the request's name, which no type checker follows."""
    (promised,) = get_args(kind.__orig_bases__[0])  # type: ignore[attr-defined]
    in_memory = get_type_hints(getattr(MemoryTables, kind.name))
    in_sql = get_type_hints(getattr(SqlTables, kind.name))

    assert in_memory.pop("return") == promised
    # Statements are a generator of them, of their rows, and of what these come to.
    assert get_args(in_sql.pop("return"))[2] == promised
    assert [*in_memory.values()] == [*in_sql.values()] == [kind]


def test_every_answer_is_to_a_request() -> None:
    names = {kind.name for kind in KINDS}
    helpers = {"answer", "restart", "statements"}
    for tables in (MemoryTables, SqlTables):
        methods = {name for name in vars(tables) if not name.startswith("_")}
        assert methods - names - helpers - {"raw"} == set()


def test_requests_of_one_kind_and_equal_fields_are_equal_and_say_what_they_ask() -> None:
    first, again = requests.ReadRun("a"), requests.ReadRun("a", lock=False)

    assert first == again
    assert first != requests.ReadRun("a", lock=True)
    assert first != requests.ReadSteps("a")
    assert repr(first) == "ReadRun('a', False)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)
