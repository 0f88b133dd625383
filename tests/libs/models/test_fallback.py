"""Several models behind one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import pytest

from weft.core import JsonObject
from weft.core.errors import ConfigError
from weft.models import (
    AllModelsFailedError,
    Capabilities,
    CircuitOpenError,
    ContentFilterError,
    ContextLengthError,
    FallbackModel,
    ModelAuthError,
    ModelChunk,
    ModelError,
    ModelRequestError,
    ModelRetryConfig,
    ModelTimeoutError,
    ModelUnavailableError,
    ModelUsage,
    RateLimitedError,
    Retrying,
    complete,
    get_model,
    joined,
    streamed,
)
from weft.testing.model_contract import ASKED
from weft.testing.models import ScriptedModel, ScriptedTurn


@dataclass
class SetClock:
    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


@pytest.mark.requirement("MOD-21")
@pytest.mark.parametrize(
    "error",
    [
        ModelAuthError("x"),
        RateLimitedError("x"),
        ModelUnavailableError("x"),
        ModelTimeoutError("x"),
    ],
)
async def test_the_next_model_answers_and_is_named(error: ModelError) -> None:
    model = FallbackModel(
        [ScriptedModel([error, error], name="a:1"), ScriptedModel(["b"] * 2, name="b:2")]
    )

    whole = await model.complete(ASKED)
    grown = await joined(model.stream(ASKED))

    assert (whole.message.content, whole.model) == ("b", "b:2")
    assert grown.model == "b:2"


@pytest.mark.requirement("MOD-21")
@pytest.mark.parametrize(
    "error", [ModelRequestError("x"), ContextLengthError("x"), ContentFilterError("x")]
)
async def test_a_failure_of_the_request_itself_is_raised(error: ModelError) -> None:
    second = ScriptedModel(["never asked"])

    with pytest.raises(type(error)):
        await FallbackModel([ScriptedModel([error]), second]).complete(ASKED)

    assert second.requests == []


@pytest.mark.requirement("MOD-21")
async def test_an_open_breaker_skips_its_model_until_one_call_may_try() -> None:
    down, clock = ModelUnavailableError("down"), SetClock()
    first = ScriptedModel([down, down, down, down, "up again", "still up"], name="a:1")
    model = FallbackModel([first, ScriptedModel(["b"] * 9, name="b:2")], clock=clock)

    for _ in range(5):
        await model.complete(ASKED)
    assert len(first.requests) == 3, "opened after three failures"

    clock.seconds = 31
    await model.complete(ASKED)
    await model.complete(ASKED)
    assert len(first.requests) == 4, "one call tried, failed, and closed the way again"

    clock.seconds = 62
    replies = [(await model.complete(ASKED)).message.content for _ in range(2)]
    assert replies == ["up again", "still up"]


async def test_failures_far_apart_open_nothing() -> None:
    clock = SetClock()
    first = ScriptedModel([ModelUnavailableError("down")] * 4)
    model = FallbackModel([first, ScriptedModel(["b"] * 4)], clock=clock)

    for _ in range(4):
        await model.complete(ASKED)
        clock.seconds += 31

    assert len(first.requests) == 4


@pytest.mark.requirement("MOD-22")
async def test_if_every_model_fails_each_is_listed_and_usage_counts() -> None:
    spent = ModelTimeoutError("late")
    spent.usage = ModelUsage(total_tokens=7)
    models = [
        ScriptedModel([ModelAuthError("no key")], name="a:1"),
        ScriptedModel([spent], name="b:2"),
    ]

    with pytest.raises(AllModelsFailedError) as caught:
        await FallbackModel(models).complete(ASKED)

    assert [name for name, _ in caught.value.failures] == ["a:1", "b:2"]
    assert "a:1: ModelAuthError: no key; b:2: ModelTimeoutError: late" in str(caught.value)
    assert caught.value.usage.total_tokens == 7


@pytest.mark.requirement("MOD-22")
async def test_usage_of_failed_models_counts_in_the_answer_of_another() -> None:
    spent = ModelTimeoutError("late")
    spent.usage = ModelUsage(total_tokens=7)
    answer = ScriptedTurn(text="x", usage=ModelUsage(total_tokens=1))

    reply = await FallbackModel([ScriptedModel([spent]), ScriptedModel([answer])]).complete(ASKED)

    assert reply.usage.total_tokens == 8


@pytest.mark.requirement("MOD-23")
async def test_the_rules_answer_only_if_listed_and_are_named() -> None:
    def failing() -> ScriptedModel:
        return ScriptedModel([ModelUnavailableError("down")], name="a:1")

    schema: JsonObject = {"type": "object", "properties": {"risk": {"type": "string"}}}
    asked = ASKED.model_copy(update={"output_schema": schema})

    with pytest.raises(AllModelsFailedError):
        await FallbackModel([failing()]).complete(asked)
    reply = await FallbackModel([failing(), get_model("offline:")]).complete(asked)

    assert (reply.model, reply.generated_by) == ("offline:rules", "rules")


async def test_open_breakers_everywhere_are_told() -> None:
    clock = SetClock()
    model = FallbackModel([ScriptedModel([ModelUnavailableError("down")] * 3)], clock=clock)
    for _ in range(3):
        with pytest.raises(AllModelsFailedError):
            await model.complete(ASKED)

    with pytest.raises(AllModelsFailedError) as caught:
        await model.complete(ASKED)

    assert isinstance(caught.value.failures[0][1], CircuitOpenError)


async def test_abilities_are_those_that_all_have() -> None:
    able = Capabilities(context_window=100, structured=True, images=True)
    less = Capabilities(context_window=50)
    model = FallbackModel(
        [ScriptedModel([], capabilities=able), ScriptedModel([], capabilities=less)]
    )

    assert (model.capabilities.context_window, model.capabilities.images) == (50, False)


async def test_closing_closes_every_model() -> None:
    models = [ScriptedModel([]), ScriptedModel([])]

    await FallbackModel(models).aclose()

    assert [model.closed for model in models] == [True, True]


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ConfigError):
        FallbackModel([])


@pytest.mark.requirement("DIAG-33")
async def test_each_of_a_list_has_its_share_of_the_waiting() -> None:
    silent = ScriptedModel([ScriptedTurn("late", until=anyio.Event())] * 2, name="a:1")
    model = FallbackModel([silent, ScriptedModel(["here"] * 2, name="b:2")])
    config = ModelRetryConfig(max_retries=0, silence_seconds=0.2)

    with anyio.fail_after(5):
        whole = await complete(model, ASKED, Retrying(config))
        pieces = [each async for each in streamed(model, ASKED, Retrying(config))]

    assert (whole.message.content, whole.model) == ("here", "b:2")
    assert "".join(each.content for each in pieces if isinstance(each, ModelChunk)) == "here"


async def test_what_is_not_shown_yet_is_a_sign_of_life() -> None:
    model = FallbackModel([ScriptedModel([ScriptedTurn(chunks=("a", "b", "c"))])])

    pieces = [piece async for piece in model.stream(ASKED)]

    assert [piece.content for piece in pieces if not piece.done][:3] == ["", "", ""]
    assert (await joined(_each(pieces))).message.content == "abc"


async def _each(pieces: list[ModelChunk]) -> AsyncIterator[ModelChunk]:
    for piece in pieces:
        yield piece
