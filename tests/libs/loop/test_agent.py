"""The agent: its options, its entry points, and how runs are kept apart."""

import asyncio
import contextvars
import subprocess
import sys
import threading
from typing import get_type_hints

import anyio
import pytest

from weft.core import JsonObject, Message
from weft.core.errors import ConfigError, DuplicateToolError, InputError, RunFailedError
from weft.loop import Agent, AgentConfig, TerminateEvent
from weft.loop.config import AgentOptions
from weft.models import Capabilities, ModelRequest, ModelUsage
from weft.reasoning.reflexion import ReflexionConfig
from weft.termination import ConfidenceMet
from weft.testing.models import FunctionModel, ScriptedModel, ScriptedTurn, call
from weft.tools import ToolContext, tool


@tool
async def echo(text: str, context: ToolContext) -> JsonObject:
    """Say it again."""
    return {"text": text, "run": context.run_id, "for": context.get_metadata("who")}


@pytest.mark.requirement("AG-1")
def test_options_beside_a_config_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="max_iterations, tools"):
        Agent(None, [echo], config=AgentConfig(model="offline:"), max_iterations=5)


def test_an_agents_options_are_known_to_editors_with_their_types() -> None:
    fields = get_type_hints(AgentConfig)
    named = {"model", "tools", "system_prompt"}

    assert get_type_hints(AgentOptions) == {
        name: kind for name, kind in fields.items() if name not in named
    }


@pytest.mark.requirement("AG-2")
def test_an_unknown_option_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError, match="unknown option 'reflexio'; did you mean 'reflexion'"):
        Agent(ScriptedModel([]), reflexio=True)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="did you mean 'max_iterations'"):
        AgentConfig(max_iteration=3)  # type: ignore[call-arg]


@pytest.mark.requirement("AG-2")
@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("max_iterations", 0, "a whole number from 1 to 500, got 0"),
        ("max_iterations", 501, "from 1 to 500, got 501"),
        ("max_concurrency", True, "got True"),
        ("token_budget", -1, "of at least 0, got -1"),
        ("temperature", 3, "a number from 0 to 2, got 3"),
        ("time_budget_seconds", float("nan"), "got nan"),
        ("tool_execution", "parallel", "'concurrent' or 'sequential', got 'parallel'"),
        ("completion_mode", "later", "'auto' or 'explicit', got 'later'"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_range(
    option: str, value: object, told: str
) -> None:
    with pytest.raises(ConfigError, match=f"{option} must be .*{told}"):
        AgentConfig(**{option: value})  # type: ignore[arg-type]


@pytest.mark.requirement("TERM-11")
def test_confidence_without_reflexion_is_refused() -> None:
    with pytest.raises(ConfigError, match="reflexion=False"):
        AgentConfig(termination=~ConfidenceMet(0.9), reflexion=False)

    assert AgentConfig(termination=ConfidenceMet(0.9)).reflexion_config is not None
    assert AgentConfig().reflexion_config is None


def test_a_config_with_reflexion_is_a_changed_copy() -> None:
    config = AgentConfig(max_iterations=7)

    changed = config.with_reflexion(ReflexionConfig(threshold=0.7))

    assert changed.max_iterations == 7
    assert changed.reflexion_config == ReflexionConfig(threshold=0.7)
    assert config.reflexion is None


@pytest.mark.requirement("LIM-5")
def test_a_cost_limit_needs_a_model_of_known_price() -> None:
    model = ScriptedModel([], capabilities=Capabilities(prices=None))

    with pytest.raises(ConfigError, match="max_cost_usd"):
        Agent(model, max_cost_usd=1)


@pytest.mark.requirement("AG-3")
async def test_concurrent_runs_of_one_agent_never_see_each_other() -> None:
    def reply(request: ModelRequest) -> ScriptedTurn:
        name = next(message.content for message in request.messages if message.role == "user")
        usage = ModelUsage(total_tokens=7)
        if request.messages[-1].role == "user":
            return ScriptedTurn(calls=(call("echo", text=name),), usage=usage)
        seen = {message.content for message in request.messages if message.role == "user"}
        return ScriptedTurn(text=f"{name} {sorted(seen)} {request.metadata}", usage=usage)

    agent = Agent(FunctionModel(reply), [echo], token_budget=20)

    results = await asyncio.gather(
        *(agent.arun(f"p{n}", metadata={"who": n}, run_id=f"{n:032x}") for n in range(50))
    )

    for n, result in enumerate(results):
        assert result.text == f"p{n} ['p{n}'] {{'who': {n}}}"
        assert result.run_id == f"{n:032x}"
        structured = result.tool_executions[0].structured
        assert structured == {"text": f"p{n}", "run": f"{n:032x}", "for": n}
        assert result.metrics.total_tokens == 14


@pytest.mark.requirement("AG-3")
@pytest.mark.requirement("AG-8")
async def test_cancelling_one_run_leaves_the_others_alone() -> None:
    gate = anyio.Event()

    async def reply(_: ModelRequest) -> str:
        await gate.wait()
        return "done"

    agent = Agent(FunctionModel(reply))
    first, second = (asyncio.ensure_future(agent.arun("go", run_id=each)) for each in "ab")
    with anyio.fail_after(5):
        while len(agent.model.requests) < 2:  # type: ignore[attr-defined]
            await anyio.lowlevel.checkpoint()

    assert agent.cancel(run_id="a") == 1
    assert agent.is_cancelled
    assert (await first).stop_reason == "canceled"
    gate.set()
    assert (await second).stop_reason == "complete"
    assert not agent.is_cancelled


@pytest.mark.requirement("AG-8")
async def test_cancelling_an_idle_agent_affects_no_later_run() -> None:
    agent = Agent(ScriptedModel(["hello"]))

    assert agent.cancel() == 0
    assert (await agent.arun("go")).text == "hello"


@pytest.mark.requirement("AG-8")
@pytest.mark.requirement("LIM-1")
async def test_a_cancel_from_another_thread_stops_all_runs_within_100_ms() -> None:
    started = anyio.Event()

    @tool
    async def wait() -> None:
        """Wait for ever."""
        started.set()
        await anyio.sleep_forever()

    agent = Agent(ScriptedModel([call("wait")]), [wait])
    run = asyncio.ensure_future(agent.arun("go"))
    with anyio.fail_after(5):
        await started.wait()

    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(agent.cancel()))
    thread.start()
    with anyio.fail_after(0.1):
        result = await run
    thread.join()

    assert found == [1]
    assert result.stop_reason == "canceled"
    assert not result.success
    assert [each.outcome for each in result.tool_executions] == ["canceled"]


