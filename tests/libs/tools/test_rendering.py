"""Long results: stored whole, shown in part, read on demand."""

import pytest

from weft.core import ToolCall
from weft.tools import (
    CallLimits,
    MemoryResultStore,
    ResultLimit,
    ToolContext,
    call_tool,
    read_result_tool,
    tool,
)


class Counted(MemoryResultStore):
    stored = 0

    async def put(self, text: str) -> str:
        known = len(self._texts)
        key = await super().put(text)
        self.stored += len(self._texts) - known
        return key


@pytest.mark.requirement("TOOL-7")
async def test_a_long_result_is_stored_once_and_shown_as_head_and_tail() -> None:
    whole = "".join(f"{number:09d}\n" for number in range(10_000))
    store = Counted()
    limits = CallLimits(result=ResultLimit(store=store))
    reader = read_result_tool(store)

    @tool
    async def dump() -> str:
        return whole

    call = ToolCall(id="1", name="dump")
    shown = await call_tool(dump, call, ToolContext(), limits=limits)
    again = await call_tool(dump, call, ToolContext(), limits=limits)

    assert store.stored == 1
    assert shown.content == again.content
    assert shown.content.startswith(whole[:12_800])
    assert shown.content.endswith(whole[-19_200:])
    assert "100000 characters" in shown.content
    assert shown.result_key is not None
    assert shown.result_key in shown.content

    part = ToolCall(
        id="2",
        name="read_result",
        arguments={"key": shown.result_key, "offset": 50_000, "length": 20},
    )
    read = await call_tool(reader, part, ToolContext())
    assert read.content == whole[50_000:50_020]
    gone = await call_tool(
        reader, ToolCall(id="3", name="read_result", arguments={"key": "x"}), ToolContext()
    )
    assert gone.outcome == "error"


async def test_a_result_at_the_limit_passes_whole() -> None:
    text, key = await ResultLimit(length=10).shorten("0123456789")

    assert (text, key) == ("0123456789", None)
