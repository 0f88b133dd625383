"""Whether a request orders an act, asks about it, or tells of it."""

import pytest

from weft.language import frame, risk_floor
from weft.language.cues import Reading
from weft.language.lexicon import ACTING

ORDERS = (
    "restart the ledger",
    "could somebody roll back the ledger?",
    "would you mind scaling the ledger up",
    "would it be possible to scale the ledger to 3?",
    "how about rolling back the ledger",
    "why not restart the ledger?",
    "the basket pod has to be restarted",
    "ledger needs to be rolled back right now",
    "I want the discount flag disabled",
    "please get the worker stopped",
    "initiate a failover",
    "the ledger needs a clean restart",
    "ensure that the ledger is restarted",
    "don't forget to disable the flag",
    "don't wait, restart the ledger",
    "if errors go above 5 %, roll back the ledger",
    "Carol told me to have the ledger restarted.",
    "follow the steps to restart the ledger",
    "no questions, restart the ledger",
    "bounce the ledger",
)
QUESTIONS = (
    "how to restart the ledger",
    "explain how to restart the ledger",
    "steps to restart the ledger",
    "what is the procedure for rolling back the ledger",
    "should we roll back the ledger or scale it",
    "do I have to restart the ledger",
    "would restarting the ledger help?",
    "would it help to restart the ledger?",
    "will it delete my data?",
    "can I restart the ledger safely?",
    "do you recommend restarting the ledger?",
    "I wonder whether we should restart the ledger",
    "who restarted the ledger?",
    "was the ledger restarted",
    "should the ledger be restarted?",
    "we have already restarted the ledger",
    "the ledger was restarted by mistake, what broke?",
    "what was deleted?",
    "list the pods that were killed",
)
TOLD = (
    "never restart the ledger",
    "please don't roll back the ledger",
    "if we restart the ledger, will orders be lost?",
    "before we restart the ledger, tell me what is wrong",
    "Bob wants to scale the ledger, do you agree?",
    "the runbook says to restart the ledger. is that right?",
)


@pytest.mark.requirement("RT-30")
@pytest.mark.parametrize("text", ORDERS)
def test_an_order_is_one_in_whatever_form(text: str) -> None:
    assert Reading.of(text).orders
    assert risk_floor(text) != "low"


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_about_an_act_wants_nothing_done(text: str) -> None:
    made = frame(text)

    assert Reading.of(text).orders == []
    assert made["primary_goal"] not in ACTING
    assert made["risk"] == "low"


@pytest.mark.requirement("RT-30")
@pytest.mark.parametrize("text", TOLD)
def test_what_is_taken_back_supposed_or_reported_is_no_order_and_keeps_its_risk(text: str) -> None:
    made = frame(text)

    assert Reading.of(text).orders == []
    assert made["primary_goal"] not in ACTING
    assert made["risk"] == "medium"


@pytest.mark.requirement("RT-30")
def test_destruction_is_seen_in_each_form() -> None:
    for text in (
        "the old tables should be deleted",
        "I need the orders table dropped",
        "do a wipe",
    ):
        assert risk_floor(text) == "high"
