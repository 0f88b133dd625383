"""An answer begins with what was asked, as far as the sources show it."""

import pytest

from tests.libs.plan.doubles import done
from weft.core import Artifact, Claim, Coverage, Fact, FileCoverage, JsonValue, Window, facts_in
from weft.language import in_context
from weft.report import Branch, Report, synthesize

SERVICES = ["basket", "edge", "ledger"]
LOGS = (
    Fact(predicate="services", value=["basket", "edge", "ledger"]),
    Fact(predicate="change", subject="ledger", what="flag strict_mode enabled", at=90, place="l:1"),
    Fact(predicate="began", subject="basket", what="payment refused", at=100, until=160),
    Fact(predicate="errors", subject="basket", value=12, total=80, before=0, total_before=90,
         departs=True),
    Fact(predicate="errors", subject="edge", value=0, total=70, before=0, total_before=75),
    Fact(predicate="errors", subject="ledger", value=0, total=60),
    Fact(predicate="error_line", subject="basket", what="payment refused by ledger", value=12,
         before=0, at=100, until=160, place="b:3"),
)  # fmt: skip
TRACES = (
    Fact(predicate="services", value=["basket", "edge"]),
    Fact(predicate="requests", value=12, total=60, before=0, total_before=66, unit="failed"),
    Fact(predicate="requests", subject="edge", value=0, total=60, before=0, total_before=66),
    Fact(predicate="latency", subject="edge", what="p95", value=20.0, before=19.0, unit="ms"),
    Fact(predicate="operation", subject="basket", what="charge", value=900.0, before=3.0, unit="ms",
         departs=True),
    Fact(predicate="slowest_request", subject="edge", what="GET /", value=1200.0, unit="ms", at=120),
    Fact(predicate="calls", subject="edge", what="basket", value=60, before=66, unit="calls"),
    Fact(predicate="calls", subject="basket", what="ledger", value=24, before=30, unit="calls"),
)  # fmt: skip
METRICS = (
    Fact(predicate="services", value=["ledger"]),
    Fact(predicate="metric", subject="ledger", what="cpu_ratio", value=0.9, before=0.2, at=95,
         departs=True),
)  # fmt: skip


def branch(source: str, facts: tuple[Fact, ...], *claims: Claim) -> Branch:
    coverage = Coverage(
        source=source,
        verdict="found",
        window=Window(start=90, end=160),
        compared=9,
        files=(FileCoverage(name="a", first=90, last=160),),
    )
    data: JsonValue = {
        "coverage": coverage.to_json(),
        "facts": [fact.model_dump(mode="json", exclude_defaults=True) for fact in facts],
    }
    artifacts = [Artifact(id="call_1", name=f"analyze_{source}", data=data)]
    made = done("words", claims=claims, artifacts=artifacts, generated_by="rules")
    return Branch(source, f"{source}_analyst", made)


CAUSE = Claim(
    text="ledger: it refuses", kind="cause", strength=1.0, subject="ledger", type="tool_match",
    predicate="root_cause", evidence_refs=("call_1",),
)  # fmt: skip
ADVICE = Claim(text="turn strict_mode off", kind="recommendation", subject="ledger")
BRANCHES = (
    branch("logs", LOGS, CAUSE, ADVICE),
    branch("traces", TRACES),
    branch("metrics", METRICS),
)


def answer(question: str, *branches: Branch) -> list[str]:
    return synthesize(branches or BRANCHES, goal=question).summary.splitlines()


