"""Alertmanager's webhook at the front door: one run per group and start."""

from copy import deepcopy
from typing import Any, cast

import anyio
import httpx
import pytest

from tests.libs.server.door import STORES, House, finished

DELIVERY: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}/{severity="page"}:{alertname="SlowOrders", service="orders"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "weft",
    "groupLabels": {"alertname": "SlowOrders", "service": "orders"},
    "commonLabels": {"alertname": "SlowOrders", "service": "orders", "severity": "page"},
    "commonAnnotations": {"summary": "p95 of orders is above 2 s"},
    "externalURL": "http://alerts.example:9093",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "SlowOrders", "service": "orders", "pod": "orders-1"},
            "annotations": {"summary": "p95 of orders is above 2 s"},
            "startsAt": "2026-03-01T10:00:00.5Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph",
            "fingerprint": "a1b2",
        }
    ],
}


@STORES
@pytest.mark.requirement("DIAG-21")
async def test_repeated_deliveries_find_the_same_run(house: House, ana: httpx.AsyncClient) -> None:
    first = await ana.post("/v1/alerts", json=DELIVERY)
    await finished(ana, first.json()["run_id"])
    grown = deepcopy(DELIVERY)
    grown["alerts"].append({**DELIVERY["alerts"][0], "startsAt": "2026-03-01T10:05:00Z"})
    grown["commonAnnotations"] = {}

    again = [await ana.post("/v1/alerts", json=body) for body in (DELIVERY, grown, DELIVERY)]

    assert first.status_code == 202
    assert {answer.status_code for answer in again} == {200}
    assert {answer.json()["run_id"] for answer in again} == {first.json()["run_id"]}
    assert first.headers["location"] == f"/v1/runs/{first.json()['run_id']}"
    assert len(house.script.executed) == 1


@STORES
@pytest.mark.requirement("DIAG-21")
async def test_deliveries_at_the_same_time_make_one_run(
    house: House, ana: httpx.AsyncClient
) -> None:
    answers: list[httpx.Response] = []

    async def deliver(number: int) -> None:
        body = deepcopy(DELIVERY)
        body["commonAnnotations"] = {"summary": f"seen {number} times"}
        answers.append(await ana.post("/v1/alerts", json=body))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(deliver, number)
    await finished(ana, answers[0].json()["run_id"])

    assert {answer.status_code for answer in answers} == {200, 202}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert len(house.script.executed) == 1


@pytest.mark.requirement("DIAG-21")
async def test_labels_and_times_become_the_request(house: House, ana: httpx.AsyncClient) -> None:
    answer = await ana.post("/v1/alerts", json=DELIVERY)
    run = cast(dict[str, Any], await finished(ana, answer.json()["run_id"]))

    goal = house.script.executed[0]
    assert goal.startswith("Diagnose the alert SlowOrders, firing since 2026-03-01T10:00:00.5")
    assert "service orders, severity page" in goal
    assert "p95 of orders is above 2 s." in goal
    assert "- pod orders-1" in goal
    assert run["metadata"]["alert_time"].startswith("2026-03-01T10:00:00.5")
    assert run["metadata"]["alert"]["service"] == "orders"


@pytest.mark.requirement("DIAG-21")
async def test_a_group_that_fires_anew_is_a_new_run(ana: httpx.AsyncClient) -> None:
    first = await ana.post("/v1/alerts", json=DELIVERY)
    later = deepcopy(DELIVERY)
    later["alerts"][0]["startsAt"] = "2026-03-02T08:00:00Z"
    second = await ana.post("/v1/alerts", json=later)

    assert second.status_code == 202
    assert first.json()["run_id"] != second.json()["run_id"]


async def test_a_resolved_group_starts_nothing(house: House, ana: httpx.AsyncClient) -> None:
    resolved = {**DELIVERY, "status": "resolved"}

    before = await ana.post("/v1/alerts", json=resolved)
    fired = await ana.post("/v1/alerts", json=DELIVERY)
    after = await ana.post("/v1/alerts", json=resolved)

    assert (before.status_code, before.json()) == (200, {"run_id": None, "status": None})
    assert after.json()["run_id"] == fired.json()["run_id"]
    assert len(house.script.executed) <= 1


async def test_what_is_no_delivery_is_refused_with_its_places(
    house: House, ana: httpx.AsyncClient
) -> None:
    wrong = {**DELIVERY, "groupKey": "", "alerts": [{"labels": {"a": 1}, "startsAt": "soon"}]}

    answer = await ana.post("/v1/alerts", json=wrong)
    reader = await house.client("reader")
    forbidden = await reader.post("/v1/alerts", json=DELIVERY)

    assert answer.status_code == 422
    places = {fault["pointer"] for fault in answer.json()["errors"]}
    assert {"/groupKey", "/alerts/0/labels/a", "/alerts/0/startsAt"} <= places
    assert forbidden.status_code == 403
    assert house.script.executed == []


async def test_an_enormous_group_is_told_in_short(house: House, ana: httpx.AsyncClient) -> None:
    body = deepcopy(DELIVERY)
    body["alerts"] = [
        {**DELIVERY["alerts"][0], "labels": {"pod": f"orders-{number}", "note": "x" * 1000}}
        for number in range(400)
    ]

    answer = await ana.post("/v1/alerts", json=body)

    assert answer.status_code == 202
    await finished(ana, answer.json()["run_id"])
    goal = house.script.executed[0]
    assert goal.count("\n- pod") == 10
    assert "and 390 more" in goal
    assert len(goal) < 8_000
