"""What was looked at stands in the report, and what was not is never told as normal."""

import pytest

from tests.libs.plan.doubles import done
from weft.core import Artifact, Claim, Coverage, FileCoverage, JsonValue, Window
from weft.plan.joins import report_over
from weft.report import Branch, synthesize

WINDOW = Window(start=10, end=20)


def branch(name: str, *claims: Claim, **coverage: object) -> Branch:
    """A branch whose tool says of its reading what `coverage` says."""
    made = Coverage.model_validate({"source": name, "verdict": "found", **coverage})
    data: JsonValue = {"coverage": made.to_json()}
    artifacts = [Artifact(id="call_1", name=f"analyze_{name}", data=data)]
    result = done("words", claims=claims, artifacts=artifacts, generated_by="rules")
    return Branch(name, f"{name}_analyst", result)


def cause(service: str, strength: float) -> Claim:
    return Claim(
        text=f"{service} is slow", kind="cause", strength=strength, subject=service,
        predicate="root_cause", type="tool_match", evidence_refs=("call_1",),
    )  # fmt: skip


@pytest.mark.requirement("DIAG-1")
def test_what_was_read_stands_in_the_report_whatever_was_claimed() -> None:
    files = (FileCoverage(name="a.log", format="text", rows=3, dated=3),)

    report = synthesize(
        [
            branch("logs", cause("db", 0.98), files=files, window=WINDOW, compared=3),
            branch("traces", verdict="nothing_unusual", compared=8),
        ]
    )

    assert [(each.source, each.verdict) for each in report.coverage] == [
        ("logs", "found"), ("traces", "nothing_unusual"),
    ]  # fmt: skip
    assert (report.coverage[0].files, report.coverage[0].window) == (files, WINDOW)
    assert report.gaps == ()


@pytest.mark.requirement("DIAG-1")
def test_nothing_but_what_was_compared_is_told_as_normal() -> None:
    report = synthesize(
        [
            branch("logs", verdict="nothing_unusual", compared=1200),
            branch("metrics", verdict="not_compared", reason="there is no baseline"),
            branch("traces", verdict="not_read", reason="t.json: is empty"),
        ]
    )

    first = report.summary.splitlines()[0]
    assert first.startswith("No sign of an incident: nothing differs from normal in logs (1,200")
    assert "Not read: traces." in first
    assert "metrics" not in first
    assert [(gap.code, gap.message) for gap in report.gaps] == [
        ("not_compared", "metrics: there is no baseline"),
        ("not_read", "traces: t.json: is empty"),
    ]


@pytest.mark.requirement("DIAG-1")
def test_where_nothing_was_compared_nothing_is_called_normal() -> None:
    report = synthesize([branch("logs", verdict="not_compared", reason="there is no baseline")])

    assert report.summary.splitlines()[0].startswith("Nothing was compared")
    assert "No sign" not in report.summary


def test_a_run_that_read_nothing_fails_and_says_where_it_looked() -> None:
    unread = [
        branch("logs", verdict="not_read", reason="no file with logs is there"),
        branch("traces", verdict="not_read", reason="none of 1 files could be read (t.json: cut)"),
    ]

    result = report_over(unread, goal="why")

    assert (result.status, result.reasons[0].code) == ("failed", "no_data")
    assert "logs: no file with logs" in result.reasons[0].message
    assert "t.json: cut" in result.reasons[0].message
    assert result.text.startswith("No data was read")
    assert isinstance(result.data, dict), "the whole report is there all the same"
    assert "coverage" in result.data


def test_a_run_that_read_some_is_partial_and_names_the_rest_with_its_files() -> None:
    files = (
        FileCoverage(name="a.log", rows=3),
        FileCoverage(name="b.log", reason="is empty"),
        FileCoverage(name="c.log", rows=1, skipped=2, reason="line 7: 2 malformed rows"),
    )

    result = report_over([branch("logs", cause("db", 0.98), files=files, compared=4)], goal="why")

    assert (result.status, result.partial) == ("completed", True)
    assert "b.log: is empty (file_unread)" in result.text
    assert "c.log: line 7: 2 malformed rows (file_incomplete)" in result.text
    assert not report_over([branch("logs", compared=4)], goal="why").partial


