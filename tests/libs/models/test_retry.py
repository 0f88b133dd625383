"""Repeating a call: when, how long, and what becomes of its chunks."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import Deadline, JsonObject, Message, Part, ToolCall
from weft.models import (
    AllModelsFailedError,
    ChunkJoiner,
    ContentFilterError,
    ContextLengthError,
    ModelAuthError,
    ModelChunk,
    ModelError,
    ModelRequest,
    ModelRequestError,
    ModelResponse,
    ModelRetryConfig,
    ModelTimeoutError,
    ModelUnavailableError,
    ModelUsage,
    RateLimitedError,
    Retrying,
    RetryNotice,
    complete,
    streamed,
)
from weft.models.chunks import split
from weft.models.errors import ErrorOrigin
from weft.models.retry import is_retryable
from weft.testing.model_contract import ASKED
from weft.testing.models import ScriptedModel, ScriptedTurn

NOW = 1_800_000_000.0


@dataclass
class Waits:
    """A clock that jumps over every wait, and remembers it."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return NOW + self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


def retrying(
    waits: Waits,
    *,
    config: ModelRetryConfig | None = None,
    chance: Callable[[], float] = lambda: 1.0,
    sleep: Callable[[float], Awaitable[None]] | None = None,
    deadline: Deadline | None = None,
) -> Retrying:
    return Retrying(
        config=config or ModelRetryConfig(),
        deadline=deadline,
        clock=waits,
        chance=chance,
        sleep=sleep or waits.sleep,
    )


def limited(retry_after: str | None = None) -> RateLimitedError:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return RateLimitedError("slow down", origin=ErrorOrigin("p", 429, headers=headers))


async def test_a_retryable_failure_is_repeated_until_it_succeeds() -> None:
    model = ScriptedModel([limited(), ModelTimeoutError("late"), "done"])
    waits = Waits()

    reply = await complete(model, ASKED, retrying(waits))

    assert reply.message.content == "done"
    assert waits.waits == [1.0, 2.0], "exponential"


@pytest.mark.requirement("MOD-17")
@pytest.mark.parametrize(
    "error",
    [
        ModelAuthError("x"),
        ModelRequestError("x"),
        ContextLengthError("x"),
        ContentFilterError("x"),
        ValueError("a bug"),
        ConnectionError("nobody classified it"),
    ],
)
async def test_other_failures_are_raised_at_once(error: Exception) -> None:
    model = ScriptedModel([error, "never asked"])

    with pytest.raises(type(error)):
        await complete(model, ASKED, retrying(Waits()))

    assert len(model.requests) == 1


async def test_the_number_of_retries_is_bounded() -> None:
    model = ScriptedModel([ModelUnavailableError("down")] * 4)

    with pytest.raises(ModelUnavailableError):
        await complete(model, ASKED, retrying(Waits(), config=ModelRetryConfig(max_retries=3)))

    model.assert_exhausted()


def unreached() -> ModelUnavailableError:
    return ModelUnavailableError("nobody is there", origin=ErrorOrigin("p", reached=False))


@pytest.mark.parametrize(
    "error", [unreached(), AllModelsFailedError([("a", unreached()), ("b", unreached())])]
)
async def test_where_nobody_listens_it_is_soon_given_up(error: ModelError) -> None:
    model, waits = ScriptedModel([error] * 20), Waits()

    with pytest.raises(ModelError):
        await complete(model, ASKED, retrying(waits))

    assert waits.waits == [1.0, 2.0, 4.0]
    assert waits.seconds <= ModelRetryConfig().unreachable_budget_seconds


async def test_where_one_of_several_answers_it_is_tried_as_long_as_ever() -> None:
    busy = ModelUnavailableError("busy", origin=ErrorOrigin("p", 503))
    model = ScriptedModel([AllModelsFailedError([("a", unreached()), ("b", busy)])] * 7)
    waits = Waits()

    with pytest.raises(AllModelsFailedError):
        await complete(model, ASKED, retrying(waits))

    assert len(waits.waits) == 6


@given(chance=st.floats(0, 1), retries=st.integers(0, 30), initial=st.floats(0.01, 10))
def test_the_delay_is_anywhere_up_to_the_ceiling(
    chance: float, retries: int, initial: float
) -> None:
    config = ModelRetryConfig(max_retries=100, initial_delay=initial)
    policy = retrying(Waits(), config=config, chance=lambda: chance)

    delay = policy.delay(limited(), retries, 0.0)

    assert delay == chance * min(60.0, initial * 2**retries)


