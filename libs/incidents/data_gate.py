"""The data a task is about, looked at before any work: what is not there is no quiet incident."""

from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

from anyio import to_thread

from incidents.cases import DataRoots
from weft.core import JsonValue, Reason, Result
from weft.core.errors import DataRefusedError
from weft.events import Event
from weft.loop import Peer, PeerRun, Task

__all__ = ["DataGate"]


@dataclass(frozen=True, slots=True)
class DataGate:
    """A peer whose tasks are about data below `roots`: the caller's, else `data`.

    A task about a directory that may not be read, or is not there, fails before its peer hears of it.
    """

    peer: Peer
    roots: DataRoots
    data: Path | None = None

    @property
    def name(self) -> str:
        return self.peer.name

    def start(self, task: Task) -> PeerRun:
        named: JsonValue = None if self.data is None else str(self.data)
        named = task.metadata.get("data", named)
        if named is None:
            return self.peer.start(task)
        task = replace(task, metadata={**task.metadata, "data": named})
        return _GatedRun(lambda: self.peer.start(task), lambda: self._check(named))

    def _check(self, named: JsonValue) -> None:
        if not isinstance(named, str):
            raise DataRefusedError("data is the path of a directory", field="data")
        self.roots.check(named)


class _GatedRun:
    """A run that begins once its data was found."""

    def __init__(self, start: Callable[[], PeerRun], check: Callable[[], None]) -> None:
        self._start = start
        self._check = check
        self._run: PeerRun | None = None
        self._refusal: Result | None = None

    async def __aiter__(self) -> AsyncIterator[Event]:
        run = await self._opened()
        if run is not None:
            async for event in run:
                yield event

    def __await__(self) -> Generator[object, None, Result]:
        return self._result().__await__()

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        if self._run is not None:
            return await self._run.cancel(reason, grace_s=grace_s)
        if self._refusal is None:
            why = Reason(code="canceled", message=reason or "canceled before it began")
            self._refusal = Result(status="canceled", reasons=(why,))
        return {"outcome": "not_started"}

    async def _result(self) -> Result:
        run = await self._opened()
        if run is not None:
            return await run
        return self._refusal or Result.failed("peer_failed", "the run did not begin")

    async def _opened(self) -> PeerRun | None:
        """Return the run, begun now if its data is there; None where it will not begin."""
        if self._run is None and self._refusal is None:
            try:
                await to_thread.run_sync(self._check)
            except DataRefusedError as error:
                self._refusal = Result.failed(error.code, str(error))
        if self._run is None and self._refusal is None:
            self._run = self._start()
        return self._run