@pytest.mark.requirement("DIAG-23")
@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("what was deployed?", "Changed: 1970-01-01 00:01:30 ledger: flag strict_mode enabled [l:1]"),
        ("any exceptions?", "Errors: basket 12 of 80 error lines (0 of 90 before)."),
        ("errors of edge", "No error of edge is in the logs and traces."),
        ("is edge fine?", "edge looks healthy, by its logs and traces: "),
        ("how is basket doing", "basket is not as usual, by its logs: "),
        ("how is ledger", "ledger is not as usual, by its metrics: "),
        ("what is slowest?", "Slowest operations, by the time they spend themselves"),
        ("when did it begin?", "It began by 1970-01-01 00:01:35: ledger: cpu_ratio 0.9, usually 0.2"),
        ("how many requests failed?", "12 of 60 requests failed (0 of 66 before) (traces)."),
        ("what is the error rate of basket?", "basket: 15.0 % error lines (12 of 80"),
        ("give me the timeline", "Timeline:"),
        ("why does basket fail?", "basket is not as usual, and the most likely cause is ledger"),
        ("investigate ledger", "ledger is not as usual, and it is itself the most likely cause"),
        ("compare edge with ledger", "ledger departs more from normal (score 1.00; edge 0.00)."),
        ("what should we do?", "Undoing the change of ledger is nearest at hand: 1970-01-01"),
        ("how do you know?", "The evidence on ledger: 1 records of 1 sources."),
        ("which services are there?", "The data name 3 services: basket, edge and ledger."),
        ("cpu usage of ledger?", "ledger: cpu_ratio 0.9, usually 0.2 (metrics)"),
        ("how many services?", "The data name 3 services: basket, edge and ledger."),
        ("what does basket depend on", "basket calls ledger (24 times); it is called by edge (60"),
        ("who calls edge?", "edge calls basket (60 times); it is called by no other service"),
        ("show the call graph", "2 services call another (traces):"),
        ("edge latency", "edge: p95 20 ms, usually 19 ms (traces)."),
        ("tldr", "In short: ledger is the most likely cause (it refuses). Affected: basket and ledger are"),
        ("who is affected?", "Affected: basket and ledger are not as usual. As usual: edge."),
        ("worst service?", "ledger departs most from normal (score 1.00)."),
        ("is it over?", "It is not seen to be over: its last sign is at 1970-01-01 00:02:40, and the"),
        ("Seit wann?", "The question does not look English: read word by word, as `since when`, from"),
    ],
)  # fmt: skip
def test_the_first_line_is_what_was_asked(question: str, first: str) -> None:
    lines = answer(question)

    assert lines[0].startswith(first)
    assert any(line.startswith("Most likely cause: ledger") for line in lines)


@pytest.mark.requirement("DIAG-23")
def test_it_looks_over_only_where_the_data_go_on_without_a_sign() -> None:
    ended = LOGS[2].model_copy(update={"until": 110})
    unseen = answer("is it over?", branch("logs", LOGS[:1]))[0]

    assert answer("is it over?", branch("logs", (LOGS[0], ended)))[0] == (
        "It looks over by the data: its last sign is at 1970-01-01 00:01:50, "
        "and the data end at 1970-01-01 00:02:40, 50 s later."
    )
    assert unseen.startswith("Whether it is over cannot be seen")


@pytest.mark.requirement("DIAG-23")
def test_nobody_is_called_unaffected_who_was_not_compared() -> None:
    alone = (Fact(predicate="services", value=["edge"]),
             Fact(predicate="errors", subject="edge", value=0, total=70))  # fmt: skip

    for question in ("who is affected?", "tldr"):
        assert "Not compared with normal times: edge." in answer(question, branch("logs", alone))[0]
        assert "As usual" not in answer(question, branch("logs", alone))[0]


@pytest.mark.requirement("DIAG-25")
def test_another_language_is_answered_by_what_was_read_of_it() -> None:
    german = answer("Seit wann ist basket langsam?")
    russian = answer("Почему basket тормозит?")

    assert german[0].endswith("as `since when, slow`, from German. It names basket.")
    assert german[1].startswith("It began by 1970-01-01 00:01:35")
    assert "read by the names, numbers and times in it only. It names basket." in russian[0]


@pytest.mark.requirement("DIAG-23")
def test_a_timeline_is_in_the_order_of_time() -> None:
    lines = answer("give me the timeline")

    times = [line[4:23] for line in lines[1 : lines.index("")]]
    assert times == sorted(times)
    assert len(times) == 5


@pytest.mark.requirement("DIAG-23")
def test_nobody_is_called_healthy_who_was_not_compared() -> None:
    alone = (Fact(predicate="services", value=["edge"]),
             Fact(predicate="errors", subject="edge", value=0, total=70))  # fmt: skip

    uncompared = answer("is edge healthy?", branch("logs", alone))[0]
    unseen = answer("is edge healthy?", branch("logs", alone[:1]))[0]

    assert uncompared == (
        "edge: nothing was compared with normal times, so no verdict: 0 of 70 error lines."
    )
    assert unseen == "edge: no source shows anything of it."


