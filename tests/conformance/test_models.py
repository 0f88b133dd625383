"""Every model passes the shipped contract."""

from collections.abc import AsyncIterator, Sequence

import pytest

from weft.models import FallbackModel, Model, get_model
from weft.testing.model_contract import ModelContract
from weft.testing.models import FunctionModel, ScriptedModel, ScriptedTurn
from weft.testing.openai_script import WireCall, WireReply
from weft.testing.openai_server import ScriptedOpenAIServer


class TestScripted(ModelContract):
    async def scripted(self, turns: Sequence[ScriptedTurn]) -> Model:
        return ScriptedModel(turns)


class TestFunction(ModelContract):
    async def scripted(self, turns: Sequence[ScriptedTurn]) -> Model:
        left = iter(turns)
        return FunctionModel(lambda _request: next(left))


class TestFallback(ModelContract):
    async def scripted(self, turns: Sequence[ScriptedTurn]) -> Model:
        return FallbackModel([ScriptedModel(turns)])


class OverTheWire(ModelContract):
    """A provider's real client code against a real socket."""

    @pytest.fixture(autouse=True)
    async def _served(self) -> AsyncIterator[None]:
        async with ScriptedOpenAIServer() as self.server:
            yield
            await self.model.aclose()

    async def scripted(self, turns: Sequence[ScriptedTurn]) -> Model:
        self.server.script.replies += [_on_the_wire(turn) for turn in turns]
        self.model = self.opened(self.server.base_url)
        return self.model

    def opened(self, base_url: str) -> Model:
        raise NotImplementedError


@pytest.mark.requirement("MOD-29")
class TestOpenAI(OverTheWire):
    def opened(self, base_url: str) -> Model:
        return get_model("openai:gpt-4o", api_key="sk-test", base_url=base_url)


@pytest.mark.requirement("MOD-29")
class TestAzure(OverTheWire):
    def opened(self, base_url: str) -> Model:
        return get_model("azure:d", api_key="k", base_url=base_url.removesuffix("/v1"))


@pytest.mark.requirement("MOD-29")
class TestOllama(OverTheWire):
    def opened(self, base_url: str) -> Model:
        return get_model("ollama:llama3.1:8b", base_url=base_url)


del OverTheWire


def _on_the_wire(turn: ScriptedTurn) -> WireReply:
    calls = tuple(
        WireCall(name=call.name, arguments=call.malformed_arguments or call.arguments, id=call.id)
        for call in turn.calls
    )
    status = 200 if turn.error is None else 400
    return WireReply(text=turn.text, chunks=turn.chunks, calls=calls, status=status)
