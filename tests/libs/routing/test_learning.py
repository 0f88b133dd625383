"""Outcomes and pickers choose among survivors, and nothing else."""

from collections.abc import Sequence

import anyio
import pytest

from tests.libs.routing.frames import FOUR, frame
from weft.routing import CapabilityIndex, CognitiveCompiler, GoalFrame, GoalRequest, TaskType
from weft.routing.learning import OutcomeBook, OutcomeKey, OutcomeTally
from weft.routing.picking import PickerChoice, pick
from weft.routing.select import Candidate

COMPARE = frame("compare")


def book(**records: tuple[int, int]) -> OutcomeBook:
    return OutcomeBook(
        {
            OutcomeKey(TaskType.COMPARE, "general", name): OutcomeTally(runs, successes)
            for name, (runs, successes) in records.items()
        }
    )


def compiler(outcomes: OutcomeBook | None = None) -> CognitiveCompiler:
    return CognitiveCompiler(CapabilityIndex(FOUR), outcomes=outcomes)


@pytest.mark.requirement("RT-34")
def test_outcomes_reorder_survivors_and_the_explanation_shows_why() -> None:
    bad_debates = book(debate=(20, 2), specialist_fanout=(5, 5), direct_response=(99, 99))

    plain = compiler().explain(COMPARE).parts[0]
    unproven = compiler(OutcomeBook()).explain(COMPARE).parts[0]
    learned = compiler(bad_debates).explain(COMPARE).parts[0]

    assert (plain.selected_protocol, plain.method, plain.learning) == ("debate", "rule_based", ())
    assert unproven.selected_protocol == "debate"
    assert (learned.selected_protocol, learned.method) == ("specialist_fanout", "learned")
    first, second = learned.learning
    assert (first.protocol_id, first.prior, first.runs, first.successes) == (
        "specialist_fanout", 0.7, 5, 5,
    )  # fmt: skip
    assert first.score == pytest.approx(12 / 15)
    assert second.score == pytest.approx(11 / 30)


@pytest.mark.requirement("RT-34")
def test_outcomes_touch_no_gate() -> None:
    risky = frame("compare", risk="high")

    plan = compiler(book(debate=(20, 0))).compile(risky)

    assert (plan.protocol, plan.root.kind) == ("specialist_fanout", "gate")


@pytest.mark.requirement("RT-33")
async def test_a_picker_chooses_among_survivors_and_one_survivor_skips_it() -> None:
    asked: list[Sequence[Candidate]] = []

    async def picker(_: GoalFrame, survivors: Sequence[Candidate]) -> PickerChoice:
        asked.append(survivors)
        return PickerChoice("specialist_fanout", "sources beat arguments")

    mesh = compiler()
    picked = await pick(picker, COMPARE, mesh.survivors(COMPARE))
    alone = await pick(picker, frame("diagnose"), mesh.survivors(frame("diagnose")))
    [part] = mesh.explain(COMPARE, GoalRequest(picked=picked)).parts

    assert alone is None
    assert [each.protocol.id for each in asked[0]] == ["debate", "specialist_fanout"]
    assert len(asked) == 1
    assert (part.selected_protocol, part.method) == ("specialist_fanout", "llm_picked")
    assert part.picker_rationale == "sources beat arguments"


@pytest.mark.requirement("RT-33")
@pytest.mark.parametrize("fault", ["unknown", "error", "silence"])
async def test_a_bad_picker_falls_back_to_the_rules_and_says_so(fault: str) -> None:
    async def picker(_: GoalFrame, __: Sequence[Candidate]) -> PickerChoice:
        if fault == "error":
            raise RuntimeError("no quota")
        if fault == "silence":
            await anyio.sleep_forever()
        return PickerChoice("tea_leaves")

    mesh = compiler()
    with anyio.fail_after(5):
        picked = await pick(picker, COMPARE, mesh.survivors(COMPARE), patience=0.01)
    [part] = mesh.explain(COMPARE, GoalRequest(picked=picked)).parts

    assert (part.selected_protocol, part.method) == ("debate", "rule_based_fallback")
    assert part.picker_rationale
