"""The threads that own the connections: one writes in shared commits, one reads beside it."""

import asyncio
import os
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from weft.checkpoint.faults import Faults
from weft.checkpoint.script import Script, play
from weft.checkpoint.sqlite.schema import emptied_log, execute_patiently, opened
from weft.checkpoint.sqlite.tables import SqliteTables
from weft.core.errors import ForkedStoreError, StoreFullError, StoreUnavailableError, WeftError

MAX_WAITING = 10_000
MAX_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class Stats:
    """What the writer did so far."""

    commits: int
    """Those that kept something, each one sync of the disk."""
    operations: int
    statements: int
    """Of those operations, without what begins and ends transactions."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A script, and who waits for what it comes to, on which loop."""

    script: Callable[[], Script[object]]
    future: asyncio.Future[object]
    loop: asyncio.AbstractEventLoop


@dataclass(frozen=True, slots=True)
class OperationResult:
    """What became of a job."""

    job: Operation
    value: object = None
    error: Exception | None = None

    def deliver(self) -> None:
        """Wake the caller, unless it went away meanwhile."""
        if self.job.future.done():
            return
        if self.error is None:
            self.job.future.set_result(self.value)
        else:
            self.job.future.set_exception(self.error)


class DatabaseThread(ABC):
    """A thread with a connection of its own, opened when the first job comes."""

    def __init__(self, path: Path, faults: Faults) -> None:
        self._path = path
        self._faults = faults
        self._waiting: SimpleQueue[Operation | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._process: int | None = None
        """Whose the thread is; None before there is one."""
        self._tables: SqliteTables | None = None

    def submit(self, script: Callable[[], Script[object]]) -> asyncio.Future[object]:
        """Queue the script for this thread.

        Raises:
            StoreUnavailableError: The database is closed, or too much waits for it already.
            ForkedStoreError: It was opened by the process that this one was forked from.
        """
        # Before the gate, which somebody may have held at the fork.
        if self._is_the_parents():
            raise ForkedStoreError(str(self._path))
        loop = asyncio.get_running_loop()
        job = Operation(script, loop.create_future(), loop)
        with self._gate:
            if self._closed:
                raise StoreUnavailableError("the database was closed")
            if self._waiting.qsize() >= MAX_WAITING:
                raise StoreUnavailableError("too many operations wait for the database")
            if self._thread is None:
                # A daemon, so that a forgotten `aclose` does not keep the interpreter alive.
                self._thread = threading.Thread(target=self._work, name="weft-sqlite", daemon=True)
                self._thread.start()
                self._process = os.getpid()
            self._waiting.put(job)
        return job.future

    async def aclose(self) -> None:
        """Finish what was submitted, close the connection and end the thread."""
        if self._is_the_parents():
            return  # the thread and the connection are the parent's
        with self._gate:
            self._closed = True
            self._waiting.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _is_the_parents(self) -> bool:
        """Tell whether thread and connection stayed behind in the process this was forked from."""
        return self._process not in (None, os.getpid())

    @abstractmethod
    def _serve(self, tables: SqliteTables, jobs: Sequence[Operation]) -> list[OperationResult]:
        """Do the jobs in as few transactions as they allow."""

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            _deliver(self._answers(self._together(first)))
        if self._tables is not None:
            self._tables.connection.close()

    def _together(self, first: Operation) -> list[Operation]:
        jobs = [first]
        while len(jobs) < MAX_TOGETHER:
            try:
                job = self._waiting.get_nowait()
            except Empty:
                break
            if job is None:
                self._waiting.put(None)
                break
            jobs.append(job)
        return jobs

    def _answers(self, jobs: Sequence[Operation]) -> list[OperationResult]:
        try:
            if self._tables is None:
                self._tables = SqliteTables(opened(self._path), self._faults)
            self._tables.restart()
            return self._serve(self._tables, jobs)
        except Exception as error:  # noqa: BLE001 - a dead thread would leave every caller waiting
            self._recover()
            return [OperationResult(job, error=translated(error)) for job in jobs]

    def _recover(self) -> None:
        """Leave no transaction open; a connection that cannot roll back is opened anew."""
        if self._tables is None:
            return
        try:
            if self._tables.connection.in_transaction:
                self._tables.connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._tables.connection.close()
            self._tables = None


class Writer(DatabaseThread):
    """Everything that waits shares one transaction, each job inside a savepoint of its own."""

    def __init__(self, path: Path, faults: Faults) -> None:
        super().__init__(path, faults)
        self._commits = 0
        self._operations = 0
        self._statements = 0

    @property
    def stats(self) -> Stats:
        return Stats(self._commits, self._operations, self._statements)

    def _serve(self, tables: SqliteTables, jobs: Sequence[Operation]) -> list[OperationResult]:
        connection = tables.connection
        # Deciding before locking would let two processes decide on the same rows.
        execute_patiently(connection, "BEGIN IMMEDIATE")
        before, executed = connection.total_changes, tables.statements
        if len(jobs) == 1:
            answers = [_attempt(tables, jobs[0])]
            if answers[0].error is not None:
                self._recover()
                return answers
        else:
            answers = [_inside_savepoint(tables, job) for job in jobs]
            if not connection.in_transaction:
                return self._one_by_one(tables, jobs)
        changed = connection.total_changes != before
        if changed:
            self._faults.before_commit()
        connection.execute("COMMIT")
        self._operations += len(jobs)
        self._statements += tables.statements - executed
        if changed:
            self._commits += 1
            self._faults.after_commit()
        if tables.erased:
            tables.erased = not emptied_log(connection)
        return answers

    def _one_by_one(self, tables: SqliteTables, jobs: Sequence[Operation]) -> list[OperationResult]:
        """Repeat, each alone, what SQLite rolled back because of one of them."""
        answers: list[OperationResult] = []
        for job in jobs:
            tables.restart()
            try:
                answers += self._serve(tables, [job])
            except (WeftError, sqlite3.Error) as error:
                self._recover()
                answers.append(OperationResult(job, error=translated(error)))
        return answers


class Reader(DatabaseThread):
    """Everything that waits reads one snapshot."""

    def _serve(self, tables: SqliteTables, jobs: Sequence[Operation]) -> list[OperationResult]:
        execute_patiently(tables.connection, "BEGIN")
        answers = [_attempt(tables, job) for job in jobs]
        tables.connection.execute("COMMIT")
        return answers


def _inside_savepoint(tables: SqliteTables, job: Operation) -> OperationResult:
    connection = tables.connection
    # A full disk may end the whole transaction, and every savepoint with it; what follows must
    # not be kept on its own then.
    if not connection.in_transaction:
        return OperationResult(job)
    connection.execute("SAVEPOINT job")
    answer = _attempt(tables, job)
    if connection.in_transaction:
        if answer.error is not None:
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
    return answer


def _attempt(tables: SqliteTables, job: Operation) -> OperationResult:
    try:
        return OperationResult(job, play(job.script(), tables.answer))
    except Exception as error:  # noqa: BLE001 - its caller gets it; the thread serves others
        return OperationResult(job, error=translated(error))


def _deliver(answers: Sequence[OperationResult]) -> None:
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[OperationResult]] = defaultdict(list)
    for answer in answers:
        by_loop[answer.job.loop].append(answer)
    for loop, its_answers in by_loop.items():
        try:
            loop.call_soon_threadsafe(_deliver_here, its_answers)
        except RuntimeError:
            # The loop was closed: nobody waits there any more.
            continue


def _deliver_here(answers: Sequence[OperationResult]) -> None:
    for answer in answers:
        answer.deliver()


def translated(error: Exception) -> Exception:
    """Return what a caller can act on."""
    if not isinstance(error, sqlite3.Error):
        return error
    failure: WeftError
    # Errors of the module itself carry no code.
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        failure = StoreFullError("the database has no room: free disk space, then try again")
    else:
        failure = StoreUnavailableError(f"the database cannot be used: {error}")
    failure.__cause__ = error
    return failure