@pytest.mark.requirement("AG-4")
async def test_every_entry_point_gives_an_equal_result() -> None:
    def agent() -> Agent:
        return Agent(ScriptedModel([call("echo", text="x"), "the end"]), [echo])

    options = {"run_id": "f" * 32}
    awaited = await agent().run("go", **options)  # type: ignore[arg-type]
    plain = await agent().arun("go", **options)  # type: ignore[arg-type]
    blocking = await asyncio.to_thread(agent().run_sync, "go", **options)  # type: ignore[arg-type]

    for result in (awaited, plain, blocking):
        assert result.text == "the end"
        assert list(result.messages) == list(awaited.messages)
        assert result.stop_reason == awaited.stop_reason


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.mark.requirement("AG-5")
@pytest.mark.requirement("AG-6")
def test_run_sync_works_from_plain_code_again_and_again_with_context_variables() -> None:
    @tool
    def read() -> str:
        """Read the variable."""
        return variable.get()

    model = ScriptedModel([call("read"), "one", call("read"), "two"])
    agent = Agent(model, [read])
    token = variable.set("mine")

    try:
        first, second = agent.run_sync("go"), agent.invoke("go")
    finally:
        variable.reset(token)

    assert (first.text, second.text) == ("one", "two")
    assert first.tool_executions[0].content == "mine"
    assert second.tool_executions[0].content == "mine"
    assert not model.closed
    asyncio.run(agent.aclose())
    assert not model.closed


IN_A_LOOP = """
import asyncio, logging
from weft.loop import Agent
from weft.testing.models import ScriptedModel

async def main():
    agent = Agent(ScriptedModel(["hello"]))
    print(agent.run_sync("go").text)
    await agent.aclose()

logging.basicConfig(level=logging.WARNING, format="%(message)s")
asyncio.run(main())
"""


@pytest.mark.requirement("AG-5")
def test_run_sync_works_inside_a_running_loop_and_warns() -> None:
    command = [sys.executable, "-c", IN_A_LOOP]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=15)

    assert done.stdout.strip() == "hello"
    assert "agent.run_sync_blocks_a_running_loop" in done.stderr


