"""The peers the router brings along: used where no card offers the role, and said so."""

import pytest

from tests.router_service.house import ANA, house, may_call, skill
from weft.core import Message, Principal, parts_of
from weft.core.protocol_errors import PeerUnavailableError
from weft.loop import ROLES, Agent, Task, role_agents
from weft.models import ModelRequest, ModelResponse, get_model
from weft.plan import Target
from weft.testing import FunctionModel, ScriptedOpenAIServer


def said(request: ModelRequest) -> ModelResponse:
    text = f"{request.metadata['role']}: {request.messages[0].content[:4]}"
    return ModelResponse(message=Message.assistant(text))


async def test_there_is_one_for_every_role_but_running_tests() -> None:
    peers = role_agents(FunctionModel(said))

    assert set(peers) == set(ROLES)
    assert "test" not in peers
    assert len({peer.name for peer in peers.values()}) == len(ROLES)


@pytest.mark.parametrize("role", ROLES)
async def test_each_is_told_its_role_and_has_instructions_of_its_own(role: str) -> None:
    peer = role_agents(FunctionModel(said))[role]
    assert isinstance(peer, Agent)

    result = await peer.start(Task(parts_of("go"), "m", role=role))

    assert result.ok
    assert result.text.endswith(f"{role}: You ")
    assert len(str(peer.system_prompt)) > 100


async def test_a_card_with_the_role_comes_before_the_one_brought_along() -> None:
    async with house(role_agents(FunctionModel(said))) as mesh:
        spare = mesh.peers.pick(Target(role="answer"), ANA)
        await mesh.joins("writer", skill("write", "role:answer"))

        assert (spare.peer.name, spare.effects) == ("builtin_answer", "none")
        assert mesh.peers.pick(Target(role="answer"), ANA).peer.name == "writer"
        assert mesh.peers.pick(Target(role="plan"), ANA).peer.name == "builtin_plan"
        with pytest.raises(PeerUnavailableError, match="'test'"):
            mesh.peers.pick(Target(role="test"), ANA)


@pytest.mark.requirement("PLAN-16")
async def test_what_it_was_granted_is_what_its_call_may_change() -> None:
    async with house(role_agents(FunctionModel(said))) as mesh:
        await mesh.joins("shop", skill("look", "effects:none"), skill("pay", "risk:high"))

        def at_stake(*grants: str, who: Principal = ANA) -> tuple[str, str]:
            picked = mesh.peers.pick(Target(role="answer", grants=grants), who)
            return picked.effects, picked.risk

        assert at_stake() == ("none", "low")
        assert at_stake("look") == ("none", "low")
        assert at_stake("look", "pay") == ("unknown", "high")
        # Whether it could be called is nobody's to say, so it is not taken for harmless.
        assert at_stake("look", who=may_call("other")) == ("unknown", "medium")


async def test_without_a_model_the_answer_says_how_to_set_one() -> None:
    peer = role_agents(get_model("offline:"))["answer"]

    result = await peer.start(Task(parts_of("What is an SLO?"), "m", role="answer"))

    assert result.status == "failed"
    assert result.reasons[0].code == "no_applicable_tool"
    assert "WEFT_MODEL" in result.reasons[0].message


async def test_with_a_model_it_answers_in_the_models_words() -> None:
    async with ScriptedOpenAIServer(["A target for reliability."]) as server:
        model = get_model("openai:gpt-4o", base_url=server.base_url, api_key="k")
        result = await role_agents(model)["answer"].start(Task(parts_of("What is an SLO?"), "m"))
        await model.aclose()

    said = "No data was looked at for this answer.\n\nA target for reliability."
    assert (result.status, result.text) == ("completed", said)