@pytest.mark.requirement("MOD-18")
@pytest.mark.parametrize(
    "told", ["7", format_datetime(datetime.fromtimestamp(NOW + 7, tz=UTC), usegmt=True)]
)
async def test_retry_after_replaces_the_computed_delay(told: str) -> None:
    waits = Waits()

    await complete(ScriptedModel([limited(told), "done"]), ASKED, retrying(waits))

    assert waits.waits == [7.0]


@pytest.mark.requirement("MOD-18")
async def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    waits = Waits()

    with pytest.raises(RateLimitedError):
        await complete(ScriptedModel([limited("301"), "never"]), ASKED, retrying(waits))

    assert waits.waits == []


@pytest.mark.requirement("MOD-18")
async def test_a_wait_beyond_the_time_left_is_not_begun() -> None:
    waits = Waits()
    policy = retrying(waits, deadline=Deadline(5.0))

    with pytest.raises(RateLimitedError):
        await complete(ScriptedModel([limited("6"), "never"]), ASKED, policy)

    assert waits.waits == []


async def test_waits_add_up_to_the_budget_at_most() -> None:
    waits = Waits()
    model = ScriptedModel([limited("100")] * 7)

    with pytest.raises(RateLimitedError):
        await complete(model, ASKED, retrying(waits))

    assert waits.waits == [100.0, 100.0, 100.0]


async def test_each_retry_is_told_before_its_wait() -> None:
    model = ScriptedModel([limited("3"), "done"])
    waits = Waits()
    seen: list[tuple[RetryNotice | ModelChunk, int]] = []

    async for piece in streamed(model, ASKED, retrying(waits)):
        seen.append((piece, len(waits.waits)))  # noqa: PERF401 - an async for over a side effect

    first, waited = seen[0]
    assert first == RetryNotice(
        attempt=2, delay_seconds=3.0, reason="model_rate_limited", status_code=429
    )
    assert waited == 0


@pytest.mark.requirement("MOD-20")
async def test_a_broken_stream_starts_over_and_its_chunks_are_void() -> None:
    broken = ScriptedTurn(chunks=("half ", "an "), error=ModelUnavailableError("cut"))
    model = ScriptedModel([broken, ScriptedTurn(chunks=("a whole ", "answer"))])
    text = ""
    retries = 0

    async for piece in streamed(model, ASKED, retrying(Waits())):
        if isinstance(piece, RetryNotice):
            text, retries = "", retries + 1
        else:
            text += piece.content

    assert (text, retries) == ("a whole answer", 1)


async def test_what_failed_attempts_spent_counts() -> None:
    failed = ModelUnavailableError("cut")
    failed.usage = ModelUsage(prompt_tokens=10, total_tokens=10)
    answer = ScriptedTurn(text="x", usage=ModelUsage(prompt_tokens=1, total_tokens=1))

    reply = await complete(ScriptedModel([failed, answer]), ASKED, retrying(Waits()))

    assert reply.usage.total_tokens == 11


class Saying(ScriptedModel):
    """Replies with what it was given, whatever that is."""

    def __init__(self, response: ModelResponse) -> None:
        super().__init__([])
        self._response = response

    async def complete(self, request: ModelRequest) -> ModelResponse:
        del request
        return self._response

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        del request
        for chunk in split(self._response):
            yield chunk


async def test_a_reply_that_is_not_streamed_is_handed_on_as_it_is() -> None:
    whole = ModelResponse(
        message=Message.assistant("found", tool_calls=(ToolCall(id="a", name="look"),)),
        provider_state={"turn": 1},
    )

    reply = await complete(Saying(whole), ASKED, retrying(Waits()))

    assert reply is whole


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ({"line": "a\0b", "n\0": ["\ud800"]}, {"line": "a␀b", "n␀": ["\N{REPLACEMENT CHARACTER}"]}),
        ({"count": 10**100}, {"count": 1e100}),
    ],
    ids=["text", "number"],
)
async def test_what_no_database_keeps_is_replaced_in_a_whole_reply_as_in_a_stream(
    arguments: JsonObject, kept: JsonObject
) -> None:
    odd = ModelResponse(
        message=Message.assistant(
            "\0 said", tool_calls=(ToolCall(id="\0", name="look\0", arguments=arguments),)
        ),
        model="m\0",
        provider_state={"\0": "\ud800"},
    )
    model = Saying(odd)

    reply = await complete(model, ASKED, retrying(Waits()))

    (made,) = reply.message.tool_calls
    assert (reply.message.content, reply.model, made.name) == ("␀ said", "m␀", "look␀")
    assert made.arguments == kept
    joiner = ChunkJoiner()
    async for piece in streamed(model, ASKED, retrying(Waits())):
        assert isinstance(piece, ModelChunk)
        joiner.add(piece)
    assert joiner.response() == reply


