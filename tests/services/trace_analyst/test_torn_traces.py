"""What is odd about the ids and names of spans makes nobody a suspect."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from incidents.cases import DataRoots
from services.trace_analyst.tools import ANALYZE_TRACES
from weft.core import Claim

ALERT = 1_700_000_000.0
Json = dict[str, Any]
Change = Callable[[str, Json], None]


def request(number: int, at: float, pause: float = 0.0) -> dict[str, list[Json]]:
    """One request: edge calls desk, which calls stock; `pause` is what desk waits for nobody."""

    def span(ident: str, parent: str, begin: float, end: float) -> Json:
        return {
            "traceId": f"{number:032x}", "spanId": f"{ident * 8}", "parentSpanId": parent * 8,
            "name": f"op {ident}", "kind": "SPAN_KIND_SERVER",
            "startTimeUnixNano": str(int((at + begin) * 1e9)),
            "endTimeUnixNano": str(int((at + end) * 1e9)), "status": {},
        }  # fmt: skip

    return {
        "edge": [span("aa", "", 0, 0.1 + pause)],
        "mail": [span("bb", "aa", 0.002, 0.01)],
        "desk": [span("cc", "aa", 0.02, 0.08 + pause)],
        "stock": [span("dd", "cc", 0.03, 0.06)],
    }


def write(path: Path, start: float, change: Change, pause: float = 0.0) -> None:
    listed = []
    for number in range(30):
        for service, spans in request(number + int(start), start + number, pause).items():
            named: Json = {
                "attributes": [{"key": "service.name", "value": {"stringValue": service}}]
            }
            resource: Json = {"resource": named, "scopeSpans": [{"spans": spans}]}
            change(service, resource)
            listed.append(resource)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"resourceSpans": listed}))


def nothing(_service: str, _resource: Json) -> None:
    """Leave it as it is."""


def in_capitals(_service: str, resource: Json) -> None:
    for span in resource["scopeSpans"][0]["spans"]:
        span["parentSpanId"] = span["parentSpanId"].upper()


def nameless(service: str, resource: Json) -> None:
    if service == "desk":
        resource["resource"] = {"attributes": []}


def torn(service: str, resource: Json) -> None:
    if service == "stock":
        resource["scopeSpans"][0]["spans"][0]["parentSpanId"] = "ee" * 8


async def analyzed(root: Path, change: Change, pause: float = 0.0) -> Json:
    write(root / "baseline/traces/t.json", ALERT - 900, nothing)
    write(root / "case/traces/t.json", ALERT, change, pause)
    facts = {"alert_time_unix": ALERT, "baseline": "baseline", "traces": ["t.json"]}
    (root / "case/case.json").write_text(json.dumps(facts))
    tool = ANALYZE_TRACES.tool(DataRoots([root]))
    result: Json = await to_thread.run_sync(tool, "case")
    return result


def causes(result: Json) -> list[str]:
    claims = [Claim.model_validate(claim) for claim in result["claims"]]
    return [claim.subject for claim in claims if claim.kind == "cause"]


@pytest.mark.requirement("DIAG-16")
async def test_ids_in_another_case_change_nothing(tmp_path: Path) -> None:
    result = await analyzed(tmp_path, in_capitals, pause=0.4)

    assert causes(result)[0] == "desk"
    assert result["problems"] == []


@pytest.mark.requirement("DIAG-16")
async def test_a_service_without_a_name_is_not_replaced_by_a_healthy_one(tmp_path: Path) -> None:
    result = await analyzed(tmp_path, nameless, pause=0.4)

    assert not set(causes(result)) & {"edge", "mail", "stock"}
    assert "name no service" in result["problems"][0]["problem"]


@pytest.mark.requirement("DIAG-16")
async def test_broken_parents_blame_nobody(tmp_path: Path) -> None:
    result = await analyzed(tmp_path, torn)

    assert causes(result) == []
    assert result["problems"][0]["problem"] == "30 of 120 spans name a parent that is not there"


async def test_a_servers_own_time_is_not_its_callees(tmp_path: Path) -> None:
    result = await analyzed(tmp_path, nothing, pause=0.4)

    assert causes(result)[0] == "desk"
