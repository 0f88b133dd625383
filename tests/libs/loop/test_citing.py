"""What of a model's answer stays: what a finding carries."""

import pytest

from weft.core import Claim, JsonObject
from weft.loop import Agent, ModelChunkEvent
from weft.models import get_model
from weft.testing import ScriptedModel, call
from weft.tools import tool

PAYMENT = Claim(
    text="payment: waits for its pool, 20 of 20 taken",
    subject="payment",
    predicate="root_cause",
    kind="cause",
    evidence_refs=("#/findings/0",),
)
CHECKOUT = Claim(text="checkout: slower since 09:42", subject="checkout", predicate="affected")
P, C = f"[{PAYMENT.finding_id}]", f"[{CHECKOUT.finding_id}]"
REMOVED = "removed: no finding carries what was said.)"


@tool(labels={"read"})
async def analyze(data: str) -> JsonObject:
    """Analyze an incident."""
    return {
        "summary": data,
        "findings": [{"text": "pool", "before": 0.37, "wait_ms": 1840, "since": 1795166904.2}],
        "claims": [PAYMENT.to_json(), CHECKOUT.to_json()],
    }


@tool(labels={"read"})
async def quiet(data: str) -> JsonObject:
    """Analyze an incident in which nothing is found."""
    return {"summary": f"nothing stands out in {data}", "claims": []}


@tool(labels={"read"})
async def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


async def answer(*said: str, opening: str = "analyze") -> str:
    model = ScriptedModel(said)
    agent = Agent(model, [analyze, quiet], opening_tools=[opening], cites_findings=True)
    result = await agent.arun("Why?", metadata={"data": "d"})
    return result.text


@pytest.mark.requirement("DIAG-32")
@pytest.mark.parametrize(
    "sentence",
    [
        f"The pool of payment is used up {P}.",
        f"The pool of payment is used up. {P}",
        f"Calls waited 1.8 s, and 37 % did so before {P}.",
        f"It takes all 20 connections {P}.",
        f"Calls waited 1,840 ms {P}.",
        f"It began at 09:28 on 20 November 2026 {P}.",
        f"Checkout suffers since payment waits {C}{P}.",
        f"Should payment get a larger pool {P}?",
    ],
)
async def test_what_a_finding_carries_stays(sentence: str) -> None:
    assert REMOVED not in await answer(sentence)


@pytest.mark.requirement("DIAG-32", "RSN-5")
@pytest.mark.parametrize(
    "sentence",
    [
        "The database is down.",
        "Everything looks healthy!",
        "Alles ist in Ordnung.",
        "Everything is healthy:",
        "The cause is [f_0123456789ab].",
        f"The cause is inventory [f_0123456789ab]{P}.",
        f"Checkout ran out of memory {P}.",
        f"The pool has 64 connections {P}.",
        f"It began at 11:15 {C}.",
        f"Payment does not wait for its pool {P}.",
        f"Checkout is faster since 09:42 {C}.",
        f"The pool waits for payment {P}.",
    ],
)
async def test_what_no_finding_carries_is_removed_and_counted(sentence: str) -> None:
    said = await answer(f"Payment waits for its pool {P}.\n\n{sentence}")

    assert said == f"Payment waits for its pool {P}.\n\n(1 sentence of the model {REMOVED}"


async def test_an_answer_keeps_its_form() -> None:
    text = f"## Root cause\n\n- **Payment waits.** {P}\n- It fails.\n1. Checkout is slower {C}. It hurts."

    said = await answer(text)

    lines = said.splitlines()
    assert lines[:4] == [
        "## Root cause",
        "",
        f"- **Payment waits** {P}.",
        f"1. Checkout is slower {C}.",
    ]
    assert lines[-1].startswith("(2 sentences of the model")


async def test_what_says_nothing_is_no_sentence() -> None:
    said = await answer(f"---\n\n```\nPayment waits {P}.\n```")

    assert said == f"---\n\n```\nPayment waits {P}.\n```"


async def test_a_row_of_a_table_is_a_sentence() -> None:
    said = await answer(f"| payment | waits {P} |\n| --- | --- |\n| inventory | is healthy |")

    assert said.startswith(f"| payment | waits {P} |\n| --- | --- |\n\n(1 sentence")


@pytest.mark.requirement("DIAG-32")
async def test_where_nothing_stays_the_findings_speak_for_themselves() -> None:
    said = await answer("All is well. Nothing to see here.")

    assert f"- {PAYMENT.text} {P}" in said
    assert "(2 sentences of the model" in said
    assert "All is well" not in said


async def test_where_nothing_was_found_nobody_says_what_it_is() -> None:
    said = await answer("The database is down.", opening="quiet")

    assert said.startswith("- quiet: nothing stands out in d")
    assert "database" not in said


@pytest.mark.requirement("DIAG-31")
async def test_an_answer_for_which_nothing_was_looked_at_says_so() -> None:
    model = ScriptedModel(["The balance of Anna is 12 euros."])

    result = await Agent(model, [greet], cites_findings=True).arun("What is Anna's balance?")

    assert result.text.startswith("No data was looked at for this answer.\n\n")


async def test_tools_that_state_no_findings_need_no_citation() -> None:
    model = ScriptedModel([call("greet", name="Ada"), "She was greeted."])

    result = await Agent(model, [greet], cites_findings=True).arun("Greet Ada")

    assert result.text == "She was greeted."


@pytest.mark.requirement("DIAG-32")
async def test_a_model_is_told_what_it_can_cite_and_nothing_is_shown_before_it_was_checked() -> (
    None
):
    model = ScriptedModel([f"Payment waits {P}. The moon is full."])
    agent = Agent(model, [analyze], opening_tools=["analyze"], cites_findings=True)

    run = agent.run("Why?", metadata={"data": "d"})
    shown = [event.content async for event in run if isinstance(event, ModelChunkEvent)]
    result = await run

    assert f"- {PAYMENT.finding_id}: {PAYMENT.text}" in model.requests[0].messages[-1].content
    assert "".join(shown) == result.text == result.messages[-1].content
    assert "moon" not in result.text


async def test_rules_are_quoted_as_they_are() -> None:
    agent = Agent(get_model("offline:"), [analyze], opening_tools=["analyze"], cites_findings=True)

    result = await agent.arun("Analyze the incident", metadata={"data": "d"})

    assert "- analyze: d\n  - pool" in result.text
    assert REMOVED not in result.text