@pytest.mark.requirement("DIAG-24")
def test_what_is_not_in_the_data_is_said_first() -> None:
    lines = answer("why is the search service down?")

    assert lines[0] == (
        "There is no service `search` in this data; there are basket, edge and ledger."
    )
    assert lines[1] == ""
    assert not answer("is strict_mode ok?")[0].startswith("There is no service")
    assert answer("is it basket or cart?")[:1] == [
        "There is no service `cart` in this data; there are basket, edge and ledger."
    ]
    assert answer("is it basket or cart?")[1].startswith("basket is not as usual")


@pytest.mark.requirement("DIAG-24")
def test_the_time_that_was_used_is_said() -> None:
    window = Fact(predicate="window", what="before 09:20", value=0, at=50, until=80)
    some = window.model_copy(update={"value": 4})
    question = "what happened before 09:20?"

    empty = answer(question, branch("logs", (*LOGS[:1], window)))
    found = answer(question, branch("logs", (*LOGS[:1], some)))
    unread = answer(question, branch("logs", LOGS[:1]))

    assert empty[0] == (
        "Nothing is recorded before 09:20: the data are from 1970-01-01 00:01:30 to "
        "1970-01-01 00:02:40."
    )
    assert found[0].startswith("The time looked at, before 09:20: 1970-01-01 00:00:50 to ")
    assert unread[0] == "The time `before 09:20` could not be read, so all of the data is meant."


@pytest.mark.requirement("DIAG-25")
def test_another_language_is_read_by_its_names_and_says_so() -> None:
    lines = answer("Warum ist der Basket so langsam?")

    assert lines[0].startswith("The question does not look English")
    assert lines[0].endswith("It names basket.")
    assert answer("pourquoi est-ce si lent ?")[0].endswith("It names no service of this data.")


@pytest.mark.requirement("DIAG-26")
def test_what_may_be_about_anything_and_names_nothing_here_cannot_be_answered() -> None:
    lines = answer("what is bitcoin trading for")

    assert lines[0].startswith("This mesh cannot answer that: nothing in the question names")
    assert '"Is basket healthy?"' in lines[1]


@pytest.mark.requirement("DIAG-28")
def test_a_follow_up_asks_the_same_of_somebody_else() -> None:
    lines = answer(in_context("and edge?", ["is basket healthy?"]))

    assert lines[0].startswith("edge looks healthy")


@pytest.mark.requirement("DIAG-23")
def test_without_facts_the_diagnosis_is_the_answer() -> None:
    without = branch("logs", (), CAUSE)

    assert answer("what changed?", without)[0].startswith("Most likely cause: ledger")


def test_what_is_no_fact_is_left_out() -> None:
    artifacts = [
        Artifact(
            id="a", name="x", data={"facts": [{"predicate": 3}, "no", {"predicate": "errors"}]}
        ),
        Artifact(id="b", name="y", data={"facts": "none"}),
        Artifact(id="c", name="z", text="words"),
    ]

    assert [(f.predicate, f.source) for f in facts_in(done("", artifacts=artifacts))] == [
        ("errors", "x")
    ]


@pytest.mark.requirement("DIAG-1")
def test_who_read_nothing_counts_nothing() -> None:
    unread = Coverage(source="logs", verdict="not_read", reason="no file with logs is there")
    counted = Fact(predicate="errors", subject="basket", value=0, total=0)
    data: JsonValue = {
        "coverage": unread.to_json(),
        "facts": [counted.model_dump(mode="json", exclude_defaults=True)],
    }
    made = done("", artifacts=[Artifact(id="call_1", name="a", data=data)], generated_by="rules")

    report = synthesize([Branch("logs", "log_analyst", made)], goal="Is basket healthy?")

    assert report.summary.splitlines()[0] == "No data was read, so there is nothing to say of it."
    assert "basket" not in report.summary


@pytest.mark.requirement("DIAG-29")
def test_a_report_has_the_facts_as_values_with_their_source_and_window() -> None:
    report = synthesize(BRANCHES, goal="What is the latency of basket?")

    stored = report.to_json()
    fact = next(fact for fact in report.facts if fact.predicate == "operation")
    assert (fact.value, fact.unit, fact.subject, fact.source) == (900.0, "ms", "basket", "traces")
    assert fact.window == Window(start=90, end=160)
    assert {fact.source for fact in report.facts} == {"logs", "traces", "metrics"}
    assert Report.model_validate(stored) == report
