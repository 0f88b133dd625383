"""Requests in a mesh that has somebody to act: who is asked what, in which order, behind which gate."""

import pytest

from router_service.routes import Routes
from services.log_analyst.main import CARD as LOGS
from services.operator.agent import PROPOSE
from services.operator.main import ACT
from services.operator.main import CARD as OPERATOR
from services.trace_analyst.main import CARD as TRACES
from tests.router_service.house import ANA, House, house, skill
from weft.plan import Call, Gate, Judge, Parallel, Plan, Sequence
from weft.routing import GUIDE, Situation
from weft.runs import RoutedRequest

ANALYSTS = {"log.analyze", "trace.analyze"}
RULES = Situation(data=True, model=False)
MODELS = Situation(data=True, model=True)


async def planned(mesh: House, text: str, situation: Situation = RULES) -> Plan:
    request = RoutedRequest(input=text)
    chosen = Routes(situation=situation).choose(request, ANA, await mesh.peers.refresh())
    assert chosen.plan is not None, chosen.error
    return chosen.plan


async def staffed(mesh: House) -> None:
    for card in (LOGS, TRACES, OPERATOR):
        await mesh.joins(card.name, *card.skills)


def called(plan: Plan) -> set[str]:
    calls = [node for _, node in plan.nodes() if isinstance(node, Call)]
    return {call.capability or call.role or "" for call in calls}


@pytest.mark.requirement("RT-19")
@pytest.mark.parametrize("situation", [RULES, MODELS], ids=["rules", "models"])
@pytest.mark.parametrize(
    "text",
    [
        "Diagnose the checkout slowdown and fix it",
        "Why is the ledger slow? Please fix it.",
        "Find out what broke checkout and remediate it",
        "Mitigate the checkout incident",
        "Fix the checkout latency",
        "Diagnose the basket errors and restart the culprit",
    ],
)
async def test_what_is_to_be_put_right_is_looked_into_first_and_proposed_by_who_acts(
    text: str, situation: Situation
) -> None:
    async with house() as mesh:
        await staffed(mesh)

        plan = await planned(mesh, text, situation)

    assert isinstance(plan.root, Sequence)
    looking, acting = plan.root.steps
    assert isinstance(looking, Parallel)
    assert {
        branch.capability for branch in looking.branches if isinstance(branch, Call)
    } == ANALYSTS
    assert isinstance(acting, Sequence)
    proposal, gate = acting.steps
    assert isinstance(proposal, Call)
    assert proposal.capability == PROPOSE
    assert f"{{step.{looking.id}}}" in proposal.prompt
    assert isinstance(gate, Gate)
    assert gate.shows == (looking.id, "proposal")


@pytest.mark.requirement("PROTO-8")
@pytest.mark.parametrize(
    "text",
    [
        "Restart the ledger",
        "please bounce basket",
        "Scale basket to 5 replicas",
        "please turn off the scoring flag",
        "Disable fraud_checks in the ledger",
        "Page the on-call engineer",
        "wake up the on-call, orders are lost",
        "Customers can't pay, so restart the ledger",
    ],
)
async def test_an_order_is_proposed_and_carried_out_behind_its_own_gate_alone(text: str) -> None:
    async with house() as mesh:
        await staffed(mesh)

        plan = await planned(mesh, text)

    assert called(plan) == {PROPOSE, ACT}
    [gate] = [node for _, node in plan.nodes() if isinstance(node, Gate)]
    acting = [
        path for path, node in plan.nodes() if isinstance(node, Call) and node.capability == ACT
    ]
    assert gate.shows == ("proposal",)
    assert all("approval" in path for path in acting)
    assert any(isinstance(node, Judge) for _, node in plan.nodes())


@pytest.mark.parametrize(
    "text",
    [
        "Is anything wrong?",
        "did somebody flip a feature flag",
        "why did the ledger restart?",
        "how many restarts did the basket have?",
        "what should we do about it",
        "Don't restart the ledger, tell me why it is slow",
        "which service is slow?",
        "was anything scaled down before the trouble?",
    ],
)
async def test_questions_are_for_the_analysts_as_without_an_operator(text: str) -> None:
    async with house() as mesh:
        await mesh.joins(LOGS.name, *LOGS.skills)
        await mesh.joins(TRACES.name, *TRACES.skills)
        before = await planned(mesh, text)
        await mesh.joins(OPERATOR.name, *OPERATOR.skills)

        plan = await planned(mesh, text)

    assert plan.root == before.root
    assert not {ACT, PROPOSE} & called(plan)


@pytest.mark.parametrize("text", ["Delete the production database", "roll back basket please"])
async def test_what_the_operator_cannot_do_is_said_at_once(text: str) -> None:
    async with house() as mesh:
        await staffed(mesh)

        plan = await planned(mesh, text)

    assert isinstance(plan.root, Call)
    assert plan.root.role == GUIDE
    words = str((plan.root.arguments or {})["text"])
    assert "operations.act" in words
    assert PROPOSE not in words
    assert "--operate" not in words


async def test_without_an_operator_it_is_said_what_one_could_do() -> None:
    async with house() as mesh:
        await mesh.joins(LOGS.name, *LOGS.skills)

        plan = await planned(mesh, "Restart the ledger")

    assert isinstance(plan.root, Call)
    assert "`weft up --operate URL`" in str((plan.root.arguments or {})["text"])


async def test_one_that_acts_and_proposes_nothing_is_asked_nothing_before_a_gate() -> None:
    async with house() as mesh:
        await mesh.joins(LOGS.name, *LOGS.skills)
        await mesh.joins("hasty", skill("db.restart", "risk:high", "restart"))

        request = RoutedRequest(
            input="Restart the db",
            goal={"primary_goal": "remediate", "required_capabilities": ["db.restart"]},
        )
        chosen = Routes(situation=RULES).choose(request, ANA, await mesh.peers.refresh())

    assert chosen.plan is not None
    assert isinstance(chosen.plan.root, Sequence)
    proposal, gate = chosen.plan.root.steps
    assert isinstance(proposal, Call)
    assert (proposal.role, proposal.capability) == ("plan", None)
    assert isinstance(gate, Gate)