async def test_each_retry_of_a_whole_reply_is_told_before_its_wait() -> None:
    waits, notices = Waits(), list[tuple[RetryNotice, int]]()

    await complete(
        ScriptedModel([limited("3"), "done"]),
        ASKED,
        retrying(waits),
        tell=lambda notice: notices.append((notice, len(waits.waits))),
    )

    assert [(notice.attempt, notice.delay_seconds, waited) for notice, waited in notices] == [
        (2, 3.0, 0)
    ]


async def test_waiting_ends_on_cancel() -> None:
    waiting = anyio.Event()

    async def sleep(_seconds: float) -> None:
        waiting.set()
        await anyio.sleep_forever()

    model = ScriptedModel([limited(), "never"])

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(complete, model, ASKED, retrying(Waits(), sleep=sleep))
            await waiting.wait()
            tasks.cancel_scope.cancel()

    assert len(model.requests) == 1


def test_a_failed_fallback_is_worth_repeating_if_one_of_its_causes_is() -> None:
    auth: tuple[str, ModelError] = ("a", ModelAuthError("x"))
    busy: tuple[str, ModelError] = ("b", limited())

    assert is_retryable(AllModelsFailedError([auth, busy]))
    assert not is_retryable(AllModelsFailedError([auth]))


async def test_a_part_that_no_database_keeps_is_replaced_and_keeps_its_kind() -> None:
    parts = (Part(text="\0", metadata={"at": "\ud800"}), Part(data=None, filename="a\0.json"))
    odd = ModelResponse(message=Message(role="assistant", parts=parts))

    reply = await complete(Saying(odd), ASKED, retrying(Waits()))

    assert reply.message.parts == (
        Part(text="␀", metadata={"at": "\N{REPLACEMENT CHARACTER}"}),
        Part(data=None, filename="a␀.json"),
    )


@pytest.mark.requirement("DIAG-33")
@pytest.mark.parametrize("watched", [True, False])
async def test_an_attempt_without_a_sign_of_life_is_given_up(*, watched: bool) -> None:
    silent = ScriptedTurn("late", until=anyio.Event())
    model = ScriptedModel([silent, "here"])
    config = ModelRetryConfig(silence_seconds=0.05, initial_delay=0)

    with anyio.fail_after(5):
        if watched:
            pieces = [each async for each in streamed(model, ASKED, Retrying(config))]
            assert isinstance(pieces[0], RetryNotice)
            assert (pieces[0].reason, pieces[1].content) == ("model_timeout", "here")  # type: ignore[union-attr]
        else:
            assert (await complete(model, ASKED, Retrying(config))).message.content == "here"


@pytest.mark.requirement("DIAG-33")
def test_a_later_attempt_has_what_the_budget_leaves_it_to_begin_in() -> None:
    waits = Waits()
    config = ModelRetryConfig(total_budget_seconds=20, silence_seconds=15)
    patient = retrying(waits, config=config)

    waits.seconds = 12.0

    assert patient.silence(started=0.0) == 8.0
    assert patient.silence(started=12.0) == 15.0


async def test_while_a_first_attempt_speaks_no_time_is_lost_on_repeating_it() -> None:
    waits = Waits()

    async def speaks(chunks: list[str]) -> AsyncGenerator[ModelChunk, None]:
        for chunk in chunks:
            waits.seconds += 15
            yield ModelChunk(content=chunk)
        raise ModelUnavailableError("cut")

    class Talker(ScriptedModel):
        def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
            return speaks(["long", "talk"]) if not waits.waits else super().stream(request)

    config = ModelRetryConfig(total_budget_seconds=20)
    pieces = [
        each async for each in streamed(Talker(["done"]), ASKED, retrying(waits, config=config))
    ]

    assert [type(each) for each in pieces[:3]] == [ModelChunk, ModelChunk, RetryNotice]
    assert pieces[-1].done  # type: ignore[union-attr]
