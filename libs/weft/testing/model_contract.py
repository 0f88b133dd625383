"""What every model keeps, whoever provides it."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence

import pytest

from weft.core import Message, ToolCall, ToolSpec
from weft.models.base import Model, ModelChunk, ModelRequest, ModelResponse
from weft.models.chunks import ChunkJoiner
from weft.models.errors import ModelError
from weft.testing.models import ScriptedTurn

LOOKUP = ToolSpec(
    name="lookup",
    description="Look up one word.",
    parameters={
        "type": "object",
        "properties": {"word": {"type": "string"}, "times": {"type": "integer"}},
        "required": ["word"],
    },
    labels=frozenset({"read"}),
)
ASKED = ModelRequest(messages=(Message.user("Look up 'weft', please."),), tools=(LOOKUP,))


class ModelContract(ABC):
    """Subclass in a test module and say how a model is made to give certain replies."""

    @abstractmethod
    async def scripted(self, turns: Sequence[ScriptedTurn]) -> Model:
        """Return a model that gives these turns, each call the next; the class closes nothing."""

    async def both(
        self, turn: ScriptedTurn, request: ModelRequest = ASKED
    ) -> tuple[ModelResponse, ...]:
        """Return the same turn as `complete` gives it, and as `stream` does."""
        model = await self.scripted([turn, turn])
        whole = await model.complete(request)
        chunks = [chunk async for chunk in model.stream(request)]
        assert [chunk.done for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        return whole, _joined(chunks)

    @pytest.mark.requirement("MOD-6")
    @pytest.mark.requirement("MOD-28")
    async def test_joined_chunks_equal_the_whole_reply(self) -> None:
        whole, joined = await self.both(
            ScriptedTurn(text="The weft crosses.", chunks=("The weft ", "crosses."))
        )

        assert joined.message.content == whole.message.content == "The weft crosses."
        assert joined.usage == whole.usage
        assert joined.stop_reason == whole.stop_reason == "stop"
        assert joined.model == whole.model

    @pytest.mark.requirement("MOD-6")
    @pytest.mark.requirement("MOD-7")
    async def test_calls_split_over_chunks_arrive_whole_and_in_order(self) -> None:
        first = ToolCall(id="", name="lookup", arguments={"word": "wéft", "times": 2})
        second = ToolCall(id="", name="lookup", arguments={"word": "warp"})

        for reply in await self.both(ScriptedTurn(calls=(first, second))):
            assert [call.name for call in reply.message.tool_calls] == ["lookup", "lookup"]
            assert [call.arguments for call in reply.message.tool_calls] == [
                first.arguments,
                second.arguments,
            ]
            assert reply.stop_reason == "tool_calls"

    @pytest.mark.requirement("MOD-7")
    async def test_broken_arguments_arrive_as_they_were_written(self) -> None:
        broken = ToolCall(id="", name="lookup", malformed_arguments='{"word": ')

        for reply in await self.both(ScriptedTurn(calls=(broken,))):
            [call] = reply.message.tool_calls
            assert (call.malformed_arguments, call.arguments) == ('{"word": ', {})

    @pytest.mark.requirement("MOD-8")
    async def test_every_call_has_an_id_that_its_thread_has_not_seen(self) -> None:
        old = ToolCall(id="call_1", name="lookup", arguments={"word": "a"})
        request = ASKED.model_copy(
            update={
                "messages": (
                    *ASKED.messages,
                    Message.assistant(tool_calls=(old,)),
                    Message.tool(json.dumps({"found": True}), call=old),
                )
            }
        )
        again = tuple(
            ToolCall(id=given, name="lookup", arguments={}) for given in ("call_1", "", "x", "x")
        )

        for reply in await self.both(ScriptedTurn(calls=again), request):
            ids = [call.id for call in reply.message.tool_calls]
            assert len({*ids, "call_1"}) == 5
            assert all(ids)

    @pytest.mark.requirement("MOD-10")
    async def test_usage_comes_on_both_paths(self) -> None:
        for reply in await self.both(ScriptedTurn(text="Counted.")):
            assert reply.usage.total_tokens > 0
            assert (
                reply.usage.prompt_tokens + reply.usage.completion_tokens
                == reply.usage.total_tokens
            )

    async def test_a_failure_is_a_model_error_on_both_paths(self) -> None:
        failure = ScriptedTurn(error=ModelError("scripted"))
        model = await self.scripted([failure, failure])

        with pytest.raises(ModelError):
            await model.complete(ASKED)
        with pytest.raises(ModelError):
            _ = [chunk async for chunk in model.stream(ASKED)]

    async def test_closing_twice_and_calling_again_works(self) -> None:
        model = await self.scripted([ScriptedTurn(text="one"), ScriptedTurn(text="two")])
        await model.complete(ASKED)

        await model.aclose()
        await model.aclose()

        assert (await model.complete(ASKED)).message.content == "two"
        await model.aclose()


def _joined(chunks: Sequence[ModelChunk]) -> ModelResponse:
    joiner = ChunkJoiner()
    for chunk in chunks:
        joiner.add(chunk)
    return joiner.response()
