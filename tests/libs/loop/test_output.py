"""Answers in a form: read, sent back with their faults, and never taken for one they have not."""

from dataclasses import dataclass

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from weft.core import Budget, JsonObject, parts_of
from weft.core.errors import ConfigError, RunFailedError
from weft.loop import Agent, AgentResult, ModelRetryEvent, Task
from weft.loop.output import MOST_FAULTS, json_in, output_form
from weft.models import ModelRetryConfig, ModelUnavailableError, ModelUsage, get_model
from weft.runs import LocalJournal
from weft.testing import ScriptedOpenAIServer
from weft.testing.models import TEST_CAPABILITIES, ScriptedModel, ScriptedTurn, call
from weft.tools import tool


class Invoice(BaseModel):
    number: str
    euros: int = Field(ge=0)


@dataclass
class Line:
    item: str
    count: int = 1


class Place(TypedDict):
    city: str


SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"number": {"type": "string"}, "euros": {"type": "integer", "minimum": 0}},
    "required": ["number", "euros"],
    "additionalProperties": False,
}
GOOD = '{"number": "A7", "euros": 30}'
BAD = '{"number": 7, "euros": -1}'


async def failure(agent: Agent) -> AgentResult:
    with pytest.raises(RunFailedError) as caught:
        await agent.arun("read the invoice")
    result = caught.value.result
    assert isinstance(result, AgentResult)
    return result


@pytest.mark.requirement("OUT-1", "ST-8")
async def test_every_kind_of_form_is_asked_for_and_read() -> None:
    async def parsed(schema: type | JsonObject, reply: str) -> AgentResult:
        model = ScriptedModel([reply])
        result = await Agent(model, output_schema=schema).arun("read it")
        sent = model.requests[0].output_schema
        assert sent is not None
        assert sent["type"] == "object"
        return result

    invoice = await parsed(Invoice, GOOD)
    line = await parsed(Line, '{"item": "tea"}')

    assert invoice.parsed_as(Invoice) == Invoice(number="A7", euros=30)
    assert (line.parsed, line.to_dict()["parsed"]) == (Line("tea"), {"item": "tea", "count": 1})
    assert (await parsed(Place, '{"city": "Bern"}')).parsed == {"city": "Bern"}
    assert (await parsed(SCHEMA, GOOD)).parsed == {"number": "A7", "euros": 30}
    with pytest.raises(TypeError, match="is a Invoice, not a Line"):
        invoice.parsed_as(Line)


@pytest.mark.requirement("OUT-1")
async def test_a_model_without_a_mode_of_its_own_is_told_the_form_in_words() -> None:
    plain = TEST_CAPABILITIES.model_copy(update={"structured": False})
    told, untold = (
        ScriptedModel([f"Here it is:\n```json\n{GOOD}\n```\nAnything else?"], capabilities=able)
        for able in (plain, TEST_CAPABILITIES)
    )

    results = [await Agent(model, output_schema=Invoice).arun("go") for model in (told, untold)]

    assert [result.parsed for result in results] == [Invoice(number="A7", euros=30)] * 2
    assert '"euros"' in told.requests[0].messages[-1].content
    assert untold.requests[0].messages[-1].role == "user"


@pytest.mark.requirement("OUT-2", "ST-8")
async def test_a_reply_of_another_form_goes_back_with_its_faults_and_is_paid_for() -> None:
    spent = ModelUsage(prompt_tokens=5, completion_tokens=5, total_tokens=10)
    model = ScriptedModel([ScriptedTurn(text=text, usage=spent) for text in (BAD, GOOD)])
    run = Agent(model, output_schema=Invoice).run("read the invoice")

    retries = [event async for event in run if isinstance(event, ModelRetryEvent)]
    result = await run

    faults = model.requests[1].messages[-1].content
    assert (result.parsed, result.parse_error) == (Invoice(number="A7", euros=30), None)
    assert "number: Input should be a valid string" in faults
    assert "euros: Input should be greater than or equal to 0" in faults
    assert model.requests[1].messages[-2].content == BAD
    assert (result.message, result.stop_reason) == (GOOD, "complete")
    assert [(event.attempt, event.reason) for event in retries] == [(2, "output_invalid")]
    assert result.state.total_tokens_used == 20
    assert result.state.model_calls == 2


@pytest.mark.requirement("OUT-2", "ST-8")
@pytest.mark.parametrize("retries", [0, 2])
async def test_after_the_last_reply_the_run_has_failed_and_says_why(retries: int) -> None:
    model = ScriptedModel(["I cannot.", *[BAD] * retries])

    result = await failure(Agent(model, output_schema=SCHEMA, output_schema_retries=retries))

    model.assert_exhausted()
    assert (result.success, result.stop_reason) == (False, "error")
    assert result.error is not None
    assert result.error.code == "output_invalid"
    assert result.parsed is None
    assert result.parse_error is not None
    assert ("-1 is less than the minimum" if retries else "no JSON") in result.parse_error
    with pytest.raises(ValueError, match="not of the form"):
        result.parsed_as(dict)


@pytest.mark.requirement("OUT-1")
async def test_tools_come_first_and_a_terminal_tool_says_the_answer() -> None:
    @tool
    async def look() -> str:
        """Look at the paper."""
        return "A7, 30 euros"

    @tool
    async def submit(words: str) -> str:
        """Hand in the answer."""
        return words

    looked = ScriptedModel([call("look"), GOOD])
    handed_in = ScriptedModel([call("submit", words="it is A7"), GOOD])

    by_reply = await Agent(looked, [look], output_schema=Invoice).arun("go")
    by_tool = await Agent(handed_in, [submit], output_schema=Invoice).arun("go")

    assert by_reply.parsed == by_tool.parsed == Invoice(number="A7", euros=30)
    assert (by_tool.stop_reason, by_tool.message) == ("terminal_tool", GOOD)
    assert [bool(request.tools) for request in handed_in.requests] == [True, False]


