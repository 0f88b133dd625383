"""Whom a request is for, in many words; and names that are only spoken of."""

import pytest

from weft.language.addressed import Addressed, addressed_to

NAMES = ("partner", "travel-desk", "payment")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ask partner to translate this", "partner"),
        ("please ask the travel desk to find a hotel", "travel-desk"),
        ("Could you have partner book a flight?", "partner"),
        ("Hand this over to partner", "partner"),
        ("@partner: what is new?", "partner"),
        ("hey @travel-desk find a hotel", "travel-desk"),
        ("Partner, please translate this", "partner"),
        ("Delegate the booking to travel-desk.", "travel-desk"),
        ("Let partner do it", "partner"),
        ("Check with travel-desk whether it rains", "travel-desk"),
        ("Use partner to translate", "partner"),
        ("I want you to ask partner about Paris", "partner"),
        ("Send this question to the partner agent", "partner"),
        ("What is slow? Ask partner.", "partner"),
        ("Tell our partner that the order is late", "partner"),
        ("We need to talk to partner about prices", "partner"),
        ("Give partner the job of translating", "partner"),
        ("Would you please consult Travel_Desk about visa rules?", "travel-desk"),
        ("First ask partner for a quote, then tell me", "partner"),
        ("Ask `travel-desk` what a visa costs", "travel-desk"),
    ],
)
def test_who_is_told_to_do_it_is_addressed(text: str, name: str) -> None:
    assert addressed_to(text, NAMES) == Addressed(name)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("Diagnose the checkout slowdown, then ask partner to tell the customers",
         "Diagnose the checkout slowdown"),
        ("Why is checkout slow? Hand the result to partner", "Why is checkout slow?"),
        ("Find out what changed and have partner translate it into French", "Find out what changed"),
        ("Why is checkout slow? Ask partner.", ""),
        ("Why is checkout slow? Let the partner agent answer this, please.", ""),
        ("Translate this into French. Hand it over to partner.", ""),
        ("Hello! Please ask partner about Paris", ""),
    ],
)  # fmt: skip
def test_what_is_asked_before_is_not_for_who_is_turned_to_afterwards(
    text: str, before: str
) -> None:
    assert addressed_to(text, NAMES) == Addressed("partner", before)


@pytest.mark.parametrize(
    "text",
    [
        "Why does checkout send requests to payment?",
        "Is partner slow?",
        "Do not ask partner to do that",
        "Never hand this to partner",
        "Ask whether payment is slow",
        "Use payment logs to find the cause",
        "the page says 'ask partner to leave'",
        "Diagnose the partner slowdown",
        "payment: error 500 in log",
        "payment, checkout and cart are slow",
        "Did you ask partner?",
        "Why do we ask partner for tokens?",
        "write to me@partner now",
        "the orders we send to partner fail",
        "",
    ],
)
def test_who_is_only_spoken_of_is_not(text: str) -> None:
    assert addressed_to(text, NAMES) is None
    assert addressed_to(text, ()) is None
