"""What a long run costs per iteration."""

from collections.abc import Iterator

import pytest

from weft.core import Message, ToolCall
from weft.loop import Agent
from weft.loop.append_only import Grown
from weft.models import ModelRequest
from weft.testing.models import FunctionModel, call
from weft.tools import tool


@pytest.mark.requirement("LOOP-14")
async def test_an_iteration_handles_beside_its_request_only_what_is_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handled, at_request = 0, [0]
    beside: list[int] = []
    iterate, item = Grown.__iter__, Grown.__getitem__

    def counted(grown: Grown[Message]) -> Iterator[Message]:
        nonlocal handled
        for each in iterate(grown):
            handled += 1
            yield each

    def counted_item(grown: Grown[Message], at: slice) -> object:
        nonlocal handled
        found: object = item(grown, at)
        handled += len(found) if isinstance(found, tuple) else 1
        return found

    @tool
    async def look(n: int) -> int:
        """Look."""
        return n

    def reply(request: ModelRequest) -> ToolCall | str:
        beside.append(handled - at_request[0] - len(request.messages))
        at_request[0] = handled
        return call("look", n=len(beside)) if len(beside) < 402 else "end"

    monkeypatch.setattr(Grown, "__iter__", counted)
    monkeypatch.setattr(Grown, "__getitem__", counted_item)

    await Agent(FunctionModel(reply), [look], max_iterations=450).arun("go")

    # What is new since the turn before: a reply and what its call brought.
    assert beside[400] == beside[10] == 2
