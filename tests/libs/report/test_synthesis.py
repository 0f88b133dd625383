"""Findings over branches: agreement, contradiction, evidence, rank and words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.libs.plan.doubles import done, failed
from weft.core import Artifact, Claim, Reason, Result, Window
from weft.report import Branch, Report, synthesize

POOL = Artifact(id="call_1", name="query", data={"top": [{"in_use": 20, "max": 20}], "p99": 2.4})


def claim(value: object = None, **fields: object) -> Claim:
    defaults = {
        "text": f"p99 is {value}",
        "type": "tool_match",
        "subject": "checkout",
        "predicate": "p99",
        "evidence_refs": ["call_1#/p99"],
    }
    return Claim.model_validate({**defaults, "value": value, **fields})


def branch(name: str, *claims: Claim, peer: str | None = None) -> Branch:
    result = done("…", claims=claims, artifacts=[POOL])
    return Branch(name, peer or f"{name}-analyst", result)


def report_on(first: Claim, second: Claim, *, peers: tuple[str, str] = ("a", "b")):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return synthesize([branch("x", first, peer=peers[0]), branch("y", second, peer=peers[1])])


@pytest.mark.requirement("SYN-1")
@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        (claim(100), claim(104), True),
        (claim(100), claim(106), False),
        (claim(3), claim(3.4), True),
        (claim(0.3), claim(0.34), True),
        (claim(3), claim(4), False),
        (claim("eu"), claim("EU"), True),
        (claim("eu"), claim("us"), True),
        (claim(polarity=True), claim(polarity=False), False),
        (claim(1), claim(1, polarity=False), False),
        (claim(1, window=Window(start=0, end=10)), claim(1, window=Window(start=5, end=20)), True),
        (claim(1, window=Window(start=0, end=4)), claim(1, window=Window(start=5, end=20)), False),
        (claim(None), claim(7), True),
    ],
)
def test_one_subject_and_predicate_is_one_finding_that_agrees_only_when_it_should(
    first: Claim,
    second: Claim,
    agree: bool,  # noqa: FBT001
) -> None:
    report = report_on(first, second)

    assert len(report.findings) == 1
    assert bool(report.agreements) is agree


@pytest.mark.requirement("SYN-2")
def test_agreement_needs_two_different_peers() -> None:
    same = report_on(claim(1), claim(1), peers=("a", "a"))
    different = report_on(claim(1), claim(1))

    assert (same.agreements, same.findings[0].supporters) == ((), ("a",))
    assert different.agreements[0].supporters == ("a", "b")


@pytest.mark.requirement("SYN-3")
@pytest.mark.parametrize(
    ("first", "second"),
    [(claim(100), claim(200)), (claim("on"), claim("on", polarity=False))],
)
def test_opposites_and_incompatible_numbers_show_both_sides(first: Claim, second: Claim) -> None:
    report = report_on(first, second)

    [contradiction] = report.contradictions
    assert {side.supporters for side in contradiction.sides} == {("a",), ("b",)}
    assert all(side.evidence[0].value == 2.4 for side in contradiction.sides)
    assert report.findings[0].contradicted
    assert report.veto == "contradicted"
    assert report.decision != "proceed"
    assert "Sources disagree" in report.summary


def test_other_times_and_other_words_are_no_contradiction() -> None:
    early = claim(1, window=Window(start=0, end=4))
    late = claim(9, window=Window(start=5, end=8))

    assert report_on(early, late).contradictions == ()
    assert report_on(claim("eu"), claim("us")).contradictions == ()


@pytest.mark.requirement("SYN-4")
@pytest.mark.parametrize("ref", ["call_9", "call_1#/nowhere", "call_1#/top/3"])
def test_a_dead_reference_makes_its_claim_ungrounded(ref: str) -> None:
    report = synthesize([branch("x", claim(1, evidence_refs=[ref]))])

    assert (report.score, report.veto) == (0.0, "none_grounded")
    assert report.findings[0].evidence == ()
    assert report.findings[0].score == pytest.approx(0.6)


@pytest.mark.requirement("SYN-4")
def test_evidence_resolves_to_the_recorded_value_with_peer_tool_and_reference() -> None:
    report = synthesize([branch("x", claim(20, evidence_refs=["call_1#/top/0", "call_1"]))])

    first, whole = report.findings[0].evidence
    assert (first.peer, first.branch, first.tool, first.ref, first.value) == (
        "x-analyst", "x", "query", "call_1#/top/0", {"in_use": 20, "max": 20},
    )  # fmt: skip
    assert whole.value == POOL.data
    assert "in_use 20, max 20" in report.summary


@pytest.mark.requirement("SYN-5")
def test_findings_rank_by_contradiction_score_supporters_evidence_and_first_seen() -> None:
    def about(subject: str, **fields: object) -> Claim:
        value = fields.pop("value", 1)
        return claim(value, subject=subject, text=subject, **fields)

    branches = [
        branch("x", about("later"), about("weak", strength=0.5), about("split", value=1)),
        branch("y", about("shared"), about("split", value=9)),
        branch("z", about("shared"), about("light", type="neg_evidence", strength=1.0)),
        branch("v", about("also")),
    ]

    report = synthesize(branches)

    assert [finding.subject for finding in report.findings] == [
        "shared", "later", "also", "light", "weak", "split",
    ]  # fmt: skip
    assert [finding.rank for finding in report.findings] == [1, 2, 3, 4, 5, 6]
    assert report.findings[0].score == pytest.approx(2.0)


def test_a_peers_repetition_counts_once_with_its_strongest_claim() -> None:
    weak, strong = claim(1, strength=0.4), claim(1, strength=0.8)

    assert report_on(weak, strong, peers=("a", "a")).findings[0].score == pytest.approx(0.8)
    assert report_on(weak, strong).findings[0].score == pytest.approx(1.2)


def test_claims_may_come_in_a_data_part_and_plain_text_is_an_opinion() -> None:
    data = done("x", data={"claims": [claim(1).to_json(), {"text": "odd", "strength": 7}]})
    plain = done("- The pool is full. It started at 10:02!")
    rules = done("No language model was used.\nquery: the disk is slow", generated_by="rules")

    report = synthesize([Branch("d", "d", data), Branch("p", "p", plain), Branch("r", "r", rules)])

    statements = {finding.statement for finding in report.findings}
    assert statements == {
        "p99 is 1", "odd", "The pool is full.", "It started at 10:02!",
    }  # fmt: skip
    assert all(not finding.evidence for finding in report.findings)


@pytest.mark.requirement("PROTO-2")
@pytest.mark.requirement("SYN-8")
def test_failed_and_fruitless_branches_are_gaps_and_nothing_at_all_is_inconclusive() -> None:
    some = synthesize(
        [
            branch("x", claim(1)),
            Branch("y", "yy", failed("peer_unavailable")),
            Branch("z", "zz", done("")),
        ]
    )
    nothing = synthesize(
        [Branch("z", "zz", done("")), Branch("v", "vv", done("", data={"claims": []}))], goal="why?"
    )

    assert [(gap.branch, gap.peer, gap.code) for gap in some.gaps] == [
        ("y", "yy", "peer_unavailable"), ("z", "zz", "nothing_found"),
    ]  # fmt: skip
    assert "y (yy)" in some.summary
    assert nothing.inconclusive
    assert "z (zz), v (vv)" in nothing.summary


values = st.sampled_from([1, 1.02, 2, 100, 104, 110, "eu", "us", None, True])
claims = st.builds(
    claim,
    values,
    subject=st.sampled_from(["a", "b", ""]),
    polarity=st.booleans(),
    strength=st.sampled_from([0.2, 0.5, 1.0]),
    evidence_refs=st.sampled_from([["call_1#/p99"], ["gone"], []]),
    type=st.sampled_from(["tool_match", "inference", "complementary_finding"]),
)
fan_outs = st.lists(st.lists(claims, max_size=4), min_size=1, max_size=4)


@settings(max_examples=80, deadline=None)
@given(fan_outs, st.randoms(use_true_random=False))
def test_the_same_branches_give_the_same_findings_in_whatever_order_they_stand(
    fan_out: list[list[Claim]], random: object
) -> None:
    branches = [branch(f"b{index}", *made) for index, made in enumerate(fan_out)]
    shuffled = list(branches)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    first, again, other = synthesize(branches), synthesize(branches), synthesize(shuffled)

    assert first == again
    assert (first.score, first.decision, first.veto) == (other.score, other.decision, other.veto)
    assert {(f.id, f.score, f.contradicted) for f in first.findings} == {
        (f.id, f.score, f.contradicted) for f in other.findings
    }


def test_the_summary_names_the_top_finding_first_with_each_supporters_evidence() -> None:
    full = claim(
        "full", text="The pool is exhausted", kind="cause", subject="pool", predicate="exhausted"
    )
    report = synthesize([branch("logs", full), branch("metrics", full, claim(2.4))])

    lines = report.summary.splitlines()
    assert lines[0] == "Most likely cause: The pool is exhausted."
    assert lines[1] == "2 of 2 sources agree: logs-analyst and metrics-analyst (score 2.00)."
    assert lines[2] == "  - logs-analyst: 2.4 [query /p99]"
    assert lines[3] == "  - metrics-analyst: 2.4 [query /p99]"
    assert lines[4:] == ["", "Also seen:", "  - p99 is 2.4. (metrics-analyst, 1.00)"]


def test_a_result_without_claims_but_failed_says_nothing_as_a_finding() -> None:
    broken = Result(status="failed", text="Everything is fine.")

    assert synthesize([Branch("x", "x", broken), branch("y", claim(1))]).findings[0].claims == (
        claim(1),
    )


def test_a_cause_is_named_before_surer_facts_and_weaker_suspects_follow() -> None:
    def about(kind: str, subject: str, strength: float) -> Claim:
        return claim(1, kind=kind, subject=subject, text=f"{subject} {kind}", strength=strength)

    report = synthesize(
        [
            branch(
                "x",
                about("fact", "a", 1.0),
                about("cause", "b", 0.5),
                about("cause", "c", 0.97),
                about("recommendation", "c", 0.7),
            )
        ]
    )

    assert report.findings[0].statement == "a fact"
    lines = report.summary.splitlines()
    assert lines[0] == "Most likely cause: c cause."
    assert [line for line in lines if line.endswith(":")] == ["Other suspects:", "Also seen:"]


def test_a_report_as_json_reads_back_as_the_same_report() -> None:
    timed = claim(3, window=Window(start=0, end=4))
    report = synthesize([branch("x", timed, claim("eu")), branch("y", claim(9))])

    assert Report.model_validate(report.to_json()) == report
    assert report.to_json() == report.model_dump(mode="json")


@pytest.mark.requirement("SYN-5")
def test_equal_scores_rank_by_supporters_then_evidence_then_who_spoke_first() -> None:
    def about(subject: str, kind: str, strength: float) -> Claim:
        return claim(1, subject=subject, text=subject, type=kind, strength=strength)

    branches = [
        branch(
            "x",
            about("zz first", "inference", 1.0),
            about("aa second", "inference", 1.0),
            about("heavy", "tool_match", 0.6),
            about("backed", "inference", 0.5),
        ),
        branch("y", about("backed", "inference", 0.5)),
    ]

    report = synthesize(branches)

    assert {finding.score for finding in report.findings} == {0.6}
    assert [finding.subject for finding in report.findings] == [
        "backed", "heavy", "zz first", "aa second",
    ]  # fmt: skip


def test_a_branch_whose_tools_failed_is_a_gap_that_says_why() -> None:
    why = Reason(code="tool_failed", message="read: outside every data root")
    failed_tools = done("", data={"claims": []}, generated_by="rules", reasons=(why,))

    report = synthesize([Branch("logs", "log_analyst", failed_tools)])

    assert report.inconclusive
    assert (report.gaps[0].code, report.gaps[0].message) == (why.code, why.message)


@pytest.mark.requirement("MOD-41")
def test_a_report_made_without_any_model_says_so_and_no_other_does() -> None:
    ruled = done("", claims=(claim(1),), generated_by="rules")
    modelled = done("", claims=(claim(1),), generated_by="model")

    both = synthesize([Branch("a", "a", ruled), Branch("b", "b", modelled)])
    rules = synthesize([Branch("a", "a", ruled)])

    assert "No language model was used" in rules.summary.splitlines()[-1]
    assert "language model" not in both.summary
