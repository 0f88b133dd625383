"""How good the answers are, and that the judge's labels stay with the judge."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from tests.libs.cli.front import Front, client_of, frame, listening
from tests.libs.cli.told import told
from weft.cli.answer import Answer
from weft.cli.evaluate import CaseRank, Naming, accuracy, evaluate, naming, ranking, summary
from weft.core import JsonObject, JsonValue, dumps
from weft.core.errors import ConfigError


def suspect(subject: str, score: float) -> JsonValue:
    return {
        "subject": subject,
        "score": score,
        "supporters": ["log_analyst"],
        "is_cause": score > 1,
    }


REPORT: JsonObject = {
    "findings": [], "suspects": [suspect("cart", 1.5), suspect("travel", 0.2)],
    "summary": "cart", "score": 0.9, "decision": "proceed", "decision_unvetoed": "proceed",
}  # fmt: skip
RUN: JsonObject = {
    "run_id": "0" * 31 + "1", "thread_id": "t", "status": "completed", "success": True,
    "output": {"text": "", "data": REPORT},
}  # fmt: skip


def verdict(rank: int | None, status: str = "completed") -> CaseRank:
    return CaseRank("c", "t", rank, "n", None, status, 2.0)


async def ended(_: Front, answer: web.StreamResponse, __: int) -> None:
    await answer.write(frame(told(("run.completed", (), {}))[0]))


def cases(directory: Path, labels: JsonObject, *present: str) -> Path:
    (directory / "labels.json").write_text(json.dumps(labels))
    for name in present:
        (directory / name).mkdir()
        (directory / name / "case.json").write_text("{}")
    return directory


def label(service: str) -> JsonObject:
    return {"root_cause_service": service, "fault_type": "cpu_contention"}


@pytest.mark.requirement("DIAG-8")
def test_the_ranking_is_of_all_suspects_also_where_no_cause_is_named() -> None:
    assert ranking(Answer.of(RUN)) == ["cart", "travel"]
    assert ranking(Answer.of({**RUN, "output": {"text": "x", "data": None}})) == []


def test_accuracy_is_the_share_of_truths_among_the_first() -> None:
    verdicts = [verdict(1), verdict(3), verdict(None, "failed"), verdict(6)]

    assert [accuracy(verdicts, k) for k in (1, 3, 5, 6)] == [0.25, 0.5, 0.5, 0.75]
    assert summary(verdicts) == (
        "4 cases  AC@1 0.25  AC@3 0.50  AC@5 0.50  cause named in 0 of 4, rightly in 0  "
        "not completed: 1  8.0 s"
    )


@pytest.mark.requirement("DIAG-8")
def test_how_often_a_cause_is_named_and_how_often_rightly_is_told() -> None:
    def named(truth: str | None, cause: str | None) -> CaseRank:
        return CaseRank("c", truth, 1, "a", cause, "completed", 1.0)

    verdicts = [named("a", "a"), named("b", "a"), named("a", None), named(None, "a")]

    assert naming(verdicts) == Naming(named=2, rightly=1, calm=1)
    assert "cause named in 2 of 3, rightly in 1, without a fault in 1 of 1" in summary(verdicts)
    assert accuracy([named(None, None)], 1) == 0.0


async def test_every_case_is_asked_about_and_no_label_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node: JsonObject = {"root_cause": {"node": "travel", "metric": None}}
    labels: JsonObject = {"b": node, "a": label("elsewhere"), "absent": label("cart")}
    directory = cases(tmp_path, labels, "a", "b")
    front = Front(ended, run=RUN)

    async with listening(front), client_of(front) as client:
        verdicts = await evaluate(client, directory)

    assert [(each.case, each.rank, each.cause) for each in verdicts] == [
        ("a", None, "cart"),
        ("b", 2, "cart"),
    ]
    assert [each["metadata"] for each in front.asked] == [
        {"data": str(directory / name)} for name in ("a", "b")
    ]
    sent = dumps(list(front.asked)).decode()
    assert not any(word in sent for word in ("travel", "elsewhere", "cpu_contention", "labels"))
    assert "absent" in capsys.readouterr().err


@pytest.mark.parametrize(
    "labels", [None, "no json", "[]", '{"a": {}}', '{"a": {"root_cause_service": "x"}}']
)
async def test_a_directory_without_labelled_cases_is_refused(
    tmp_path: Path, labels: str | None
) -> None:
    if labels is not None:
        (tmp_path / "labels.json").write_text(labels)
    front = Front()

    async with listening(front), client_of(front) as client:
        with pytest.raises(ConfigError, match=str(tmp_path)):
            await evaluate(client, tmp_path)

    assert front.asked == []
