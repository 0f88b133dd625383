"""Whether evidence carries a claim, by rules: clause by clause, never a contradiction."""

import pytest

from weft.reasoning.grounding import clauses_of, grounded
from weft.testing import grounding_pairs

SLOW = "The p99 latency of payment rose from 20 ms to 120 ms after the release; orders was healthy."
KINDS = {"number", "unit", "negation", "opposite", "swapped"}


@pytest.mark.requirement("RSN-6")
def test_of_the_shipped_pairs_no_contradiction_is_carried_and_nine_in_ten_claims_are() -> None:
    pairs = grounding_pairs()
    carried = {pair: grounded(pair.claim, clauses_of(pair.evidence)).score >= 0.5 for pair in pairs}

    supported = [carried[pair] for pair in pairs if pair.supported]
    assert [pair for pair in pairs if carried[pair] and not pair.supported] == []
    assert sum(supported) / len(supported) >= 0.9
    assert len(pairs) >= 120
    assert {pair.kind for pair in pairs if not pair.supported} == KINDS


@pytest.mark.requirement("RSN-5")
@pytest.mark.parametrize(
    "claim",
    [
        "Payment latency rose to 150 ms.",
        "Payment latency rose to 120 s.",
        "Payment latency did not rise.",
        "Payment latency fell to 120 ms.",
        "Payment latency rose before the release.",
        "Orders was unhealthy.",
        "Orders was not healthy.",
        "Payment latency rose to 120 ms, but orders was unhealthy.",
    ],
)
def test_another_number_a_negation_or_an_opposite_contradicts_in_any_clause(claim: str) -> None:
    verdict = grounded(claim, clauses_of(SLOW))

    assert (verdict.score, verdict.contradicted) == (0.0, True)


@pytest.mark.requirement("RSN-5")
@pytest.mark.parametrize(
    "claim",
    [
        "Payment latency rose to 120 ms.",
        "Payment p99 latency rose to 0.12 s.",
        "After the release payment latency rose.",
        "Payment latency rose, and orders was healthy.",
        "Payment latency rose to about 115 ms.",
    ],
)
def test_the_same_in_other_units_and_order_is_carried(claim: str) -> None:
    verdict = grounded(claim, clauses_of(SLOW))

    assert verdict.score >= 0.5
    assert not verdict.contradicted


def test_what_nothing_speaks_of_is_neither_carried_nor_contradicted() -> None:
    for claim in ("The warehouse burned down.", "Payment pays in euros.", "Certainly!"):
        verdict = grounded(claim, clauses_of(SLOW))

        assert verdict.score < 0.5
        assert not verdict.contradicted


def test_a_fact_at_the_end_of_long_evidence_decides() -> None:
    entries = " ".join(
        f"Entry {number} was booked by clerk {number % 7}." for number in range(3000)
    )
    evidence = clauses_of(f"{entries} The vault of the bank holds 40 bars.")

    assert grounded("The vault of the bank holds 40 bars.", evidence).score >= 0.5
    assert grounded("The vault of the bank holds 41 bars.", evidence).contradicted
