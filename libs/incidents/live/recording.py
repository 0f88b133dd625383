"""What live sources hold of an incident and its normal, written down as files that readers know."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson

from incidents.live.endpoints import Endpoint, Kind, QueryError
from incidents.live.jaeger import jaeger_replies
from incidents.live.loki import loki_replies
from incidents.live.prometheus import prometheus_replies
from incidents.live.reply import Recorder, Replies
from incidents.live.tempo import tempo_replies
from incidents.live_windows import LiveWindows
from incidents.problems import FileProblem
from incidents.recordings import LiveFile, Part, Recording, Signal

__all__ = ["record"]

RECORD_SECONDS = 40.0
"""For all queries to one source together."""
MAX_RECORDED = 256 << 20
"""Bytes written down of one source."""
_AT_A_TIME = 4
_REPLIES: dict[Kind, Recorder] = {
    "prometheus": prometheus_replies,
    "loki": loki_replies,
    "jaeger": jaeger_replies,
    "tempo": tempo_replies,
}
_SIGNALS: dict[Kind, Signal] = {
    "prometheus": "metrics",
    "loki": "logs",
    "jaeger": "traces",
    "tempo": "traces",
}


async def record(endpoints: Sequence[Endpoint], windows: LiveWindows, directory: Path) -> Recording:
    """Read every endpoint for both windows into files below `directory`.

    A source that is away, or answers too much, costs itself only, and is a problem by its address.
    """
    recording = Recording()
    async with _session() as session, asyncio.TaskGroup() as tasks:
        for number, source in enumerate(endpoints):
            writer = _Writer(directory / f"{number}-{source.kind}", source, recording)
            tasks.create_task(_recorded(session, source, windows, writer))
    recording.files.sort(key=lambda file: file.path)
    recording.problems.sort(key=lambda problem: (problem.file, problem.problem))
    return recording


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit_per_host=_AT_A_TIME),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    ) as session:
        yield session


async def _recorded(
    session: aiohttp.ClientSession, source: Endpoint, windows: LiveWindows, writer: "_Writer"
) -> None:
    replies = Replies(session, source, writer.problem)
    try:
        async with asyncio.timeout(RECORD_SECONDS):
            async for reply in _REPLIES[source.kind](replies, windows.incident, windows.baseline):
                await asyncio.to_thread(writer.write, reply.part, reply.url, reply.values)
                if writer.size > MAX_RECORDED:
                    writer.problem(f"only the first {writer.size >> 20} MB of it were read")
                    return
    except QueryError as error:
        writer.problem(str(error))
    except TimeoutError:
        writer.problem(f"it was not read to its end within {RECORD_SECONDS:.0f} s")


@dataclass(slots=True)
class _Writer:
    directory: Path
    source: Endpoint
    recording: Recording
    size: int = 0
    written: int = 0

    def problem(self, words: str) -> None:
        self.recording.problems.append(FileProblem(f"{self.source.kind} {self.source.url}", words))

    def write(self, part: Part, url: str, lines: Sequence[object]) -> None:
        """Write JSON values, one per line."""
        self.directory.mkdir(parents=True, exist_ok=True)
        # One value is a document, several are lines.
        ending = "json" if len(lines) == 1 else "jsonl"
        path = self.directory / f"{self.written:04}-{part}.{ending}"
        with path.open("wb") as file:
            for line in lines:
                file.write(orjson.dumps(line) + b"\n")
        self.size += path.stat().st_size
        self.written += 1
        self.recording.files.append(LiveFile(path, url, _SIGNALS[self.source.kind], part))
