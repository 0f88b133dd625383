"""One helper makes every analyst: a card, a prompt, one analysis, and the data it may look at."""

import json
import shutil
from pathlib import Path

import pytest
from anyio import to_thread

from incidents import Analysis
from incidents.analyst import IncidentSettings, analyst
from services.log_analyst.tools import ANALYZE_LOGS
from tests.conftest import ROOT
from weft.a2a import Card
from weft.core import JsonValue, Result, coverage_in, facts_in, parts_of, rfc3339
from weft.core.errors import ConfigError
from weft.loop import Task
from weft.plan.placeholders import fenced
from weft.testing import ScriptedOpenAIServer, call, register_script

pytestmark = pytest.mark.timeout(60)
INCIDENT = ROOT / "deploy" / "demo" / "incident"
CARD = Card(name="log_analyst", description="Explains incidents from logs.")


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    file = tmp_path / "system.md"
    file.write_text("You explain incidents.")
    return file


async def story(
    prompt: Path,
    settings: IncidentSettings,
    *,
    said: str = "Diagnose the slowdown",
    **metadata: JsonValue,
) -> str:
    """Return, as JSON, everything an analyst does that is asked in few words."""
    async with analyst(CARD, prompt, ANALYZE_LOGS, settings) as peer:
        run = peer.start(Task(parts_of(said), "message-1", metadata=metadata))
        events = [event.model_dump(mode="json") async for event in run]
        result = await run
    return json.dumps([*events, result.to_json()])


async def test_where_the_caller_names_nothing_an_analyst_looks_at_the_data_it_was_set_to(
    prompt: Path,
) -> None:
    settings = IncidentSettings(model="offline:", data=INCIDENT / "checkout-slowdown")

    events = await story(prompt, settings)

    arguments = f'{{"data": "{settings.data}", "question": "Diagnose the slowdown"}}'
    assert f'"arguments": {arguments}' in events


async def test_what_earlier_steps_found_asks_for_nothing(prompt: Path) -> None:
    settings = IncidentSettings(model="offline:", data=INCIDENT / "checkout-slowdown")
    found = fenced("trace_analyze", "inventory was slow from 2026-11-20 09:20 to 09:21")
    told = f"Diagnose the slowdown\n\nDone before you:{found}"

    events = await story(prompt, settings, said=told)

    question = '"question": "Diagnose the slowdown\\n\\nDone before you:"'
    assert f'"arguments": {{"data": "{settings.data}", {question}}}' in events


