"""From a request to a plan, given what the mesh offers to whoever asks."""

from pathlib import Path

import pytest

from router_service.main import _policies
from router_service.peers import MISSED_SECONDS
from router_service.routes import NAMED, Routes
from tests.router_service.house import ANA, House, house, may_call, skill
from weft.core.edge_errors import UnknownAgentError
from weft.core.errors import ConfigError, WeftError
from weft.plan import Call, Gate, Parallel, Plan
from weft.routing import Policies, PolicyDeniedError, PolicyGate
from weft.runs import RoutedRequest

LOGS = skill("log.analyze", "domain:observability", "effects:none", "diagnose", "slow")
TRACES = skill("trace.analyze", "domain:observability", "effects:none", "diagnose", "slow")
WHY = RoutedRequest(input="Diagnose the checkout slowdown")
LOGGED = [
    "router.frame.extracted",
    "router.protocol.selected",
    "router.policy.verdict",
    "router.runnable.compiled",
    "plan.compiled",
]


async def joined(mesh: House) -> None:
    await mesh.joins("log_analyst", LOGS)
    await mesh.joins("trace_analyst", TRACES)


@pytest.mark.requirement("RT-32")
async def test_frame_choice_verdict_and_plan_are_told_in_this_order() -> None:
    async with house() as mesh:
        await joined(mesh)
        chosen = Routes().choose(WHY, ANA, await mesh.peers.refresh())

    assert [event.type for event in chosen.events] == LOGGED
    assert chosen.protocol == "specialist_fanout"
    assert chosen.plan is not None
    assert isinstance(chosen.plan.root, Parallel)
    assert chosen.error is None


async def test_an_agent_that_is_named_is_called_and_nothing_is_chosen() -> None:
    async with house() as mesh:
        await joined(mesh)
        asked = RoutedRequest(input="look", agent="log_analyst")
        chosen = Routes().choose(asked, ANA, await mesh.peers.refresh())

    assert chosen.protocol == "agent"
    assert chosen.plan is not None
    assert isinstance(chosen.plan.root, Call)
    assert chosen.plan.root.peer == "log_analyst"
    assert [event.type for event in chosen.events] == ["router.policy.verdict", "plan.compiled"]


@pytest.mark.requirement("RT-17")
@pytest.mark.parametrize(
    ("asked", "risk"),
    [
        (RoutedRequest(input="What is the balance?", agent="bank"), "high"),
        (RoutedRequest(input="Delete the production database", agent="teller"), "high"),
        (
            RoutedRequest(input="look", agent="teller", goal={"approval_required": True}),
            "low",
        ),
    ],
)
async def test_an_agent_that_is_named_passes_the_policy_gate(
    asked: RoutedRequest, risk: str
) -> None:
    async with house() as mesh:
        await mesh.joins("bank", skill("refund.make", "risk:high"), skill("balance", "risk:low"))
        await mesh.joins("teller", skill("greet", "risk:low"))
        chosen = Routes().choose(asked, ANA, await mesh.peers.refresh())

    assert chosen.plan is not None
    assert isinstance(chosen.plan.root, Gate)
    assert isinstance(chosen.plan.root.body, Call)
    assert chosen.plan.root.body.peer == asked.agent
    ruling = chosen.events[0].data.to_json()
    assert (ruling["require_approval"], ruling["frame_risk"]) == (True, risk)


@pytest.mark.requirement("AUTH-9")
async def test_an_agent_outside_the_callers_scopes_is_as_unknown_as_one_that_is_not_there() -> None:
    async with house() as mesh:
        await joined(mesh)
        known = await mesh.peers.refresh()
        caller = may_call("trace_analyst")
        hidden = Routes().choose(RoutedRequest(input="x", agent="log_analyst"), caller, known)
        absent = Routes().choose(RoutedRequest(input="x", agent="nobody"), caller, known)

    for chosen, name in ((hidden, "log_analyst"), (absent, "nobody")):
        assert chosen.plan is None
        assert isinstance(chosen.error, UnknownAgentError)
        assert str(chosen.error) == str(UnknownAgentError(name, ["trace_analyst"]))


