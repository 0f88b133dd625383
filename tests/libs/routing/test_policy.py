"""What may run, and what needs a yes."""

import pytest

from tests.libs.routing.frames import (
    FOUR,
    compiler,
    frame,
)
from weft.core.errors import ConfigError
from weft.routing import (
    BUILTINS,
    GoalRequest,
    Level,
    Policies,
    PolicyDeniedError,
    PolicyGate,
    read_policies,
)

PROTOCOLS = [protocol.id for protocol in BUILTINS]


@pytest.mark.requirement("RT-8")
@pytest.mark.parametrize(
    ("gate", "risk", "frame_asks", "verdict"),
    [
        (PolicyGate(denied_protocols=("debate",)), Level.LOW, "", "deny"),
        (PolicyGate(denied_protocols=("debate",)), Level.LOW, "approval", "deny"),
        (PolicyGate(max_risk=Level.LOW), Level.MEDIUM, "", "deny"),
        (PolicyGate(max_risk=Level.LOW), Level.MEDIUM, "approval", "deny"),
        (PolicyGate(max_risk=Level.LOW), Level.LOW, "approval", "ask"),
        (PolicyGate(), Level.HIGH, "", "ask"),
        (PolicyGate(), Level.MEDIUM, "", "allow"),
        (PolicyGate(require_approval_above=Level.HIGH), Level.HIGH, "", "allow"),
    ],
)
def test_policy_denies_by_protocol_then_risk_then_asks_for_approval(
    gate: PolicyGate, risk: Level, frame_asks: str, verdict: str
) -> None:
    found = gate.check("debate", risk, approval_required=bool(frame_asks))

    decided = "deny" if not found.allow else "ask" if found.require_approval else "allow"
    assert decided == verdict
    assert bool(found.reason) is (verdict != "allow")


@pytest.mark.requirement("RT-8")
def test_of_two_reasons_to_deny_the_protocol_is_said() -> None:
    gate = PolicyGate(max_risk=Level.LOW, denied_protocols=("debate",))

    assert gate.check("debate", Level.HIGH).reason == "protocol debate is denied"
    assert gate.check("handoff_chain", Level.HIGH).reason == "risk high is above the limit low"


@pytest.mark.requirement("RT-9")
@pytest.mark.parametrize(
    ("looser", "named"),
    [
        (PolicyGate(max_risk=Level.HIGH, denied_protocols=("debate",)), "max_risk"),
        (PolicyGate(max_risk=Level.LOW), "denied_protocols"),
        (
            PolicyGate(Level.LOW, Level.HIGH, ("debate",)),
            "require_approval_above",
        ),
    ],
)
def test_a_tenant_only_tightens(looser: PolicyGate, named: str) -> None:
    default = PolicyGate(max_risk=Level.MEDIUM, denied_protocols=("debate",))
    tight = PolicyGate(Level.LOW, Level.LOW, ("debate", "handoff_chain"))

    with pytest.raises(ConfigError, match=named):
        Policies(default, {"acme": looser})
    assert Policies(default, {"acme": tight}).of("acme") is tight
    assert Policies(default, {"acme": tight}).of("other") is default


@pytest.mark.requirement("RT-9")
def test_policies_are_read_from_json_and_a_tenants_say_what_differs() -> None:
    written = """{"default": {"max_risk": "medium", "denied_protocols": ["debate"]},
        "tenants": {"acme": {"max_risk": "low"}}}"""

    found = read_policies(written, PROTOCOLS)

    assert found.of("other") == PolicyGate(Level.MEDIUM, Level.MEDIUM, ("debate",))
    assert found.of("acme") == PolicyGate(Level.LOW, Level.MEDIUM, ("debate",))


@pytest.mark.requirement("RT-9")
@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{", "cannot be read"),
        ('{"defaults": {}}', "defaults"),
        ('{"default": {"max_rsik": "low"}}', "max_rsik"),
        ('{"default": {"max_risk": "severe"}}', "max_risk"),
        ('{"tenants": {"acme": {"max_rsik": "low"}}}', "max_rsik"),
        (
            '{"default": {"max_risk": "low"}, "tenants": {"acme": {"max_risk": "high"}}}',
            r"'acme' is looser than the default: max_risk high \(at most low\)",
        ),
        (
            '{"default": {"denied_protocols": ["debate"]}, "tenants": {"a": {"denied_protocols": []}}}',
            r"denied_protocols without debate \(name them, too\)",
        ),
        ('{"default": {"denied_protocols": ["debates"]}}', "did you mean 'debate'"),
        ('{"tenants": {"a": {"denied_protocols": ["all"]}}}', "no protocol 'all'"),
    ],
)
def test_policies_that_cannot_be_meant_are_refused_at_load(written: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_policies(written, PROTOCOLS)


@pytest.mark.requirement("RT-10")
def test_a_denial_is_final_and_names_what_may_be_requested_instead() -> None:
    mesh = compiler(*FOUR, policy=PolicyGate(denied_protocols=("debate",)))
    wanted = frame("compare")

    with pytest.raises(PolicyDeniedError) as caught:
        mesh.compile(wanted)
    shown = mesh.explain(wanted)

    assert caught.value.runners_up == ("specialist_fanout",)
    assert shown.error is not None
    assert shown.error["code"] == "policy_denied"
    assert shown.parts[0].policy is not None
    assert not shown.parts[0].policy.allow
    assert mesh.compile(wanted, GoalRequest(protocol="specialist_fanout")).root.kind == "parallel"
