"""Questions about the recorded incident, through the analyses and the report: what is said first."""

from datetime import UTC, datetime
from functools import cache
from importlib import import_module

import pytest
from anyio import to_thread

from incidents import DataRoots, Inquiry
from tests.conftest import ROOT
from tests.libs.plan.doubles import done
from weft.core import Artifact, Claim, JsonObject, dumps
from weft.language import in_context
from weft.report import Branch, Report, synthesize

# Whole analyses, traced line by line, take five times as long.
pytestmark = [pytest.mark.timeout(120), pytest.mark.no_cover]
INCIDENT = ROOT / "deploy" / "demo" / "incident"
CASE = str(INCIDENT / "checkout-slowdown")
MODULES = ("log", "metrics", "trace", "code")


@cache
def analyzed(name: str, question: str, data: str = CASE) -> JsonObject:
    result: JsonObject = import_module(f"services.{name}_analyst.analysis").analyze(
        DataRoots([INCIDENT]), data, Inquiry.of(question)
    )
    return result


def branch(name: str, question: str, data: str = CASE) -> Branch:
    result = analyzed(name, question, data)
    listed = result["claims"]
    assert isinstance(listed, list)
    claims = [Claim.model_validate(each) for each in listed]
    cited = [
        each.model_copy(update={"evidence_refs": tuple(f"c{ref}" for ref in each.evidence_refs)})
        for each in claims
    ]
    artifact = Artifact(id="c", name=f"analyze_{name}", data=result)
    made = done("words", claims=cited, artifacts=[artifact], generated_by="rules")
    return Branch(name, f"{name}_analyst", made)


async def reported(question: str, data: str = CASE) -> Report:
    def report() -> Report:
        branches = [branch(name, question, data) for name in MODULES]
        return synthesize(branches, goal=question)

    return await to_thread.run_sync(report)


async def first(question: str, data: str = CASE) -> str:
    """Return what the answer says before the diagnosis."""
    return (await reported(question, data)).summary.partition("\n\n")[0]


@pytest.mark.requirement("DIAG-23")
@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("was a flag flipped before it broke?", ["payment", "fraud_scoring", "09:28:24"]),
        ("any errors?", ["checkout 33 of", "frontend 33 of", "charge timed out", "33 times"]),
        ("are there exceptions in inventory?", ["No error of inventory"]),
        ("how is inventory doing", ["inventory looks healthy", "0 of"]),
        ("is the payment service fine", ["payment is not as usual, by its metrics and traces"]),
        ("where is the most time spent", ["payment db.pool.acquire", "payment fraud.check"]),
        ("what is the p95 of checkout", ["checkout is not as usual", "ms, usually"]),
        ("since when", ["It began by 2026-11-20 09:28", "fraud_scoring"]),
        ("number of failed requests", ["33 of 186 requests failed (0 of 282 before)"]),
        ("what share of requests to checkout fails", ["checkout: 30.8 % failed requests"]),
        ("chronology please", ["Timeline:", "feature flag changed", "charge timed out"]),
        ("which is worse, inventory or payment", ["payment departs more from normal"]),
        ("how can we fix it", ["Undoing the change of payment", "await an async client"]),
        ("show me the evidence", ["The evidence on payment", "4 sources"]),
        ("what services are there", ["4 services: checkout, frontend, inventory and payment"]),
        ("memory of frontend", ["frontend: process_resident_memory_bytes"]),
        ("frontend is slow", ["frontend is not as usual, and the most likely cause is payment"]),
        ("is the cart service up?", ["no service `cart`", "checkout, frontend, inventory"]),
        ("errors after 09:29", ["after 09:29: 2026-11-20 09:29:00", "Errors: checkout"]),
        ("errors before 09:20", ["Nothing is recorded before 09:20", "2026-11-20"]),
        ("Gibt es Fehler im checkout?", ["from German", "It names checkout", "checkout 33 of"]),
        ("what does checkout depend on?", ["checkout calls", "payment (", "called by frontend"]),
        ("summarize", ["In short: payment is the most likely cause", "33 of 186 requests failed"]),
        ("what changed since 9?", ["after 09:00: 2026-11-20 09:00:00", "fraud_scoring"]),
        ("whats teh root casue of the slownes", ["Most likely cause: payment"]),
        ("error rate of frontend in percent?", ["frontend: 11.3 % error lines"]),
        ("what about the recommendation service", ["no service `recommendation`"]),
        ("is kafka the problem?", ["no service `kafka`"]),
        ("tl;dr", ["In short: payment is the most likely cause"]),
        ("what would break if inventory goes away", ["it is called by checkout"]),
        ("is it getting worse", ["It is not seen to be over"]),
        ("has it recovered?", ["It is not seen to be over", "2026-11-20 09:29"]),
    ],
)
async def test_what_was_asked_is_said_first(question: str, words: list[str]) -> None:
    said = await first(question)

    assert [each for each in words if each not in said] == []


@pytest.mark.requirement("DIAG-23")
async def test_different_questions_get_different_first_lines() -> None:
    questions = (
        "what changed?", "show errors", "is inventory healthy?", "is payment healthy?",
        "what is slow?", "when did it start?", "how many requests failed?", "give me a timeline",
        "how do I fix it?", "which services are there?", "what is the error rate of checkout?",
    )  # fmt: skip
    lines = [(await first(question)).splitlines()[0] for question in questions]

    assert len(set(lines)) == len(questions)


@pytest.mark.requirement("DIAG-28")
async def test_a_follow_up_is_about_the_same_data_and_time() -> None:
    said = await first(in_context("and inventory?", ["is payment healthy since 09:28?"]))

    assert "inventory looks healthy" in said
    assert "after 09:28: 2026-11-20 09:28:00" in said


@pytest.mark.requirement("DIAG-24", "DIAG-1")
async def test_the_diagnosis_is_of_the_time_asked_about() -> None:
    whole = await reported("why is checkout slow?")
    part = await reported("why is checkout slow since 09:28:40?")
    none = await reported("why was checkout slow before 09:20?")

    begin = datetime(2026, 11, 20, 9, 28, 40, tzinfo=UTC).timestamp()
    assert all(each.window.start < begin for each in whole.coverage if each.window)
    windows = [each.window for each in part.coverage if each.window]
    assert len(windows) == 3
    assert all(window.start >= begin for window in windows)
    assert part.suspects[0].subject == "payment"
    assert {each.verdict for each in none.coverage if each.source != "code"} == {"not_compared"}
    assert not any(suspect.is_cause for suspect in none.suspects)
    assert "Nothing was compared: no row of logs is in the time asked about" in none.summary


@pytest.mark.requirement("DIAG-23")
async def test_where_nothing_is_compared_nobody_is_called_healthy() -> None:
    said = await first("is inventory healthy?", str(INCIDENT / "baseline"))

    assert "healthy" not in said
    assert "nothing was compared with normal times" in said


async def test_facts_are_few() -> None:
    def sizes() -> list[int]:
        return [len(dumps(analyzed(name, "what changed?").get("facts", []))) for name in MODULES]

    assert all(size < 16_000 for size in await to_thread.run_sync(sizes))