@pytest.mark.requirement("RT-4")
async def test_a_plan_names_only_what_the_principal_may_call() -> None:
    routes = Routes()
    async with house() as mesh:
        await joined(mesh)
        known = await mesh.peers.refresh()
        everything = routes.choose(WHY, ANA, known)
        some = routes.choose(WHY, may_call("trace_analyst"), known)

    assert capabilities(everything.plan) == {"log.analyze", "trace.analyze"}
    assert capabilities(some.plan) == {"trace.analyze"}


@pytest.mark.requirement("RT-4")
async def test_a_new_card_is_in_the_next_plan_and_a_withdrawn_one_is_not() -> None:
    routes = Routes()
    async with house() as mesh:
        entry = await mesh.joins("log_analyst", LOGS)
        first = routes.choose(WHY, ANA, await mesh.peers.refresh())
        await mesh.joins("trace_analyst", TRACES)
        second = routes.choose(WHY, ANA, await mesh.peers.refresh())
        await mesh.leaves(entry)
        mesh.clock.time += MISSED_SECONDS
        third = routes.choose(WHY, ANA, await mesh.peers.refresh())

    assert [capabilities(each.plan) for each in (first, second, third)] == [
        {"log.analyze"}, {"log.analyze", "trace.analyze"}, {"trace.analyze"},
    ]  # fmt: skip


@pytest.mark.requirement("DIAG-3")
async def test_a_fan_out_asks_who_left_a_moment_ago_and_nothing_else_does() -> None:
    routes = Routes()
    act = RoutedRequest(input="Restart payment", goal={"primary_goal": "remediate"})
    async with house() as mesh:
        entry = await mesh.joins("log_analyst", LOGS)
        await mesh.joins("trace_analyst", TRACES)
        before = routes.choose(act, ANA, await mesh.peers.refresh())
        await mesh.leaves(entry)
        known = await mesh.peers.refresh()
        why = routes.choose(WHY, ANA, known)
        acting = routes.choose(act, ANA, known)
        own = routes.choose(WHY, may_call("trace_analyst"), known)

    assert [each.service for each in known.away] == ["log_analyst"]
    assert capabilities(why.plan) == {"log.analyze", "trace.analyze"}
    assert capabilities(own.plan) == {"trace.analyze"}, "who may not call him does not miss him"
    assert (acting.protocol, acting.error) == (before.protocol, before.error)
    assert "log.analyze" not in capabilities(acting.plan)


async def test_a_compiler_is_made_once_per_catalogue_and_set_of_rights() -> None:
    routes = Routes()
    async with house() as mesh:
        await joined(mesh)
        known = await mesh.peers.refresh()
        for principal in (ANA, ANA, may_call("log_analyst"), may_call("log_analyst")):
            routes.choose(WHY, principal, known)
        assert len(routes._compilers.by_rights) == 2

        await mesh.joins("metrics_analyst", skill("metrics", "domain:observability"))
        routes.choose(WHY, ANA, await mesh.peers.refresh())
        assert len(routes._compilers.by_rights) == 1


@pytest.mark.parametrize(
    "asked",
    [
        RoutedRequest(input=""),
        RoutedRequest(input="Diagnose it", goal={"primary_goal": "no_such_goal"}),
        RoutedRequest(input="Diagnose it", protocol="no_such_protocol"),
        WHY,
    ],
    ids=["empty", "goal", "protocol", "nobody"],
)
async def test_what_cannot_be_routed_ends_in_its_error_and_is_told(asked: RoutedRequest) -> None:
    async with house() as mesh:
        chosen = Routes().choose(asked, ANA, await mesh.peers.refresh())

    assert chosen.plan is None
    assert isinstance(chosen.error, WeftError)
    assert chosen.events, "the log says why"


