"""What an agent's tools state, and when it says that they state nothing."""

import pytest

from weft.core import JsonValue
from weft.loop.tool_claims import findings
from weft.tools import ToolExecution
from weft.tools.result import ToolOutcome


def execution(structured: JsonValue, outcome: ToolOutcome = "ok") -> ToolExecution:
    return ToolExecution(
        tool_call_id="call_1", name="analyze", content="", structured=structured, outcome=outcome
    )


def test_claims_are_collected_with_the_results_they_cite() -> None:
    stated: JsonValue = {
        "claims": [{"text": "slow", "evidence_refs": ["#/findings/0"]}],
        "findings": [1],
    }

    found = findings([execution(stated)])

    assert [claim.evidence_refs for claim in found.claims] == [("call_1#/findings/0",)]
    assert [artifact.id for artifact in found.artifacts] == ["call_1"]
    assert not found.fruitless


def test_tools_that_state_no_claim_are_fruitless() -> None:
    assert findings([execution({"claims": []})]).fruitless


def test_tools_that_all_failed_are_fruitless() -> None:
    assert findings([execution(None, "error")]).fruitless


def test_a_tool_that_does_not_speak_in_claims_may_have_found_something() -> None:
    assert not findings([execution("p99 is 3 s"), execution({"claims": []})]).fruitless
    assert not findings([]).fruitless


@pytest.mark.requirement("DIAG-1")
def test_what_a_tool_read_is_kept_though_it_claims_nothing() -> None:
    read: JsonValue = {"claims": [], "coverage": {"source": "logs", "verdict": "nothing_unusual"}}

    kept = findings([execution(read)])

    assert [artifact.data for artifact in kept.artifacts] == [read]


def test_a_tool_that_never_worked_says_why() -> None:
    broken = execution(None, "error").model_copy(update={"error": "out of memory"})

    [reason] = findings([broken]).reasons

    assert (reason.code, reason.message) == ("tool_failed", "analyze: out of memory")
    assert not findings([broken, execution("p99 is 3 s")]).reasons


def test_what_a_tool_says_twice_is_stated_once_with_the_results_of_its_first_call() -> None:
    stated: JsonValue = {
        "claims": [{"text": "slow", "evidence_refs": ["#/findings/0"]}],
        "findings": [1],
        "coverage": {"source": "logs", "verdict": "found"},
    }
    first = execution(stated)
    again = first.model_copy(update={"tool_call_id": "call_2"})

    statements = findings([first, again])

    assert [claim.evidence_refs for claim in statements.claims] == [("call_1#/findings/0",)]
    assert [artifact.id for artifact in statements.artifacts] == ["call_1"]
