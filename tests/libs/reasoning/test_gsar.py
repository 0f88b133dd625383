"""The GSAR number, and what follows from it."""

import pytest

from weft.core import EvidenceType
from weft.reasoning.gsar import Judged, Standing, judge, score


def claims(*groups: tuple[int, Standing, EvidenceType]) -> list[Judged]:
    return [Judged(kind, standing) for count, standing, kind in groups for _ in range(count)]


@pytest.mark.requirement("RSN-16")
@pytest.mark.parametrize(
    ("partition", "expected"),
    [
        ([], 0.5),
        ([(4, "grounded", "tool_match"), (1, "contradicted", "tool_match")], 0.889),
        ([(1, "grounded", "tool_match")], 1.0),
        ([(1, "ungrounded", "inference")], 0.0),
        ([(1, "contradicted", "tool_match")], 0.0),
        ([(2, "grounded", "specific_data"), (1, "ungrounded", "inference")], 0.76),
        ([(1, "grounded", "signal_match"), (1, "ungrounded", "domain")], 0.6),
        ([(1, "complementary", "complementary_finding"), (1, "ungrounded", "synthesis")], 0.515),
        ([(1, "grounded", "neg_evidence"), (1, "contradicted", "inference")], 0.7),
        (
            [
                (3, "grounded", "tool_match"),
                (1, "complementary", "complementary_finding"),
                (1, "ungrounded", "inference"),
                (1, "contradicted", "specific_data"),
            ],
            0.782,
        ),
    ],
)
def test_the_formula_reproduces_the_pinned_partitions(
    partition: list[tuple[int, Standing, EvidenceType]], expected: float
) -> None:
    assert score(claims(*partition)) == pytest.approx(expected, abs=0.0005)


@pytest.mark.requirement("RSN-17")
def test_a_contradicted_claim_vetoes_proceeding() -> None:
    partition = claims((4, "grounded", "tool_match"), (1, "contradicted", "tool_match"))

    first, survived = judge(partition), judge(partition, contradiction_survived=True)

    assert (first.decision, first.decision_unvetoed, first.veto) == (
        "regenerate", "proceed", "contradicted",
    )  # fmt: skip
    assert survived.decision == "replan"
    assert survived.score == pytest.approx(0.889, abs=0.001)


@pytest.mark.requirement("RSN-17")
def test_claims_of_which_none_is_grounded_mean_gathering_more() -> None:
    nothing = judge(claims((2, "ungrounded", "inference")))

    assert (nothing.decision, nothing.veto) == ("replan", "none_grounded")
    assert judge([]).veto is None


def test_the_tiers_are_proceed_regenerate_and_replan() -> None:
    decisions = [
        judge(claims((n, "grounded", "tool_match"), (3, "ungrounded", "tool_match"))).decision
        for n in (12, 6, 3)
    ]

    assert decisions == ["proceed", "regenerate", "replan"]
