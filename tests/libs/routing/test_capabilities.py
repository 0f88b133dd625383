"""What the index holds, finds and leaves out."""

import pytest

from tests.libs.routing.frames import (
    FOUR,
    RISKY,
    capability,
    compiler,
    frame,
    plan_for,
)
from weft.catalog import Offers, Provider
from weft.core import Principal
from weft.plan import Call, Parallel, Sequence
from weft.routing import (
    CapabilityIndex,
    GoalRequest,
    NoCapabilityError,
)


@pytest.mark.requirement("RT-3")
def test_several_required_capabilities_run_at_once_to_read_and_in_order_to_act() -> None:
    required = ["trace.analyze", "code.analyze"]
    reading = plan_for(frame("answer", required_capabilities=required), *FOUR).root
    acting = plan_for(frame("modify", required_capabilities=required), *FOUR)

    assert isinstance(reading, Parallel)
    assert reading.join == "synthesize"
    assert [branch.id for branch in reading.branches] == ["trace_analyze", "code_analyze"]
    [steps] = [node for _, node in acting.nodes() if node.id == "execution"]
    assert isinstance(steps, Sequence)
    assert [step.id for step in steps.steps] == ["trace_analyze", "code_analyze"]


@pytest.mark.requirement("RT-3")
def test_in_a_mixed_frame_harmless_capabilities_serve_the_reading_parts() -> None:
    wanted = frame(
        "diagnose",
        secondary_goals=["remediate"],
        risk="high",
        required_capabilities=["log.analyze", "db.restart"],
    )

    diagnose, remediate = plan_for(wanted, *FOUR, RISKY).root.children()

    assert capabilities_in(diagnose) == ["log.analyze"]
    assert capabilities_in(remediate) == ["db.restart"]


def capabilities_in(node: object) -> list[str]:
    found = [node.capability] if isinstance(node, Call) and node.capability else []
    for child in node.children():  # type: ignore[attr-defined]
        found += capabilities_in(child)
    return found


def entry(service: str, *capabilities: object) -> Provider:
    return Provider.model_validate(
        {
            "service": service,
            "instance": "1",
            "url": "http://x",
            "card": "{}",
            "capabilities": capabilities,
        }
    )


@pytest.mark.requirement("RT-4")
def test_the_index_holds_what_the_principal_may_call_at_one_revision() -> None:
    entries = (entry("log", capability("log.analyze")), entry("db", RISKY))
    some = Principal(tenant="t", subject="s", scopes=frozenset({"agents:log"}))
    every = Principal(tenant="t", subject="s", scopes=frozenset({"agents:*"}))
    more = (*entries, entry("new", capability("new.skill")))

    assert CapabilityIndex.of(Offers(7, entries), some).ids() == ("log.analyze",)
    assert CapabilityIndex.of(Offers(7, entries), every).ids() == ("db.restart", "log.analyze")
    assert CapabilityIndex.of(Offers(8, more), every).lookup(["new.skill"]).unknown == ()
    assert CapabilityIndex.of(Offers(8, more), every).revision == 8


def test_two_providers_of_one_id_are_as_careful_as_the_more_careful_needs() -> None:
    safe = capability("query", risk="low", providers=["a"])
    other = capability("query", risk="medium", effects="unknown", providers=["b"])

    [joint] = CapabilityIndex([safe, other]).all()

    assert (joint.risk, joint.effects, joint.providers) == ("medium", "unknown", ("a", "b"))
    assert CapabilityIndex([safe, other]).lookup(["a/query", "c/query"]).unknown == ("c/query",)


@pytest.mark.requirement("RT-5")
def test_lookup_returns_found_and_unknown_ids() -> None:
    found = CapabilityIndex(FOUR).lookup(["log.analyze", "nope", "code.analyze"])

    assert [each.id for each in found.capabilities] == ["log.analyze", "code.analyze"]
    assert found.unknown == ("nope",)


@pytest.mark.requirement("RT-6")
def test_role_players_and_persons_are_left_out_of_a_fan_out() -> None:
    player = capability("review", roles=["validate"])
    person = capability("oncall", tool_name="$human")
    index = CapabilityIndex([*FOUR, player, person])

    fan_out = plan_for(frame("diagnose"), *FOUR, player, person).root

    assert "review" not in [each.id for each in index.for_domain("general")]
    assert capabilities_in(fan_out) == [each.id for each in FOUR]


def test_what_is_riskier_or_may_change_something_is_left_out_with_the_reason() -> None:
    writer = capability("db.patch", risk="medium", effects="unknown")

    shown = compiler(*FOUR, RISKY, writer).explain(frame("diagnose", risk="medium"))

    assert set(shown.left_out) == {"db.restart", "db.patch"}
    assert "not tagged effects:none" in shown.left_out["db.patch"]
    assert "above the goal's medium" in shown.left_out["db.restart"]


@pytest.mark.requirement("RT-3")
def test_a_skill_that_says_nothing_of_its_effects_serves_no_reading_part() -> None:
    silent = capability("db.patch", effects="unknown")
    required = {"required_capabilities": ["db.patch", "log.analyze"]}

    fan_out = plan_for(frame("diagnose"), *FOUR, silent).root
    with pytest.raises(NoCapabilityError, match=r"db\.patch: it is not tagged effects:none"):
        plan_for(frame("answer", **required), *FOUR, silent)
    acting = plan_for(frame("modify", **required), *FOUR, silent)

    assert capabilities_in(fan_out) == [each.id for each in FOUR]
    assert "db.patch" in capabilities_in(acting.root)


def test_the_nearest_eight_are_asked_and_the_rest_is_reported() -> None:
    many = [capability(f"s{index}.look") for index in range(11)]
    nearest = capability("zz.checkout", description="looks at the checkout")
    mesh = compiler(*many, nearest)

    fan_out = mesh.compile(frame("diagnose"), GoalRequest(goal="Diagnose the checkouts")).root

    assert len(capabilities_in(fan_out)) == 8
    assert capabilities_in(fan_out)[0] == "zz.checkout"
    assert len(mesh.explain(frame("diagnose")).left_out) == 4