@pytest.mark.requirement("DIAG-5")
def test_words_that_rules_composed_for_people_are_no_claims() -> None:
    text = "No language model was used.\n\nTools that were not called:\n\n- analyze: no value for `data`."

    report = synthesize([Branch("x", "x", done(text, generated_by="rules"))])

    assert (report.findings, report.inconclusive) == ((), True)
    assert "were not called" not in report.summary
    assert synthesize([Branch("x", "x", done("The pool is full."))]).findings


@pytest.mark.requirement("DIAG-1")
def test_advice_from_source_alone_is_not_told_as_an_incident_that_was_looked_into() -> None:
    smell = cause("db", 0.95).model_copy(update={"kind": "recommendation"})
    unread = branch("logs", verdict="not_read", reason="no file with logs is there")

    report = synthesize([branch("code", smell), unread])

    assert report.summary.splitlines()[0] == "Nothing was compared: only code was read."


@pytest.mark.requirement("DIAG-8")
def test_every_subject_is_ranked_and_a_cause_named_only_above_the_bar() -> None:
    weak = synthesize([branch("logs", cause("db", 0.3), cause("web", 0.2), compared=4)])
    clear = synthesize([branch("logs", cause("db", 0.98), cause("web", 0.2), compared=4)])

    assert [(each.subject, each.is_cause) for each in weak.suspects] == [
        ("db", False), ("web", False),
    ]  # fmt: skip
    assert "cause" not in {finding.kind for finding in weak.findings}
    assert weak.summary.startswith("No sign of an incident is clear enough")
    assert "Weak suspects:" in weak.summary
    assert [(each.subject, each.is_cause) for each in clear.suspects] == [
        ("db", True), ("web", False),
    ]  # fmt: skip
    assert clear.summary.startswith("Most likely cause: db is slow.")


@pytest.mark.requirement("DIAG-8")
def test_what_is_within_what_is_usual_ranks_its_subject_and_is_not_told() -> None:
    slight = cause("web", 0.002).model_copy(update={"kind": "symptom", "predicate": "affected"})

    report = synthesize(
        [branch("logs", slight, cause("db", 0.001), verdict="nothing_unusual", compared=4)]
    )

    assert [suspect.subject for suspect in report.suspects] == ["db", "web"]
    assert report.summary.startswith("No sign of an incident: nothing differs from normal")
    assert "is slow" not in report.summary


@pytest.mark.requirement("DIAG-8")
def test_of_two_ways_to_write_a_name_the_one_that_says_more_is_shown() -> None:
    report = synthesize([branch("metrics", cause("Cart", 0.1), cause("cart", 0.4), compared=4)])

    assert [suspect.subject for suspect in report.suspects] == ["cart"]


@pytest.mark.requirement("DIAG-8")
def test_a_name_in_another_case_is_the_same_suspect() -> None:
    report = synthesize(
        [
            branch("metrics", cause("Cart", 0.9), compared=4),
            branch("traces", cause("cart", 0.4), compared=4),
            branch("logs", cause("cart", 0.3), compared=4),
        ]
    )

    (suspect,) = report.suspects
    assert suspect.subject == "cart"
    assert suspect.supporters == ("logs_analyst", "metrics_analyst", "traces_analyst")


@pytest.mark.requirement("DIAG-6")
def test_advice_alone_is_no_cause_and_supports_one_that_others_name() -> None:
    smell = cause("db", 0.95).model_copy(
        update={"kind": "recommendation", "text": "db: db.py:3: it sleeps"}
    )

    alone = synthesize([branch("code", smell), branch("logs", verdict="nothing_unusual")])
    beside = synthesize([branch("code", smell), branch("logs", cause("db", 0.98), compared=4)])

    assert [finding.kind for finding in alone.findings] == ["recommendation"]
    assert (alone.suspects, "ause" in alone.summary) == ((), False)
    [finding] = beside.findings
    assert (finding.kind, finding.statement) == ("cause", "db is slow")
    assert set(finding.supporters) == {"code_analyst", "logs_analyst"}
