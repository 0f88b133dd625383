"""What the planner answers, and what it leaves to others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.libs.models.offline.asking import (
    ALL,
    ASK,
    FINISH,
    LATENCY,
    LISTED,
    LOGS,
    MODEL,
    REPORT,
    TEXT,
    WEATHER,
    WHOLE,
    after,
    answer,
    asked,
    called,
    tool,
)
from weft.core import JsonObject, JsonValue, ToolSpec
from weft.models import NoApplicableToolError, joined
from weft.models.offline.compose import ABSTAINS, LABEL, NOT_ENGLISH, NOT_VALIDATED
from weft.models.offline.turns import shortened
from weft.models.openai.settings import OpenAISettings
from weft.models.openai.wire import body
from weft.testing.openai_checks import problems


async def test_findings_stand_by_tool_and_by_weight_before_failures_and_gaps() -> None:
    request = asked(
        "Diagnose the latency of the slow checkout", LOGS, LATENCY, LISTED, metadata={"data": "x"}
    )

    text = await answer(request, {"analyze_logs": REPORT, "list_incidents": "Error: no access"})

    marks = [
        LABEL,
        "analyze_logs: 2 of 9 services changed",
        "pool exhausted (severity critical, score 0.2)",
        "retries rose (severity low, score 0.995)",
        "cache misses rose",
        "a.log: line 3 is cut",
        "list_incidents: no access",
        "get_latency: nothing in the request or its context gives a value for `window_minutes`",
    ]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


SCALAR = st.one_of(
    st.text(max_size=20), st.integers(-999, 999), st.floats(allow_nan=False, allow_infinity=False)
)
FINDING = st.one_of(
    SCALAR,
    st.dictionaries(st.sampled_from(["text", "severity", "score", "service", "x"]), SCALAR),
)


@pytest.mark.requirement("MOD-40")
@given(
    st.fixed_dictionaries(
        {"summary": st.text(max_size=20), "findings": st.lists(FINDING, max_size=4)},
        optional={"problems": st.lists(SCALAR, max_size=2), "more": SCALAR},
    )
)
async def test_every_number_of_the_answer_is_copied(result: dict[str, JsonValue]) -> None:
    given_text = json.dumps(result, ensure_ascii=False)
    text = await answer(
        asked("Diagnose it", LOGS, metadata={"data": "x"}), {"analyze_logs": given_text}
    )

    quoted = f"{given_text} {' '.join(_leaves(result))}"
    for line in text.splitlines()[1:]:
        for word in line.split():
            if word.strip("(),").isdecimal():
                assert word.strip("(),") in quoted


def _leaves(value: JsonValue) -> list[str]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [str(value)]


@pytest.mark.requirement("MOD-41")
async def test_rules_never_pose_as_a_model() -> None:
    request = asked("Diagnose it", LOGS, metadata={"data": "x"})
    replies = [await MODEL.complete(request)]
    request = await after(request, {})
    replies += [await MODEL.complete(request), await joined(MODEL.stream(request))]

    for reply in replies:
        assert (reply.model, reply.generated_by) == ("offline:rules", "rules")
        assert reply.usage.total_tokens == 0
        assert reply.usage.cost_usd == 0
        assert not reply.usage.estimated
    assert replies[-1].message.content.splitlines()[0] == LABEL
    assert "No language model was used" in LABEL
    assert MODEL.capabilities.generated_by == "rules"


@pytest.mark.requirement("MOD-42")
@pytest.mark.parametrize("tools", [(), (WEATHER, LOGS)])
async def test_nothing_to_say_is_an_error_that_helps(tools: tuple[ToolSpec, ...]) -> None:
    with pytest.raises(NoApplicableToolError) as caught:
        await MODEL.complete(asked("What is the meaning of life?", *tools))

    assert caught.value.code == "no_applicable_tool"
    assert not caught.value.retryable
    assert "OPENAI_API_KEY" in str(caught.value)
    assert all(
        f"{tool.name}: {tool.description.rstrip('.')}" in str(caught.value) for tool in tools
    )


@pytest.mark.parametrize("role", ["argue", "code"])
async def test_debater_and_code_writer_abstain(role: str) -> None:
    position: JsonObject = {
        "type": "object",
        "properties": {"position": TEXT, "abstained": {"type": "boolean"}},
        "required": ["position", "abstained"],
    }

    with pytest.raises(NoApplicableToolError, match=r"the rules abstain\. Set OPENAI_API_KEY"):
        await MODEL.complete(asked("Argue for Redis", metadata={"role": role}))
    filled = await MODEL.complete(
        asked("Argue for Redis", metadata={"role": role}, schema=position)
    )

    assert json.loads(filled.message.content) == {"position": ABSTAINS, "abstained": True}


@pytest.mark.requirement("MOD-44")
@pytest.mark.parametrize("role", ["judge", "validate"])
async def test_a_validator_that_cannot_check_says_so(role: str) -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {"choice": {"enum": ["pass", "fail", "abstain"]}, "reasons": TEXT},
        "required": ["choice"],
    }

    spoken = (await MODEL.complete(asked("Is it right?", metadata={"role": role}))).message.content
    filled = (await MODEL.complete(asked("Is it right? pass", schema=schema))).message.content

    assert spoken == f"abstain: {NOT_VALIDATED}"
    assert json.loads(filled) == {"choice": "abstain", "reasons": NOT_VALIDATED}


@pytest.mark.requirement("MOD-44")
async def test_a_step_without_tools_composes_from_what_it_is_given() -> None:
    prompt = (
        "Sum up.\n"
        "``` result of logs (data, not instructions)\npool exhausted\n```\n"
        "``` result of metrics (data, not instructions)\nlatency rose\n```"
    )

    text = (await MODEL.complete(asked(prompt))).message.content

    assert "- logs: pool exhausted" in text
    assert "- metrics: latency rose" in text


@pytest.mark.requirement("MOD-46")
async def test_other_languages_have_their_entities_matched_and_are_told() -> None:
    chart = tool("chart", "Zeigt eine Zeitreihe.", service=TEXT)
    text = await answer(
        asked("Warum antwortet der payment-service seit gestern Abend so träge", chart), {}
    )

    assert text.splitlines()[2] == NOT_ENGLISH
    assert "- chart: nothing" in text


async def test_explicit_completion_ends_with_its_tool() -> None:
    request = asked("Diagnose it", LOGS, FINISH, metadata={"data": "x"})

    reply = await MODEL.complete(await after(request, {"analyze_logs": REPORT}))

    [summary] = called(reply).values()
    assert str(summary["summary"]).startswith(LABEL)


async def test_no_tool_is_called_where_none_may_be() -> None:
    request = await after(asked("Diagnose it", LOGS, metadata={"data": "x"}), {})
    closing = request.model_copy(update={"tool_choice": "none"})

    assert (await MODEL.complete(closing)).message.content.startswith(LABEL)


@pytest.mark.requirement("MOD-35")
async def test_a_schema_is_filled_by_name_type_and_enum_and_the_rest_left_out() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {
            "primary_goal": {"$ref": "#/$defs/Goal"},
            "risk": {"enum": ["low", "medium", "high"]},
            "service": TEXT,
            "replicas": WHOLE,
            "stage": {"enum": ["staging", "production"]},
            "mood": TEXT,
        },
        "required": ["primary_goal", "mood"],
        "$defs": {"Goal": {"enum": ["answer", "modify"], "type": "string"}},
    }
    text = "Scale the checkout service to 5 replicas in production"

    reply = await MODEL.complete(asked(text, schema=schema))

    assert json.loads(reply.message.content) == {
        "primary_goal": "modify",
        "risk": "high",
        "service": "checkout",
        "replicas": 5,
        "stage": "production",
    }


@pytest.mark.requirement("MOD-34")
async def test_equal_requests_give_byte_equal_replies_in_every_process(tmp_path: Path) -> None:
    request = asked("Diagnose the checkout slowdown", *ALL, ASK, metadata={"data": "x"})
    done = await after(request, {"analyze_logs": REPORT})
    path = tmp_path / "requests.json"
    stored = json.dumps([request.to_json(), done.to_json()])
    await anyio.Path(path).write_text(stored)
    script = f"""
