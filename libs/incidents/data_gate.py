"""The data a task is about: looked at before any work, and told of where nobody looked at it.

What is not there is no quiet incident, and neither is what nobody read.
"""

from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from anyio import to_thread

from incidents.cases import DataRoots
from weft.core import Artifact, Coverage, JsonObject, JsonValue, Reason, Result, coverage_in
from weft.core.errors import DataRefusedError
from weft.events import Event
from weft.loop import Peer, PeerRun, Task

__all__ = ["DataGate"]

_MOST_QUESTION = 2000
"""So many characters of what is asked reach the analysis."""


@dataclass(frozen=True, slots=True)
class DataGate:
    """A peer whose tasks are about data below `roots`: the caller's, else `data`.

    A task about a directory that may not be read, or is not there, fails before its peer hears of
    it. A result that says of no reading gets a coverage that says so.
    """

    peer: Peer
    source: str
    """Of what the peer's coverage would be."""
    roots: DataRoots
    data: Path | None = None

    @property
    def name(self) -> str:
        return self.peer.name

    def start(self, task: Task) -> PeerRun:
        named: JsonValue = None if self.data is None else str(self.data)
        named = task.metadata.get("data", named)
        if named is not None:
            about: JsonObject = {"data": named, "question": task.prompt[:_MOST_QUESTION]}
            task = replace(task, metadata={**task.metadata, **about})
        return _GatedRun(
            lambda: self.peer.start(task),
            partial(self._check, named),
            partial(self._told, named),
            self.roots.shown,
        )

    def _check(self, named: JsonValue) -> None:
        if named is None:
            return
        if not isinstance(named, str):
            raise DataRefusedError("data is the path of a directory", field="data")
        self.roots.check(named)

    def _told(self, named: JsonValue, result: Result) -> Result:
        """Return the result with a coverage, where it has none: then nothing was read."""
        if result.status == "interrupted" or coverage_in(result):
            return result
        why = result.reasons[0].message if result.reasons else ""
        if named is None:
            why = f"no data was named, with `data` in the request's metadata; {self.roots.shown()}"
        coverage = Coverage(
            source=self.source, verdict="not_read", reason=why or "it was not looked at"
        )
        data: JsonValue = {"coverage": coverage.to_json()}
        artifact = Artifact(id="coverage", name="coverage", data=data)
        return result.model_copy(update={"artifacts": (*result.artifacts, artifact)})


class _GatedRun:
    """A run that begins once its data was found."""

    def __init__(
        self,
        start: Callable[[], PeerRun],
        check: Callable[[], None],
        whole: Callable[[Result], Result],
        shown: Callable[[], str],
    ) -> None:
        self._start = start
        self._check = check
        self._whole = whole
        self._shown = shown
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
            return await to_thread.run_sync(self._whole, await run)
        if self._refusal is not None:
            return await to_thread.run_sync(self._whole, self._refusal)
        return Result.failed("peer_failed", "the run did not begin")

    async def _opened(self) -> PeerRun | None:
        """Return the run, begun now if its data is there; None where it will not begin."""
        if self._run is None and self._refusal is None:
            try:
                await to_thread.run_sync(self._check)
            except DataRefusedError as error:
                words = f"{error}; {await to_thread.run_sync(self._shown)}"
                self._refusal = Result.failed(error.code, words)
        if self._run is None and self._refusal is None:
            self._run = self._start()
        return self._run
