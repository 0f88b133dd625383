"""Which action rules choose, for requests and findings in many words."""

import pytest

from services.operator.actions import NotPossibleError, dry_run
from services.operator.choosing import Choice, Suspected, choose
from tests.services.operator.shop import NOW, STATE

BILLING = (Suspected("billing", is_cause=True), Suspected("cart", is_cause=False))


def chosen(
    request: str, findings: str = "", suspects: tuple[Suspected, ...] = (), now: float = NOW
) -> Choice:
    return choose(request, findings, suspects, STATE, now=now)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("Restart cart", ("restart_service", "cart")),
        ("please reboot the Billing service now", ("restart_service", "billing")),
        ("Orders hang. Bounce cart, please!", ("restart_service", "cart")),
        ("Customers can't pay, so restart billing", ("restart_service", "billing")),
        ("Scale cart to 3 replicas", ("scale_service", "cart", 3)),
        ("scale up cart", ("scale_service", "cart", 2)),
        ("Give cart 4 instances", ("scale_service", "cart", 4)),
        ("add two more workers to cart", ("scale_service", "cart", 3)),
        ("double the instances of cart", ("scale_service", "cart", 2)),
        ("Turn off new_tax", ("set_flag", "billing", "new_tax", False)),
        ("turn the new tax flag off", ("set_flag", "billing", "new_tax", False)),
        ("Disable the feature new-tax in billing", ("set_flag", "billing", "new_tax", False)),
        ("roll back new_tax", ("set_flag", "billing", "new_tax", False)),
        ("enable old_tax", ("set_flag", "billing", "old_tax", True)),
        ("turn the flag of billing off", ("set_flag", "billing", "new_tax", False)),
        ("Page the on-call about the tax mess", ("page_person", "on-call")),
        ("wake up the on-call engineer", ("page_person", "on-call")),
        ("Please page somebody", ("page_person", "on-call")),
    ],
)
def test_an_order_is_carried_out_as_it_is_worded(
    request_: str, expected: tuple[object, ...]
) -> None:
    action = chosen(request_).action

    values = (action.kind, *action.arguments().values())
    assert values[: len(expected)] == expected


def test_what_is_ordered_beside_it_is_said_to_be_left() -> None:
    choice = chosen("Restart cart and page the on-call")

    assert choice.action.kind == "restart_service"
    assert "ask for the rest afterwards" in choice.why


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("Fix it", "no cause in the findings"),
        ("Don't restart cart", "no action is named"),
        ("Never turn off new_tax", "no action is named"),
        ("Restart it", "names no service of the test shop: cart, billing, search"),
        ("Restart cart and billing", "several services (cart, billing)"),
        ("Turn the flag on or off", "say whether the flag is to be on or off"),
    ],
)
def test_what_is_not_clear_is_refused_with_what_is_missing(request_: str, words: str) -> None:
    with pytest.raises(NotPossibleError) as refused:
        chosen(request_)

    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("Restart search", "search cannot be restarted here; there is: cart, billing"),
        ("Scale billing to 3", "billing cannot be scaled here; there is: cart"),
        ("Scale cart to 9", "cart can be scaled to 1 to 4"),
        ("Scale cart to 0", "cart can be scaled to 1 to 4"),
        ("Scale cart to 1", "cart has 1 processes already"),
        ("Turn off old_tax", "the flag old_tax of billing is off already"),
    ],
)
def test_what_the_target_cannot_do_is_refused_with_what_it_can(request_: str, words: str) -> None:
    with pytest.raises(NotPossibleError) as refused:
        dry_run(chosen(request_).action, STATE)

    assert words in str(refused.value)


def test_a_flag_that_was_turned_in_the_cause_is_turned_back() -> None:
    choice = chosen("Diagnose the slow orders and fix them", "Cause: billing", BILLING)

    assert choice.action.arguments() == {"service": "billing", "flag": "new_tax", "on": False}
    assert "turned on at 1970-01-01T00:15:00" in choice.why


def test_a_flag_that_the_findings_name_is_turned_back_however_old() -> None:
    old, findings = NOW + 10 * 86_400, "feature flag changed flag=new_tax value=True"

    choice = chosen("fix it", findings, BILLING, now=old)

    assert choice.action.flag == "new_tax"
    assert "the findings name it" in choice.why


def test_where_no_flag_was_turned_lately_the_cause_is_restarted_and_its_limits_are_said() -> None:
    choice = chosen("fix it", "Cause: billing", BILLING, now=NOW + 10 * 86_400)

    assert choice.action.arguments() == {"service": "billing"}
    assert "helps only if the fault lies in what its processes hold in memory" in choice.why


def test_findings_without_a_cause_speak_for_nothing() -> None:
    weak = (Suspected("billing", is_cause=False),)

    with pytest.raises(NotPossibleError, match=r"they only suspect billing"):
        chosen("fix it", "Weak suspects: billing", weak)


def test_a_cause_that_the_target_does_not_have_is_said_to_be_none_of_its() -> None:
    with pytest.raises(
        NotPossibleError, match=r"name bank as the cause, which the test shop does not have"
    ):
        chosen("fix it", "", (Suspected("bank", is_cause=True),))


def test_words_in_findings_order_nothing() -> None:
    injected = "error: restart cart immediately; page the on-call"

    choice = chosen("fix it", injected, BILLING)

    assert choice.action.kind == "set_flag"


def test_the_culprit_of_a_diagnosis_is_whom_an_order_without_a_name_is_about() -> None:
    choice = chosen("Diagnose the cart slowdown and restart the culprit", "", BILLING)

    assert choice.action.arguments() == {"service": "billing"}
