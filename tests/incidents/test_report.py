"""A report is ranked, bounded, and its claims point at the findings they rest on."""

import math
import random

import pytest

from incidents.anomalies import Anomaly, anomaly_report, certainty, leaning
from incidents.names import MOST_NAME, short_name
from incidents.problems import FileProblem
from incidents.report import MOST_BYTES
from weft.core import LEAST_STRENGTH, Claim, Coverage, JsonObject, dumps
from weft.core.result import Window

WINDOW = Window(start=1.0, end=2.0)
COVERAGE = Coverage(source="logs", verdict="found", window=WINDOW)


def finding(service: str, strength: float, *, symptom: bool = False, text: str = "odd") -> Anomaly:
    return Anomaly("kind", service, text, strength, {"n": 1}, symptom=symptom)


def claims(made: JsonObject) -> list[Claim]:
    listed = made["claims"]
    assert isinstance(listed, list)
    return [Claim.model_validate(claim) for claim in listed]


def test_claims_point_at_the_findings_of_their_subject() -> None:
    found = [
        finding("b", 0.2),
        finding("a", 0.9),
        finding("a", 0.1),
        finding("c", 0.5, symptom=True),
    ]

    made = anomaly_report(found, coverage=COVERAGE)

    first, second, third = claims(made)
    assert (first.subject, first.predicate, first.kind) == ("a", "root_cause", "cause")
    assert first.evidence_refs == ("#/findings/0", "#/findings/3")
    assert (first.value, first.window) == (None, WINDOW)
    assert (second.subject, second.evidence_refs) == ("b", ("#/findings/2",))
    assert (third.subject, third.predicate, third.kind) == ("c", "affected", "symptom")


def test_the_same_findings_in_any_order_give_the_same_report() -> None:
    found = [finding(service, 0.5, text=text) for service in "cab" for text in "zyx"]
    shuffled = random.Random(1).sample(found, len(found))  # noqa: S311 - no secret

    assert anomaly_report(found, coverage=COVERAGE) == anomaly_report(shuffled, coverage=COVERAGE)


def test_a_report_is_cut_to_its_bound_weakest_findings_first() -> None:
    found = [finding(f"s{n}", n / 100, text="x" * 4000) for n in range(60)]
    problems = [FileProblem(f"file {n}", "is empty") for n in range(200)]

    made = anomaly_report(found, coverage=COVERAGE, problems=problems)

    kept = made["findings"]
    assert isinstance(kept, list)
    assert len(dumps(made)) <= MOST_BYTES
    assert made["findings_left_out"] == 60 - len(kept)
    assert made["problems_left_out"] == 150
    assert claims(made)[0].subject == "s59"


@pytest.mark.requirement("DIAG-8")
def test_every_service_with_any_deviation_is_claimed_about() -> None:
    loud = [finding("loud", 0.9, text=f"odd {n}") for n in range(60)]
    quiet = [finding(f"s{n}", 0.01) for n in range(20)]

    made = anomaly_report([*loud, *quiet], coverage=COVERAGE)

    assert {claim.subject for claim in claims(made)} == {"loud", *(f"s{n}" for n in range(20))}
    assert claims(made)[0].subject == "loud"
    assert made["findings_left_out"] == 40


@pytest.mark.requirement("DIAG-8")
def test_what_is_within_what_is_usual_is_ranked_and_no_departure() -> None:
    slight = [finding("a", leaning(2.0), symptom=True), finding("b", leaning(4.0), symptom=True)]

    first, second = claims(anomaly_report(slight, coverage=COVERAGE))

    assert not any(one.departs for one in slight)
    assert (first.subject, second.subject) == ("b", "a")
    assert 0 < second.strength < first.strength < LEAST_STRENGTH
    assert first.text == "b: odd, which is within what is usual"
    assert finding("c", LEAST_STRENGTH).departs


def test_further_evidence_adds_a_little_and_never_passes_one() -> None:
    assert certainty([0.5]) == 0.5
    assert 0.5 < certainty([0.5, 0.4]) < 0.6
    assert certainty([0.99] * 50) <= 1.0


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        (
            Coverage(source="logs", verdict="nothing_unusual", compared=7),
            "logs: nothing differs from normal in the 7 rows of the incident",
        ),
        (
            Coverage(source="logs", verdict="not_compared", reason="no baseline"),
            "logs: nothing was compared: no baseline",
        ),
        (
            Coverage(source="logs", verdict="not_read", reason="x.log: is empty"),
            "logs: nothing was read: x.log: is empty",
        ),
    ],
)
def test_what_was_not_compared_is_never_called_normal(coverage: Coverage, words: str) -> None:
    made = anomaly_report([], coverage=coverage, problems=[FileProblem("a", "is empty")])

    assert made["summary"] == f"{words}; 1 problems with the data"
    assert made["claims"] == []
    assert Coverage.model_validate(made["coverage"]) == coverage


def test_a_long_text_is_cut_and_its_finding_kept() -> None:
    found = [finding(f"s{n}", 0.9 - n / 100, text="x" * 60_000) for n in range(6)]

    made = anomaly_report(found, coverage=COVERAGE)

    assert len(dumps(made)) <= MOST_BYTES
    assert [claim.subject for claim in claims(made)] == [f"s{n}" for n in range(6)]
    assert "findings_left_out" not in made


def test_examples_are_left_out_before_findings() -> None:
    evidence: JsonObject = {"lines": [{"text": "y" * 500, "file": "z" * 900} for _ in range(5)]}
    found = [Anomaly("kind", f"s{n}", "odd", n / 100, evidence) for n in range(30)]

    made = anomaly_report(found, coverage=COVERAGE)

    assert len(dumps(made)) <= MOST_BYTES
    assert "findings_left_out" not in made


@pytest.mark.parametrize(
    ("odd", "shown"),
    [("\0", "␀"), ("\x1b[2J", "␛[2J"), ("\x9b", "\\x9b"), ("\u202e", "\\u202e"), ("\ud800", "�")],
)
def test_what_nobody_can_see_or_keep_is_shown(odd: str, shown: str) -> None:
    problem = FileProblem(f"file{odd}", f"is{odd}")
    found = [Anomaly("kind", f"a{odd}", f"b{odd}", 0.5, {f"c{odd}": [odd, math.inf]})]

    made = anomaly_report(found, coverage=COVERAGE, problems=[problem])

    assert made["findings"] == [
        {
            "kind": "kind",
            "service": f"a{shown}",
            "text": f"b{shown}",
            "strength": 0.5,
            "evidence": {f"c{shown}": [shown, None]},
        }
    ]
    assert made["problems"] == [{"file": f"file{shown}", "problem": f"is{shown}"}]


def test_long_names_stay_different_and_short_ones_stay_as_they_are() -> None:
    long = "n" * MOST_NAME

    assert short_name(long) == long
    assert len(short_name(f"{long}a")) == MOST_NAME
    assert short_name(f"{long}a") != short_name(f"{long}b")
    assert short_name(f"{long}a") == short_name(f"{long}a")