@pytest.mark.requirement("OUT-2", "ST-9")
async def test_no_budget_for_another_reply_is_no_success() -> None:
    usage = ModelUsage(total_tokens=10)
    model = ScriptedModel([ScriptedTurn(text=BAD, usage=usage)])

    result = await Agent(model, output_schema=Invoice).arun("go", budget=Budget(tokens=10))

    assert (result.success, result.stop_reason, result.parsed) == (False, "token_budget", None)
    with pytest.raises(ValueError, match="ended with token_budget"):
        result.parsed_as(Invoice)


@pytest.mark.requirement("OUT-2")
async def test_replies_before_a_crash_are_neither_lost_nor_asked_for_again() -> None:
    journal = LocalJournal()
    task = Task(parts_of("go"), "m1", journal=journal)
    dying = ScriptedModel([BAD, BAD, ModelUnavailableError("down")])
    once = ModelRetryConfig(max_retries=0)
    lost = await Agent(dying, output_schema=Invoice, model_retry=once).start(task)
    recovering = ScriptedModel([BAD])

    result = await Agent(recovering, output_schema=Invoice).start(task)

    assert lost.reasons[0].code == "model_unavailable"
    assert [*journal.steps] == [("think#1",), ("repair#1",), ("repair#2",)]
    assert [message.content for message in recovering.requests[0].messages].count(BAD) == 2
    # Two of three were spent before the crash, and stay spent.
    recovering.assert_exhausted()
    assert result.reasons[0].code == "output_invalid"


@pytest.mark.requirement("OUT-1")
async def test_what_a_task_asks_for_is_its_results_data() -> None:
    model = ScriptedModel([GOOD, GOOD])
    agent = Agent(model, output_schema=Place)

    typed = await agent.start(Task(parts_of("go"), "m1", output_schema=SCHEMA))
    broken = await agent.start(Task(parts_of("go"), "m2", output_schema={"type": "objekt"}))

    assert (typed.status, typed.data) == ("completed", {"number": "A7", "euros": 30})
    assert (broken.status, broken.reasons[0].code) == ("failed", "invalid_request")
    assert "no JSON schema" in broken.reasons[0].message


async def test_rules_say_that_they_cannot_fill_a_form_instead_of_an_empty_one() -> None:
    optional: JsonObject = {"type": "object", "properties": {"colour": {"type": "string"}}}
    needed: JsonObject = {
        "type": "object",
        "properties": {"colour": {"type": "string"}, "risk": {"type": "string"}},
        "required": ["colour"],
    }

    empty = await failure(Agent("offline:", output_schema=optional))
    partly = await failure(Agent("offline:", output_schema=needed))

    assert empty.error is not None
    assert partly.error is not None
    assert (empty.error.code, partly.error.code) == ("no_applicable_tool", "output_invalid")
    assert "no language model answered" in partly.error.message
    assert "'colour'" in partly.error.message.replace('"', "'")
    assert "WEFT_MODEL" in partly.error.message
    assert partly.state.model_calls == 0


@pytest.mark.requirement("OUT-1", "MOD-11")
@pytest.mark.parametrize("structured", [True, False])
async def test_a_real_client_asks_in_the_mode_its_server_has(structured: bool) -> None:  # noqa: FBT001
    async with ScriptedOpenAIServer([BAD, GOOD, "[1, 2]"]) as server:
        model = get_model("openai:m", base_url=server.base_url, api_key="k", structured=structured)
        result = await Agent(model, output_schema=SCHEMA).arun("go")
        listed = await Agent(model, output_schema=list[int]).arun("go")
        await model.aclose()

    modes = ["response_format" in request.body for request in server.requests]
    assert result.parsed == {"number": "A7", "euros": 30}
    assert listed.parsed == [1, 2]
    # The mode of the service takes objects only: a list is asked for in words.
    assert modes == [structured, structured, False]


@pytest.mark.parametrize("wrong", [{"type": "objekt"}, {"$ref": "http://127.0.0.1:9/x"}, "text", 7])
def test_what_is_no_form_is_refused_when_the_agent_is_made(wrong: object) -> None:
    with pytest.raises(ConfigError, match="output_schema"):
        Agent("offline:", output_schema=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Sure:\n```\n{"a": 1}\n```', {"a": 1}),
        ('It is {"a": {"b": "}"}}, I think {not}.', {"a": {"b": "}"}}),
        ("values: [1, 2]", [1, 2]),
    ],
)
def test_json_is_found_with_words_around_it(text: str, value: object) -> None:
    assert json_in(text) == value


@pytest.mark.parametrize("text", ["", "no", "{", "```\n{\n```", "[" * 100_000, "{}}{" * 50_000])
def test_what_is_no_json_is_not_guessed_at(text: str) -> None:
    if text.startswith("{}"):
        assert json_in(text) == {}
    else:
        with pytest.raises(ValueError, match="no JSON"):
            json_in(text)


def test_a_hostile_pattern_costs_nothing_and_faults_are_bounded() -> None:
    form = output_form({"type": "string", "pattern": "^(a+)+$"})
    many = output_form({"type": "array", "items": {"type": "string"}})

    with pytest.raises(ValueError, match="does not match"):
        form.read(f'"{"a" * 100_000}b"')
    with pytest.raises(ValueError, match="and more") as caught:
        many.read(str(list(range(50))))
    assert str(caught.value).count("; ") == MOST_FAULTS
