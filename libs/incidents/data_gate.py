"""The data a task is about: looked at before any work, and told of where nobody looked at it.

What is not there is no quiet incident, and neither is what nobody read. Live systems are read here
too, since who looks at what was read has no network.
"""

from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
from anyio import to_thread

from incidents.cases import DataRoots
from incidents.inquiry import named_alert, named_window
from incidents.live_windows import LiveReader, LiveWindows, windows_of
from weft.core import (
    SYSTEM_CLOCK,
    Artifact,
    Clock,
    Coverage,
    JsonObject,
    JsonValue,
    Reason,
    Result,
    coverage_in,
)
from weft.core.errors import ConfigError, DataRefusedError, InputError
from weft.events import Event
from weft.language import parted
from weft.loop import PeerRun, Replayable, ReplayJournal, Task

__all__ = ["DataGate"]

RECORDING = "recording"
"""The argument that names what was read of live systems."""
_MOST_QUESTION = 2000
"""So many characters of what is asked reach the analysis."""


@dataclass(frozen=True, slots=True)
class DataGate:
    """A peer whose tasks are about data below `roots`: the caller's, else `data`; or about `live`.

    A task about a directory that may not be read, or is not there, fails before its peer hears of
    it. A result that says of no reading gets a coverage that says so.
    """

    peer: Replayable
    source: str
    """Of what the peer's coverage would be."""
    roots: DataRoots
    data: Path | None = None
    live: LiveReader | None = None
    """Systems that are read for the time of a question, before the peer begins."""
    clock: Clock = SYSTEM_CLOCK

    @property
    def name(self) -> str:
        return self.peer.name

    def start(self, task: Task) -> PeerRun:
        return _GatedRun(self, task, self._named(task))

    def replay(self, task: Task) -> PeerRun:
        return _ReplayedRun(self, task, self._named(task))

    def _named(self, task: Task) -> JsonValue:
        named: JsonValue = None if self.data is None else str(self.data)
        return task.metadata.get("data", named)

    def question(self, task: Task) -> str:
        """Return what is asked: names and times in what earlier steps found ask for nothing."""
        asked, _ = parted(task.prompt)
        return asked.strip()[:_MOST_QUESTION]

    def times(self, task: Task, live: LiveWindows | None) -> JsonObject:
        """Return which time of the data `task` names as values, the same for every analyst.

        Raises:
            InputError: What it names is none.
        """
        times: JsonObject = {}
        window, alert = task.metadata.get("window"), task.metadata.get("alert_time")
        if live is not None and live.is_named:
            # What was read of live systems for it is what is looked at, by the same clock.
            times |= {"start": live.incident.start, "end": live.incident.end}
        elif window is not None:
            named_window(window)
            times |= window if isinstance(window, dict) else {}
        if alert is not None:
            times["alert"] = named_alert(alert)
        return times

    def about(self, task: Task, named: JsonValue, recording: str, times: JsonObject) -> Task:
        """Return the task, told what it is about."""
        if named is None and not recording:
            return task
        about: JsonObject = {"data": named or "", "question": self.question(task)}
        if recording:
            about[RECORDING] = recording
        if times:
            about["window"] = times
        return replace(task, metadata={**task.metadata, **about})

    def windows(self, task: Task) -> LiveWindows | None:
        """Return when live systems are looked at for `task`; None where they are not.

        A question about a recording is about that recording alone, unless it says when.

        Raises:
            InputError: The window that it names is none.
        """
        if self.live is None:
            return None
        windows = windows_of(task.metadata, self.question(task), now=self.clock.now())
        return windows if windows.is_named or "data" not in task.metadata else None

    def check(self, named: JsonValue) -> None:
        """Return if `named` may be read; blocking.

        Raises:
            DataRefusedError: It may not, or is no path.
        """
        if named is None:
            return
        if not isinstance(named, str):
            raise DataRefusedError("data is the path of a directory", field="data")
        self.roots.check(named)

    def told(self, named: JsonValue, result: Result) -> Result:
        """Return the result with a coverage, where it has none: then nothing was read."""
        if result.status == "interrupted" or coverage_in(result):
            return result
        why = result.reasons[0].message if result.reasons else ""
        if named is None and self.live is None:
            why = f"no data was named, with `data` in the request's metadata; {self.roots.shown()}"
        coverage = Coverage(
            source=self.source, verdict="not_read", reason=why or "it was not looked at"
        )
        data: JsonValue = {"coverage": coverage.to_json()}
        artifact = Artifact(id="coverage", name="coverage", data=data)
        return result.model_copy(update={"artifacts": (*result.artifacts, artifact)})


class _GatedRun:
    """A run that begins once its data was found, and what is live of it was read."""

    def __init__(self, gate: DataGate, task: Task, named: JsonValue) -> None:
        self._gate = gate
        self._task = task
        self._named = named
        self._opening = anyio.Lock()
        self._reading = anyio.CancelScope()
        self._recording = ""
        self._times: JsonObject = {}
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
        self._reading.cancel()
        return {"outcome": "not_started"}

    async def _result(self) -> Result:
        try:
            run = await self._opened()
            result = self._refusal if run is None else await run
        finally:
            await self._forget()
        if result is None:
            return Result.failed("peer_failed", "the run did not begin")
        return await to_thread.run_sync(self._gate.told, self._named, result)

    async def _forget(self) -> None:
        if self._gate.live is not None and self._recording:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._gate.live.forget, self._recording)

    async def _opened(self) -> PeerRun | None:
        """Return the run, begun now if its data is there; None where it will not begin."""
        async with self._opening:
            if self._run is None and self._refusal is None:
                await self._look()
            if self._run is None and self._refusal is None:
                self._run = self._begun()
        return self._run

    def _begun(self) -> PeerRun:
        return self._gate.peer.start(self._about())

    def _about(self) -> Task:
        return self._gate.about(self._task, self._named, self._recording, self._times)

    async def _look(self) -> None:
        try:
            await to_thread.run_sync(self._gate.check, self._named)
            windows = self._gate.windows(self._task)
            self._times = self._gate.times(self._task, windows)
            if windows is not None and self._gate.live is not None:
                with self._reading:
                    self._recording = await self._gate.live.recorded(windows)
        except DataRefusedError as error:
            words = f"{error}; {await to_thread.run_sync(self._gate.roots.shown)}"
            self._refusal = Result.failed(error.code, words)
        except (ConfigError, InputError) as error:
            self._refusal = Result.failed(error.code, str(error))


class _ReplayedRun(_GatedRun):
    """A run that looks at nothing: what was read, and of which time, its first call tells."""

    def _begun(self) -> PeerRun:
        return self._gate.peer.replay(self._about())

    async def _look(self) -> None:
        journal = self._task.journal
        brought = journal.argument if isinstance(journal, ReplayJournal) else None
        recording = None if brought is None else brought(RECORDING)
        if isinstance(recording, str) and brought is not None:
            window = brought("window")
            self._recording = recording
            self._times = window if isinstance(window, dict) else {}
            return
        try:
            self._times = self._gate.times(self._task, None)
        except InputError as error:
            self._refusal = Result.failed(error.code, str(error))

    async def _forget(self) -> None:
        """Leave what was read alone: it is long gone."""