@pytest.mark.requirement("AG-14")
async def test_tools_are_added_all_or_none_and_only_for_later_runs() -> None:
    @tool
    async def other() -> str:
        """Do something else."""
        return "x"

    agent = Agent(ScriptedModel(["a", "b"]), [echo])

    with pytest.raises(TypeError):
        agent.add_tool(lambda: "no")  # type: ignore[arg-type]
    with pytest.raises(DuplicateToolError):
        agent.add_tools([other, echo])
    with pytest.raises(ValueError, match="echo"):
        agent.add_tool(echo)
    assert [each.name for each in agent.tools] == ["echo"]

    await agent.arun("go")
    agent.add_tool(other)
    await agent.arun("go")

    offered = [[spec.name for spec in each.tools] for each in agent.model.requests]  # type: ignore[attr-defined]
    assert offered == [["echo"], ["echo", "other"]]


@pytest.mark.requirement("AG-14")
async def test_a_running_run_keeps_its_tools() -> None:
    agents: list[Agent] = []

    @tool
    async def late() -> str:
        """Come late."""
        return "x"

    @tool
    async def grow() -> str:
        """Add a tool to the agent."""
        agents[0].add_tool(late)
        return "grown"

    agent = Agent(ScriptedModel([call("grow"), call("late"), "end"]), [grow])
    agents.append(agent)

    result = await agent.arun("go")

    assert [each.ok for each in result.tool_executions] == [True, False]


@pytest.mark.requirement("AG-15")
@pytest.mark.parametrize(
    ("prompt", "options", "field"),
    [
        (" ", {}, "prompt"),
        (3, {}, "prompt"),
        ("go", {"thread_id": ""}, "thread_id"),
        ("go", {"thread_id": "x" * 129}, "thread_id"),
        ("go", {"metadata": {"a": object()}}, "metadata"),
        ("go", {"metadata": {1: "a"}}, "metadata"),
        ("go", {"metadata": ["a"]}, "metadata"),
    ],
)
def test_bad_input_is_refused_by_field_before_anything_starts(
    prompt: str, options: JsonObject, field: str
) -> None:
    model = ScriptedModel([])

    with pytest.raises(InputError) as caught:
        _ = Agent(model).run(prompt, **options)  # type: ignore[arg-type]

    assert caught.value.field == field
    assert field in str(caught.value)
    assert model.requests == []


@pytest.mark.requirement("AG-17")
async def test_a_failure_is_the_last_event_of_an_iteration_and_an_error_when_awaited() -> None:
    agent = Agent(ScriptedModel([RuntimeError("x"), RuntimeError("x")]))

    run = agent.run("go")
    events = [event async for event in run]

    last = events[-1]
    assert isinstance(last, TerminateEvent)
    assert last.reason == "error"
    with pytest.raises(RunFailedError):
        await run
    with pytest.raises(RunFailedError) as caught:
        await agent.arun("go")
    assert caught.value.result is not None


@pytest.mark.requirement("AG-12")
async def test_an_agent_as_a_tool_adds_its_usage_and_gets_what_is_left() -> None:
    usage = ModelUsage(total_tokens=10)
    child = Agent(ScriptedModel([ScriptedTurn(text="42", usage=usage)] * 2), name="child")
    parent = Agent(
        ScriptedModel(
            [ScriptedTurn(calls=(call("child", task="think"),), usage=usage), "it is 42"]
        ),
        [child.as_tool()],
        token_budget=100,
    )

    result = await parent.arun("go", metadata={"who": "me"})

    request = child.model.requests[0]  # type: ignore[attr-defined]
    assert request.max_tokens == 90
    assert request.metadata == {"who": "me"}
    assert request.messages[-1] == Message.user("think")
    assert result.tool_executions[0].content == "42"
    assert result.state.model_calls == 3
    assert parent.model.requests[1].max_tokens == 80  # type: ignore[attr-defined]


@pytest.mark.requirement("AG-12")
async def test_cancelling_the_parent_cancels_the_child() -> None:
    ended = anyio.Event()
    started = anyio.Event()

    async def hang(_: ModelRequest) -> str:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return ""

    child = Agent(FunctionModel(hang), name="child")
    parent = Agent(ScriptedModel([call("child", task="think")]), [child.as_tool()])
    run = asyncio.ensure_future(parent.arun("go"))
    with anyio.fail_after(5):
        await started.wait()

        parent.cancel()

        assert (await run).stop_reason == "canceled"
        await ended.wait()


@pytest.mark.requirement("AG-19")
def test_importing_weft_loads_no_provider_driver_or_web_framework() -> None:
    heavy = ("openai", "anthropic", "aiohttp", "httpx", "sqlite3", "asyncpg", "fastapi",
             "starlette", "uvicorn", "grpc", "nats")  # fmt: skip
    code = f"import sys, weft; weft.Agent; print([m for m in {heavy} if m in sys.modules])"

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"
