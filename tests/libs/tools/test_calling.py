"""One call: validation, results, errors, time."""

import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
import pytest
from pydantic import BaseModel

from weft.core import Authority, Deadline, ToolCall
from weft.core.errors import ConfigError
from weft.events import Event
from weft.tools import (
    CallLimits,
    ToolContext,
    ToolExecution,
    ToolRegistry,
    call_by_name,
    call_tool,
    tool,
    validated,
)
from weft.tools.events import ToolProgress


class Line(BaseModel):
    sku: str
    count: int


@tool
async def order(lines: list[Line], rush: bool = False) -> str:  # noqa: FBT001, FBT002 - a schema
    return f"{sum(line.count for line in lines)} {rush}"


async def made(function: object, *, limits: CallLimits | None = None) -> ToolExecution:
    defined = tool(function)  # type: ignore[call-overload]
    call = ToolCall(id="c1", name=defined.name)
    return await call_tool(defined, call, ToolContext(), limits=limits)


@pytest.mark.requirement("TOOL-3")
async def test_arguments_are_converted_and_every_problem_is_told_with_its_path() -> None:
    registry = ToolRegistry([order])
    good = ToolCall(
        id="1", name="order", arguments={"lines": [{"sku": "a", "count": "3"}], "rush": "true"}
    )
    bad = ToolCall(
        id="2", name="order", arguments={"lines": [{"sku": "a", "count": "x"}, {}], "extra": 1}
    )

    done = await call_by_name(registry, good, ToolContext())
    failed = await call_by_name(registry, bad, ToolContext())

    assert (done.content, done.outcome) == ("3 True", "ok")
    assert done.arguments == {"lines": [{"sku": "a", "count": 3}], "rush": True}
    assert failed.error is not None
    for path in ("lines.0.count: ", "lines.1.sku: ", "lines.1.count: ", "extra: "):
        assert path in failed.error
    assert validated(order, good).json == done.arguments


@pytest.mark.requirement("TOOL-4")
async def test_an_unknown_tool_names_the_nearest_and_all() -> None:
    registry = ToolRegistry([order, tool(name="refund")(order.fn)])

    unknown = await call_by_name(registry, ToolCall(id="1", name="ordr"), ToolContext())
    broken = ToolCall(id="2", name="order", malformed_arguments="unexpected end at column 7")
    malformed = await call_by_name(registry, broken, ToolContext())

    assert unknown.error == "unknown tool 'ordr'; did you mean 'order'?; known: order, refund"
    assert malformed.error is not None
    assert "unexpected end at column 7" in malformed.error


@dataclass
class Point:
    x: int
    at: datetime


@pytest.mark.requirement("TOOL-5")
async def test_results_become_text_or_json_and_anything_else_an_error() -> None:
    moment = datetime(2026, 1, 31, tzinfo=UTC)

    async def text() -> str:
        return "plain\n{text}"

    def model() -> Line:
        return Line(sku="é", count=2)

    def point() -> Point:
        return Point(1, moment)

    def nothing() -> None:
        """Return nothing."""

    def opaque() -> object:
        return object()

    def infinite() -> dict[str, float]:
        return {"x": float("inf")}

    assert (await made(text)).content == "plain\n{text}"
    assert (await made(model)).content == '{"sku": "é", "count": 2}'
    assert (await made(model)).structured == {"sku": "é", "count": 2}
    assert (await made(point)).structured == {"x": 1, "at": "2026-01-31T00:00:00Z"}
    assert (await made(nothing)).content == "(no output)"
    for function in (opaque, infinite):
        failed = await made(function)
        assert failed.outcome == "error"
        assert "no JSON form" in failed.content


@pytest.mark.requirement("TOOL-6")
async def test_an_exception_reaches_the_model_without_secrets_and_the_log_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def leaky() -> None:
        raise RuntimeError(
            "no route; api_key=abc123XYZ Authorization: Bearer abcdefgh.ijk "
            "postgres://weft:hunter2@db/x sk-abcdefghijklmnop {'password': 'opensesame'}"
        )

    with caplog.at_level(logging.ERROR, logger="weft.tools"):
        failed = await made(leaky)

    assert failed.content.startswith("Error: RuntimeError: no route")
    assert "Traceback" not in failed.content
    for secret in ("abc123XYZ", "abcdefgh.ijk", "hunter2", "sk-abc", "opensesame"):
        assert secret not in failed.content
    assert caplog.records[0].exc_info is not None


@pytest.mark.requirement("TOOL-8")
async def test_past_its_timeout_an_async_body_is_cancelled_and_a_sync_one_abandoned() -> None:
    canceled, release = anyio.Event(), threading.Event()

    async def slow() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            canceled.set()

    def blocking() -> None:
        release.wait(10)

    limits = CallLimits(timeout_s=0.05)
    with anyio.fail_after(5):
        first, second = await made(slow, limits=limits), await made(blocking, limits=limits)

    release.set()
    assert canceled.is_set()
    assert (first.error, first.outcome) == ("timed out after 0.05 s", "timeout")
    assert (second.error, second.outcome) == ("timed out after 0.05 s", "timeout")


async def test_no_timeout_exceeds_the_time_that_is_left() -> None:
    @tool(timeout=100)
    async def slow() -> None:
        await anyio.sleep_forever()

    call = ToolCall(id="1", name="slow")
    with anyio.fail_after(5):
        cut = await call_tool(
            slow, call, ToolContext(authority=Authority(deadline=Deadline.after(0.05)))
        )
        late = await call_tool(
            slow, call, ToolContext(authority=Authority(deadline=Deadline.after(-1)))
        )

    assert cut.outcome == "timeout"
    assert late.error == "no time is left; the tool was not called"


async def test_a_sync_body_runs_in_a_worker_thread_and_may_report_progress() -> None:
    told: list[Event] = []
    home = threading.get_ident()

    @tool
    def work(context: ToolContext) -> str:
        assert threading.get_ident() != home
        context.report_progress(1, total=2, message="half")
        return f"{context.tool_call_id} {context.get_metadata('team')}"

    context = ToolContext(metadata={"team": "sre"}, emit=told.append)
    result = await call_tool(work, ToolCall(id="c9", name="work"), context)
    await anyio.lowlevel.checkpoint()

    assert result.content == "c9 sre"
    assert isinstance(told[0], ToolProgress)
    assert told[0].data.message == "half"


async def test_an_effect_without_a_journal_is_refused() -> None:
    @tool(idempotent=True, passes_key=True)
    async def pay() -> None:
        raise AssertionError("never called")

    with pytest.raises(ConfigError, match="journal"):
        await call_tool(pay, ToolCall(id="1", name="pay"), ToolContext())