async def test_explaining_says_what_choosing_does() -> None:
    async with house() as mesh:
        await joined(mesh)
        known = await mesh.peers.refresh()
        told = Routes().choose(WHY, ANA, known).explanation()
        chosen = Routes().choose(WHY, ANA, known)

    parts = told["parts"]
    assert isinstance(parts, list)
    assert [dict(part)["selected_protocol"] for part in parts if isinstance(part, dict)] == [
        chosen.protocol
    ]


@pytest.mark.requirement("RT-7")
async def test_what_nobody_can_read_of_a_card_is_told_and_lowers_no_risk() -> None:
    typo = skill("log.analyze", "risk:lwo", "effects:none", "diagnose", "slow")
    async with house() as mesh:
        await mesh.joins("log_analyst", typo)
        await mesh.joins("trace_analyst", TRACES)
        offers = await mesh.peers.refresh()
        explained = Routes().choose(WHY, ANA, offers).explanation()
        elsewhere = Routes().choose(WHY, may_call("trace_analyst"), offers).explanation()
        lost = RoutedRequest(input="look", goal={"primary_goal": "diagnose", "domain": "astrology"})
        general = Routes().choose(lost, ANA, offers).explanation()

    told = "card of log_analyst: skill 'log.analyze': malformed tag 'risk:lwo'"
    assert explained["warnings"] == [told]
    left_out = explained["left_out"]
    assert isinstance(left_out, dict)
    assert left_out["log.analyze"] == "its risk high is above the goal's low"
    assert elsewhere["warnings"] == []
    assert general["goal_frame"]["domain"] == "general"  # type: ignore[index,call-overload]
    assert "unknown domain 'astrology'; general was taken" in general["extraction"]["warnings"]  # type: ignore[index,call-overload,operator]


async def test_explaining_says_how_much_of_a_long_request_was_read() -> None:
    paste = "log line\n" * 5000
    long = RoutedRequest(input=f"Diagnose checkout. {paste} Then delete production")
    async with house() as mesh:
        await joined(mesh)
        told = Routes().choose(long, ANA, await mesh.peers.refresh()).explanation()

    read = f"only the first 16384 of {len(long.input)} characters were searched for what is asked"
    assert told["extraction"] == {
        "method": "rules",
        "floor": "high",
        "warnings": [
            f"{read}; all of them were searched for its risk",
            "the request sounds like risk high, above low",
        ],
    }


def capabilities(plan: Plan | None) -> set[str | None]:
    assert plan is not None
    return {node.capability for _, node in plan.nodes() if isinstance(node, Call)}


@pytest.mark.requirement("RT-9")
async def test_a_tenants_policy_holds_for_its_requests_named_agents_included() -> None:
    tight = PolicyGate(denied_protocols=("specialist_fanout", NAMED))
    routes = Routes(Policies(tenants={"t": tight}))
    other = ANA.model_copy(update={"tenant": "other"})
    named = RoutedRequest(input="look", agent="log_analyst")
    async with house() as mesh:
        await joined(mesh)
        known = await mesh.peers.refresh()
        denied = [routes.choose(each, ANA, known) for each in (WHY, named)]
        allowed = [routes.choose(each, other, known) for each in (WHY, named)]
        explained = routes.choose(WHY, ANA, known).explanation()

    assert all(isinstance(each.error, PolicyDeniedError) for each in denied)
    assert all(each.plan is not None for each in allowed)
    assert explained["error"] == {"code": "policy_denied", "message": str(denied[0].error)}


@pytest.mark.requirement("RT-9")
async def test_a_router_does_not_start_with_policies_that_it_cannot_keep(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"

    with pytest.raises(ConfigError, match=r"ROUTER_POLICIES: .*policies.json"):
        await _policies(file)
    file.write_text('{"tenants": {"acme": {"require_approval_above": "high"}}}')
    with pytest.raises(ConfigError, match=r"'acme' is looser .* high .at most medium."):
        await _policies(file)
    file.write_text('{"default": {"denied_protocols": ["agent", "debate"]}}')
    assert (await _policies(file)).of("any").denied_protocols == ("agent", "debate")