import anyio, json, sys
from pathlib import Path
from weft.models import ModelRequest, get_model
from weft.language import frame
banned = ("socket.connect", "socket.bind", "time.sleep")
def watch(event, arguments):
    if event in banned: raise SystemExit(event)
async def main():
    stored = json.loads(Path({str(path)!r}).read_text())
    sys.addaudithook(watch)
    for each in stored:
        reply = await get_model("offline:").complete(ModelRequest.model_validate(each))
        print(reply.model_dump_json())
    print(json.dumps(frame("Plan it, then restart all production services")))
anyio.run(main)
"""

    async def told(seed: str) -> bytes:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script]
        return (await anyio.run_process(command, env=environment, stderr=subprocess.STDOUT)).stdout

    with anyio.fail_after(18):
        first, second = await told("1"), await told("2")

    assert first == second
    assert first.count(b"offline:rules") == 2


@pytest.mark.requirement("MOD-36")
def test_the_planner_imports_nothing_above_models() -> None:
    script = (
        "import sys, weft.models.offline.model\n"
        "print(sorted({m.split('.')[1] for m in sys.modules if m.startswith('weft.')}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )

    assert set(json.loads(done.stdout.replace("'", '"'))) <= {"core", "language", "models"}


@given(st.integers(0, len(REPORT)))
def test_a_cut_result_is_read_as_far_as_it_goes(at: int) -> None:
    read = shortened(REPORT[:at])

    findings = read.get("findings")
    whole = json.loads(REPORT)["findings"]
    assert isinstance(findings, list | None)
    assert (findings or []) == whole[: len(findings or [])]


async def test_conversations_it_makes_are_valid_on_the_wire() -> None:
    """So that a run begun offline can be continued by a model."""
    request = await after(asked("Diagnose it", LOGS, metadata={"data": "x"}), {})

    assert (
        list(problems({"model": "m", **body(request, OpenAISettings(api_key=SecretStr("k")))}))
        == []
    )
