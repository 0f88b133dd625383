"""Answers that must be data: of the form that was asked for, whoever gave them."""

import pytest

from tests.libs.plan.doubles import FakePeer, Journal, Peers, interpreter
from weft.core import Authority, JsonObject, Principal, Reason, Result
from weft.plan import Call, Judge, Plan, PlanInvalidError, PlanOutcome, Sequence

FORM: JsonObject = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
BERN: JsonObject = {"city": "Bern"}


async def run(root: Call | Sequence, peers: Peers) -> PlanOutcome:
    authority = Authority(Principal(tenant="t", subject="ana"))
    plan = Plan(id="p", goal="where?", root=root)
    return await interpreter(peers, Journal()).run(plan, authority)


def done(text: str, data: JsonObject | None = None) -> Result:
    return Result(status="completed", text=text, data=data)


@pytest.mark.parametrize(
    "answer",
    [
        done("Bern", BERN),
        done('It is {"city": "Bern"}.'),
        done('{"city": "Bern"}', {"claims": []}),
    ],
)
async def test_a_foreign_peers_answer_becomes_data_of_the_form(answer: Result) -> None:
    peers = Peers(geo=answer)

    outcome = await run(Call(id="ask", peer="geo", output_schema=FORM), peers)

    assert outcome.result.ok
    assert outcome.result.data == BERN
    assert peers.by_name["geo"].tasks[0].output_schema == FORM


@pytest.mark.parametrize("answer", [done("Bern"), done("Bern", {"town": "Bern"}), done("{}")])
async def test_an_answer_of_another_form_is_a_failure_that_keeps_its_words(
    answer: Result,
) -> None:
    outcome = await run(Call(id="ask", peer="geo", output_schema=FORM), Peers(geo=answer))

    assert (outcome.result.status, outcome.result.text) == ("failed", answer.text)
    assert outcome.result.reasons[0].code == "output_invalid"
    assert outcome.result.reasons[0].path == ("ask",)


def test_a_plan_with_a_form_that_is_none_is_refused() -> None:
    root: JsonObject = {"kind": "call", "id": "ask", "peer": "geo", "output_schema": {"type": "x"}}

    with pytest.raises(PlanInvalidError) as caught:
        Plan.from_json({"version": 1, "id": "p", "goal": "g", "root": root})

    [fault] = caught.value.faults
    assert (fault.pointer, "no JSON schema" in fault.message) == ("/root/output_schema", True)


@pytest.mark.requirement("PLAN-26")
@pytest.mark.parametrize(("words", "code"), [("PASS: fine", None), ("Well.", "verdict_unreadable")])
async def test_a_judge_whose_model_knows_no_form_is_read_in_words_and_not_asked_again(
    words: str, code: str | None
) -> None:
    tree = Sequence(id="s", steps=(Call(id="do", role="execute"), Judge(id="check", of="do")))
    why = Reason(code="output_invalid", message="three times no JSON")
    judge = FakePeer("judge", [Result(status="failed", text=words, reasons=(why,))])

    outcome = await run(tree, Peers(execute=done("work"), validate=judge))

    assert len(judge.tasks) == 1
    if code is None:
        assert outcome.result.ok
        assert outcome.result.verdict is not None
        assert (outcome.result.verdict.choice, outcome.result.reasons) == ("pass", ())
    else:
        assert [reason.code for reason in outcome.result.reasons] == [code]
