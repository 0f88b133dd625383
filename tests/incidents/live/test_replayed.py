"""A question about live systems is walked again over what was read of them then: nothing is read now."""

from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from incidents.cases import DataRoots
from incidents.data_gate import DataGate
from incidents.live_windows import LiveReader, LiveWindows
from weft.core import JsonObject, parts_of
from weft.loop import Agent, LoopRecord, ReplayJournal, Task, replayed_loop
from weft.models import get_model
from weft.runs import LocalJournal
from weft.tools import tool


@tool(labels={"read"})
async def look(data: str, question: str, recording: str, window: JsonObject) -> JsonObject:
    """Look at what was read."""
    return {"summary": f"{recording}: {question}{data}", "coverage": {"source": "logs", **window}}


@dataclass
class Reader:
    """Reads, each time something else, and says what was forgotten."""

    read: int = 0
    forgotten: list[str] = field(default_factory=list)

    async def recorded(self, windows: LiveWindows) -> str:
        assert windows.is_named
        self.read += 1
        return f"reading-{self.read}"

    def forget(self, name: str) -> None:
        self.forgotten.append(name)


class Unread:
    """Live systems that nobody may read."""

    async def recorded(self, windows: LiveWindows) -> str:
        raise AssertionError(windows)

    def forget(self, name: str) -> None:
        raise AssertionError(name)


def gate(reader: LiveReader) -> DataGate:
    agent = Agent(get_model("offline:"), [look], name="logs", opening_tools=["look"])
    return DataGate(agent, "logs", DataRoots(()), live=reader)


def over(task: Task, journal: ReplayJournal) -> Task:
    return replace(task, journal=journal)


@pytest.mark.requirement("CLI-5")
async def test_what_was_read_of_live_systems_is_neither_read_again_nor_forgotten() -> None:
    reader, journal = Reader(), LocalJournal()
    task = Task(parts_of("Why was checkout slow in the last 20 minutes?"), "m", journal=journal)
    result = await gate(reader).start(task)
    record = LoopRecord(journal.run_id, dict(journal.steps), result)

    again = await replayed_loop(gate(Unread()), record, partial(over, task))

    assert reader.forgotten == ["reading-1"]
    assert "reading-1" in result.text
    assert (again.difference, again.not_compared, again.calls) == (None, "", 1)
