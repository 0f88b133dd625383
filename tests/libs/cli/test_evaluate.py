"""How good the answers are, and that the judge's labels stay with the judge."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from tests.libs.cli.front import Front, client_of, frame, listening
from tests.libs.cli.told import told
from weft.cli.answer import Answer
from weft.cli.evaluate import CaseRank, accuracy, evaluate, ranking, summary
from weft.core import JsonObject, JsonValue, dumps
from weft.core.errors import ConfigError


def finding(rank: int, subject: str, predicate: str = "root_cause") -> JsonValue:
    return {
        "id": f"f{rank}", "rank": rank, "kind": "cause", "statement": "s", "subject": subject,
        "predicate": predicate, "claims": [], "supporters": ["log_analyst"], "score": 1.0 / rank,
    }  # fmt: skip


REPORT: JsonObject = {
    "findings": [
        finding(1, "cart"), finding(2, "seat", "latency"), finding(3, "cart"), finding(4, "travel"),
    ],
    "summary": "cart", "score": 0.9, "decision": "proceed", "decision_unvetoed": "proceed",
}  # fmt: skip
RUN: JsonObject = {
    "run_id": "0" * 31 + "1", "thread_id": "t", "status": "completed", "success": True,
    "output": {"text": "", "data": REPORT},
}  # fmt: skip


def verdict(rank: int | None, status: str = "completed") -> CaseRank:
    return CaseRank("c", "t", rank, "n", status, 2.0)


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


def test_the_ranking_names_each_cause_once_in_order() -> None:
    assert ranking(Answer.of(RUN)) == ["cart", "travel"]
    assert ranking(Answer.of({**RUN, "output": {"text": "x", "data": None}})) == []


def test_accuracy_is_the_share_of_truths_among_the_first() -> None:
    verdicts = [verdict(1), verdict(3), verdict(None, "failed"), verdict(6)]

    assert [accuracy(verdicts, k) for k in (1, 3, 5, 6)] == [0.25, 0.5, 0.5, 0.75]
    assert summary(verdicts) == (
        "4 cases  AC@1 0.25  AC@3 0.50  AC@5 0.50  not completed: 1  8.0 s"
    )


async def test_every_case_is_asked_about_and_no_label_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels: JsonObject = {"b": label("travel"), "a": label("elsewhere"), "absent": label("cart")}
    directory = cases(tmp_path, labels, "a", "b")
    front = Front(ended, run=RUN)

    async with listening(front), client_of(front) as client:
        verdicts = await evaluate(client, directory)

    assert [(each.case, each.rank, each.named) for each in verdicts] == [
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
