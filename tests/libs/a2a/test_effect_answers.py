"""A person's word on an effect nobody knows the outcome of, brought to the agent that asks."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from tests.libs.a2a.harness import Mesh, a_task, agent, calling, message
from weft import Agent, tool
from weft.a2a.client import A2AClient
from weft.core import LOCAL, Interrupt, JsonObject, JsonValue, Message, Result, ToolCall
from weft.core.errors import InputError
from weft.models import ModelRequest, ModelResponse
from weft.testing import FunctionModel
from weft.tools import Tool

OPTIONS = ("done", "not_done", "abandon")


@dataclass
class Shop:
    """The outside: what was charged; the first charge breaks off behind the effect."""

    book: list[str] = field(default_factory=list)
    broken: int = 1

    def charge(self) -> Tool:
        @tool(idempotent=True)
        async def charge(order: str) -> str:
            """Charge an order."""
            if self.broken:
                self.broken -= 1
                raise RuntimeError("the connection to the shop broke")
            self.book.append(order)
            return f"charged {order}"

        return charge


def decide(request: ModelRequest) -> ModelResponse:
    """Charge, once more where the first time told nothing, and say what came of it."""
    told = [each for each in request.messages if each.role == "tool"]
    if told and "whether it took effect is unknown" not in told[-1].content:
        return ModelResponse(message=Message.assistant(f"Done: {told[-1].content}"))
    if len(told) > 1:
        return ModelResponse(message=Message.assistant(f"Open: {told[-1].content}"))
    call = ToolCall(id=f"call_{len(told)}", name="charge", arguments={"order": "o-17"})
    return ModelResponse(message=Message.assistant(tool_calls=(call,)))


@asynccontextmanager
async def payer(shop: Shop, depth: int) -> AsyncIterator[A2AClient]:
    """Yield a client whose calls reach the payer through `depth` servers."""
    mesh = Mesh()
    peer: object = Agent(FunctionModel(decide), [shop.charge()], name="payer")
    async with AsyncExitStack() as stack:
        for _ in range(depth):
            served = await stack.enter_async_context(agent(peer, mesh=mesh))  # type: ignore[arg-type]
            peer = await stack.enter_async_context(calling(served, mesh))
        assert isinstance(peer, A2AClient)
        yield peer


async def answered(client: A2AClient, answer: JsonValue) -> tuple[Interrupt, Result]:
    task = a_task("Charge order o-17")
    asked = await client.start(task)
    assert asked.status == "interrupted", asked
    [question] = asked.interrupts
    return question, await client.start(replace(task, answers={question.id: answer}))


@pytest.mark.requirement("REL-2", "FX-8", "A2A-70")
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(
    ("answer", "text", "book"),
    [
        ({"outcome": "done", "value": "charged by hand"}, "Done: charged by hand", []),
        ({"outcome": "not_done"}, "Done: charged o-17", ["o-17"]),
        ("not_done", "Done: charged o-17", ["o-17"]),
        (
            {"outcome": "abandon"},
            "Open: Error: abandoned; whether it took effect is unknown",
            [],
        ),
    ],
)
async def test_the_word_of_a_person_reaches_the_effect_at_any_depth(
    depth: int, answer: JsonValue, text: str, book: list[str]
) -> None:
    shop = Shop()
    async with payer(shop, depth) as client:
        question, result = await answered(client, answer)

    assert (question.reason, question.options) == ("effect_unknown", OPTIONS)
    assert (result.status, result.text) == ("completed", text)
    assert shop.book == book


@pytest.mark.requirement("A2A-70")
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(
    "answer",
    [
        {"outcome": "maybe"},
        {"outcome": None},
        {"outcome": "done", "result": "lost"},
        {"status": "resolved", "payload": {"outcome": "done"}},
        {},
        [],
        "yes",
        "",
        None,
        True,
    ],
)
async def test_what_is_no_option_is_refused_by_name_and_changes_nothing(
    depth: int, answer: JsonValue
) -> None:
    shop = Shop()
    async with payer(shop, depth) as client:
        task = a_task("Charge order o-17")
        [question] = (await client.start(task)).interrupts
        refused = await client.start(replace(task, answers={question.id: answer}))
        charged_before = list(shop.book)
        taken = await client.start(replace(task, answers={question.id: "not_done"}))

    assert refused.status == "failed"
    assert all(repr(option) in refused.reasons[0].message for option in OPTIONS)
    assert charged_before == []
    assert (taken.text, shop.book) == ("Done: charged o-17", ["o-17"])


@pytest.mark.parametrize("status", ["canceled", "maybe", 5])
async def test_a_response_that_resolves_nothing_settles_no_effect(status: JsonValue) -> None:
    shop = Shop()
    alone = Agent(FunctionModel(decide), [shop.charge()], name="payer")
    async with agent(alone) as served:
        opened = await served.call("SendMessage", message("Charge order o-17"))
        task_id = opened["result"]["task"]["id"]
        [question] = (await served.runs.read(LOCAL, task_id)).interrupts
        response: JsonObject = {"interruptId": question.id, "status": status, "payload": "done"}
        said = message("", taskId=task_id, parts=[{"data": {"responses": [response]}}])
        refused = await served.call("SendMessage", said)

    assert refused["error"]["code"] == -32602
    assert shop.book == []


@pytest.mark.requirement("FX-8")
@pytest.mark.parametrize("answer", ["maybe", {"outcome": "yes"}, {"payload": "done"}])
async def test_an_agent_of_this_process_refuses_them_too(answer: JsonValue) -> None:
    shop = Shop()
    alone = Agent(FunctionModel(decide), [shop.charge()])
    asked = await alone.run("Charge order o-17", thread_id="t")
    with pytest.raises(InputError, match="'done', 'not_done', 'abandon'"):
        await alone.resume(answer, thread_id="t")
    ended = await alone.resume("not_done", thread_id="t")

    assert asked.stop_reason == "interrupted"
    assert ended.text == "Done: charged o-17"
    assert shop.book == ["o-17"]