async def test_data_that_the_caller_names_comes_before_the_data_it_was_set_to(
    prompt: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    await to_thread.run_sync(shutil.copytree, INCIDENT / "checkout-slowdown" / "logs", other)
    settings = IncidentSettings(
        model="offline:", data_roots=(tmp_path,), data=INCIDENT / "checkout-slowdown"
    )

    events = await story(prompt, settings, data="other")

    assert '"arguments": {"data": "other", "question": "Diagnose the slowdown"}' in events


async def test_an_analyst_opens_nothing_else_than_its_data(
    prompt: Path,
) -> None:
    register_script("curious", [call("analyze_logs", data="/etc"), "done"])
    settings = IncidentSettings(model="scripted:curious", data_roots=(INCIDENT,))

    events = await story(prompt, settings)

    assert "data '/etc' is refused: name a directory below a data root" in events


@pytest.mark.parametrize("said", ["All is well.", "I looked at the logs of payment."])
async def test_a_model_that_never_looks_leaves_the_evidence_where_it_is(
    prompt: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    settings = IncidentSettings(model="openai:scripted", data=INCIDENT / "checkout-slowdown")
    async with ScriptedOpenAIServer([said]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        async with analyst(CARD, prompt, ANALYZE_LOGS, settings) as peer:
            result = await peer.start(Task(parts_of("Diagnose the slowdown"), "message-1"))

    assert result.claims[0].subject == "payment"
    assert {each.name for each in result.artifacts} == {"analyze_logs"}
    assert str(settings.data) in json.dumps(server.requests[0].body)


async def test_an_analysis_that_does_not_exist_costs_its_call_alone(prompt: Path) -> None:
    register_script("hopeful", [call("nothing", data="x"), "done"])
    missing = Analysis(
        "nothing", source="logs", description="Is not there.", module="services.nowhere"
    )

    async with analyst(CARD, prompt, missing, IncidentSettings(model="scripted:hopeful")) as peer:
        result = await peer.start(Task(parts_of("Diagnose"), "message-1"))

    assert result.text == "No data was looked at for this answer.\n\ndone"


@pytest.mark.parametrize(
    ("data", "why"),
    [("typo", "does not exist"), ("/etc", "below a data root"), ("../x", "below"), (7, "the path")],
)
async def test_a_task_about_data_that_is_not_there_fails_before_anybody_looks(
    prompt: Path, data: JsonValue, why: str
) -> None:
    settings = IncidentSettings(model="offline:", data_roots=(INCIDENT,))

    async with analyst(CARD, prompt, ANALYZE_LOGS, settings) as peer:
        run = peer.start(Task(parts_of("Diagnose"), "message-1", metadata={"data": data}))
        events = [event.type async for event in run]
        result = await run

    assert events == []
    assert (result.status, result.reasons[0].code) == ("failed", "data_refused")
    assert why in result.reasons[0].message


async def test_a_run_that_is_cancelled_while_its_data_is_looked_for_does_not_begin(
    prompt: Path,
) -> None:
    settings = IncidentSettings(model="offline:", data=INCIDENT / "checkout-slowdown")

    async with analyst(CARD, prompt, ANALYZE_LOGS, settings) as peer:
        run = peer.start(Task(parts_of("Diagnose"), "message-1"))
        report = await run.cancel("enough")
        result = await run

    assert (report, result.status) == ({"outcome": "not_started"}, "canceled")


@pytest.mark.requirement("DIAG-2")
async def test_a_data_root_that_is_not_there_is_refused_at_start(
    prompt: Path, tmp_path: Path
) -> None:
    settings = IncidentSettings(model="offline:", data_roots=(INCIDENT, tmp_path / "typo"))

    with pytest.raises(ConfigError, match="typo is no directory"):
        async with analyst(CARD, prompt, ANALYZE_LOGS, settings):
            pass


@pytest.mark.requirement("DIAG-23")
@pytest.mark.parametrize("model", ["offline:", "scripted:brief"])
async def test_whoever_speaks_the_facts_of_what_was_asked_are_in_the_result(
    prompt: Path, model: str
) -> None:
    register_script("brief", ["Something is wrong."])
    settings = IncidentSettings(model=model, data=INCIDENT / "checkout-slowdown")

    async with analyst(CARD, prompt, ANALYZE_LOGS, settings) as peer:
        result = await peer.start(Task(parts_of("errors of inventory after 09:29"), "message-1"))

    facts = facts_in(result)
    windows = [fact.what for fact in facts if fact.predicate == "window"]
    errors = [fact.subject for fact in facts if fact.predicate == "errors"]
    assert windows == ["after 09:29"]
    assert errors[0] == "inventory"
    assert {fact.source for fact in facts} == {"logs"}


@pytest.mark.requirement("DIAG-24")
@pytest.mark.parametrize("model", ["offline:", "scripted:quiet"])
async def test_the_time_that_a_request_names_is_the_time_of_the_analysis(
    prompt: Path, model: str
) -> None:
    register_script("quiet", ["All is well."] * 4)
    settings = IncidentSettings(model=model, data=INCIDENT / "checkout-slowdown")

    async def looked_at(words: str, **metadata: JsonValue) -> Result:
        async with analyst(CARD, prompt, ANALYZE_LOGS, settings) as peer:
            return await peer.start(Task(parts_of(words), "message-1", metadata=metadata))

    begin, end = "2026-11-20T09:28:40Z", "2026-11-20T09:29:00Z"
    named = await looked_at("Diagnose it", window={"start": begin, "end": end})
    spoken = await looked_at("What went wrong between 09:28:40 and 09:29:00?")
    empty = await looked_at("Diagnose it", window={"end": "2026-11-19T00:00:00Z"})
    wrong = await looked_at("Diagnose it", window={"start": end, "end": begin})

    (by_value,), (by_words,), (by_none,) = map(coverage_in, (named, spoken, empty))
    assert by_value.window == by_words.window
    assert by_value.window is not None
    assert rfc3339(by_value.window.start)[:19] >= begin[:19]
    assert rfc3339(by_value.window.end)[:19] <= end[:19]
    assert by_value.verdict == "found"
    assert (by_none.verdict, by_none.compared) == ("not_compared", 0)
    assert by_none.reason.startswith("no row of logs is in the time asked about")
    assert wrong.status == "failed"
    assert "end after its start" in wrong.reasons[0].message
