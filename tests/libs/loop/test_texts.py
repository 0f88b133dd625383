"""Texts that no database keeps: cleaned where they enter, so that nothing is refused later."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import anyio
import pytest

from weft.checkpoint import ThreadKey, memory_checkpointer, sqlite_checkpointer
from weft.core import LOCAL, Interrupt, JsonValue, Message, ToolCall
from weft.loop import Agent
from weft.loop.stream import ModelChunkEvent
from weft.models import ModelChunk, ModelRequest, ModelResponse, joined
from weft.testing.models import TEST_CAPABILITIES, FunctionModel, ScriptedModel, ScriptedTurn, call
from weft.tools import MemoryResultStore, ToolContext, tool
from weft.tools.events import ToolProgress
from weft.tools.interrupts import InterruptRaised

ODD = "a\0b\ud800c"
NAME = "a\0b"
"""Half a character in a name is shown by three characters: pydantic writes names in its own way."""
KEPT_NAME = "a\N{SYMBOL FOR NULL}b"
KEPT = "a\N{SYMBOL FOR NULL}b\N{REPLACEMENT CHARACTER}c"


@tool
def fine() -> str:
    """Do nothing."""
    return "fine"


@tool
def says(how: str, given: str = "") -> object:
    """Say something odd."""
    match how:
        case "text":
            return ODD
        case "object":
            return {NAME: [ODD]}
        case "bytes":
            return ODD.encode("utf-8", "surrogatepass")
        case "error":
            raise FileNotFoundError(ODD)
        case "exit":
            raise SystemExit(ODD)
        case _:
            return given


@tool(idempotent=True, passes_key=True)
def pays(how: str) -> object:
    """Say something odd after an effect."""
    return says.fn(how)


@tool
async def tells(context: ToolContext) -> str:
    """Tell of odd progress."""
    context.report_progress(0.5, message=ODD)
    return "told"


@tool
async def asks() -> str:
    """Ask an odd question."""
    raise InterruptRaised(Interrupt(id="q", reason="question", message=ODD, metadata={NAME: ODD}))


CALLS: dict[str, tuple[ToolCall, str]] = {
    "text": (call("says", how="text"), KEPT),
    "object": (call("says", how="object"), f'{{"{KEPT_NAME}": ["{KEPT}"]}}'),
    "bytes": (call("says", how="bytes"), "Error: "),
    "error": (call("says", how="error"), f"Error: FileNotFoundError: {KEPT}"),
    "exit": (call("says", how="exit"), f"Error: SystemExit: {KEPT}"),
    "argument": (call("says", how="given", given=ODD), KEPT),
    "unknown tool": (call(ODD, value=1), f"Error: unknown tool {KEPT!r}"),
    "unknown argument": (ToolCall(id="", name="says", arguments={ODD: ODD}), f"{KEPT}: Extra"),
    "malformed": (ToolCall(id="", name="says", malformed_arguments=f"{{{ODD}"), f"{{{KEPT}"),
    "effect": (call("pays", how="object"), f'{{"{KEPT_NAME}": ["{KEPT}"]}}'),
    "failed effect": (call("pays", how="error"), KEPT),
    "lost effect": (call("pays", how="bytes"), "Error: "),
    "progress": (call("tells"), "told"),
}


@pytest.mark.requirement("LOOP-3")
@pytest.mark.requirement("TOOL-5")
@pytest.mark.requirement("TOOL-6")
@pytest.mark.parametrize("watch", [False, True], ids=["awaited", "watched"])
@pytest.mark.parametrize(("odd", "told"), CALLS.values(), ids=CALLS.keys())
async def test_an_odd_text_costs_no_run(
    odd: ToolCall, told: str, tmp_path: Path, *, watch: bool
) -> None:
    model = ScriptedModel([[odd, call("fine")], "done"])
    kept = sqlite_checkpointer(tmp_path / "db") if watch else memory_checkpointer()
    agent = Agent(model, [fine, says, pays, tells], checkpointer=kept)

    if watch:
        with anyio.fail_after(20):
            last = [event async for event in agent.run("go", thread_id="t")][-1]
        assert getattr(last, "final_message", "") == "done"
    else:
        assert (await agent.arun("go", thread_id="t")).text == "done"
    await kept.aclose()

    results = [each.content for each in model.requests[-1].messages if each.role == "tool"]
    assert told in results[0]
    assert results[1] == "fine"


async def test_an_odd_question_is_asked() -> None:
    result = await Agent(ScriptedModel([call("asks")]), [asks]).run("go")._awaited()

    assert result.interrupt is not None
    assert (result.interrupt.message, result.interrupt.metadata) == (KEPT, {KEPT_NAME: KEPT})


async def test_odd_progress_is_told_as_it_is_kept() -> None:
    told: list[str] = []
    context = ToolContext(emit=lambda event: told.append(getattr(event, "data").message))  # noqa: B009

    context.report_progress(1, message=ODD)

    assert told == [KEPT]
    assert ToolProgress.model_fields["type"].default == "agent.tool.progress"


class Halves:
    """Streams a character in its two halves, then a half that stays alone, and a NUL."""

    name = "halves:model"
    capabilities = TEST_CAPABILITIES

    async def complete(self, request: ModelRequest) -> ModelResponse:
        return await joined(self.stream(request))

    async def stream(self, _: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        for piece in ("so \ud83d", "\ude00", " \ud83d", "x\0", "\ud83d"):
            yield ModelChunk(content=piece, reasoning="\0")
        yield ModelChunk(done=True, stop_reason="stop", model="m\0", provider_state={"\0": "\0"})

    async def aclose(self) -> None:
        """Hold nothing."""


async def test_a_reply_in_pieces_is_kept_whole_and_shown_as_it_is_kept() -> None:
    events = [event async for event in Agent(Halves()).run("go", thread_id="t")]
    shown = [each.content for each in events if isinstance(each, ModelChunkEvent)]

    kept = "so \N{GRINNING FACE} \N{REPLACEMENT CHARACTER}x\N{SYMBOL FOR NULL}"
    assert "".join(shown) == kept + "\N{REPLACEMENT CHARACTER}"
    assert getattr(events[-1], "final_message", "") == kept + "\N{REPLACEMENT CHARACTER}"


async def test_an_odd_reply_prompt_and_metadata_are_kept_in_their_thread() -> None:
    kept = memory_checkpointer()
    model = ScriptedModel([ODD, ScriptedTurn(ODD, provider_state={ODD: ODD})])
    agent = Agent(model, [fine], system_prompt=ODD, checkpointer=kept)
    metadata: dict[str, JsonValue] = {ODD: [ODD]}

    result = await agent.arun(ODD, thread_id="t", metadata=metadata)
    again = await agent.arun("and now?", thread_id="t")

    assert result.text == again.text == KEPT
    thread = await kept.threads.load(ThreadKey(LOCAL.tenant, LOCAL.subject, "t"))
    assert thread is not None
    said = [Message.model_validate_json(each).content for each in thread.entries]
    assert said == [KEPT, KEPT, "and now?", KEPT]
    assert [each.content for each in model.requests[0].messages] == [KEPT, KEPT]
    assert model.requests[0].metadata == {KEPT: [KEPT]}


async def test_arguments_that_our_own_writer_refuses_reach_the_tool_or_are_told() -> None:
    def answer(request: ModelRequest) -> Sequence[ToolCall] | str:
        if request.messages[-1].role == "tool":
            return request.messages[-1].content
        return [ToolCall(id="", name="says", arguments={"how": "given", "given": 10**40})]

    result = await Agent(FunctionModel(answer), [says]).arun("go")

    assert "given: Input should be a valid string" in result.text


LONG = "or id = 7 " * 40_000


@tool
def queries() -> str:
    """Ask the database."""
    raise ValueError("bad query: password=hunter2 " + LONG)


@pytest.mark.requirement("TOOL-7")
@pytest.mark.parametrize(
    "asked",
    [
        call("queries"),
        call("x" * 100_000),
        ToolCall(id="", name="queries", malformed_arguments="{" + LONG),
        ToolCall(id="", name="queries", arguments={LONG: 1}),
    ],
    ids=["raised", "unknown", "malformed", "invalid"],
)
async def test_a_long_error_is_shortened_as_results_are(asked: ToolCall) -> None:
    model = ScriptedModel([asked, "done"])
    store = MemoryResultStore()
    agent = Agent(model, [queries], max_tool_result_length=4_000, tool_result_store=store)

    result = await agent.arun("go")

    told = model.requests[-1].messages[-1].content
    assert len(told) < 4_200
    assert "read_result(key=" in told
    assert "hunter2" not in told
    execution = result.tool_executions[0]
    assert execution.shortened
    assert execution.result_key is not None
    whole = await store.get(execution.result_key)
    assert whole is not None
    assert len(whole) > 90_000
