"""What the front door does not have: debug pages, switches, a second way in."""

import re

import pytest

from tests.libs.server.door import House, finished
from weft.local.mesh import NATS_CONFIG

DANGEROUS = re.compile(r"stop|shutdown|restart|reload|config|debug|dump|metrics|admin|exec|env")


@pytest.mark.requirement("AUTH-10")
async def test_no_route_stops_reconfigures_or_dumps_the_server(house: House) -> None:
    ana = await house.client("ana")

    paths = (await ana.get("/openapi.json")).json()["paths"]

    assert "/v1/runs" in paths
    assert [path for path in paths if DANGEROUS.search(path)] == []


@pytest.mark.requirement("SEC-119")
@pytest.mark.parametrize("path", ["/docs", "/redoc", "/metrics", "/debug", "/openapi.json", "/env"])
async def test_pages_about_the_server_are_shown_to_nobody(house: House, path: str) -> None:
    nobody = await house.client(None)

    assert (await nobody.get(path)).status_code in {401, 404}


@pytest.mark.requirement("SEC-73")
@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "';--, \x01, 999.999.999.999"},
        {"x-forwarded-host": "evil.example", "x-forwarded-proto": "gopher"},
        {"forwarded": 'for="[::ffff"; host=evil'},
        {"traceparent": "00-zz-zz-zz"},
        {"traceparent": "00-" + "0" * 5000},
        {"tracestate": "," * 2000},
    ],
)
async def test_garbage_in_headers_nobody_asked_for_is_ignored(
    house: House, headers: dict[str, str]
) -> None:
    ana = await house.client("ana")

    answer = await ana.post("/invoke", json={"prompt": "hello"}, headers=headers)

    assert answer.status_code == 200
    assert re.fullmatch(r"[0-9a-f]{32}", answer.json()["trace_id"])
    assert "evil" not in answer.text + str(answer.headers)


@pytest.mark.requirement("SEC-33", "GW-6")
async def test_a_thread_is_not_deleted_under_a_run_unless_it_is_cancelled(house: House) -> None:
    ana = await house.client("ana")
    held = await ana.post("/v1/runs", json={"input": "hold on", "thread_id": "t"})
    await house.script.began.wait()

    refused = await ana.delete("/threads/t")
    deleted = await ana.delete("/threads/t?cancel=true")
    again = await ana.delete("/threads/t")
    house.script.go.set()
    gone = await ana.get("/threads/t")

    assert (refused.status_code, refused.json()["code"]) == (409, "thread_busy")
    assert deleted.json() == {"deleted": True, "pending": []}
    assert again.json() == {"deleted": False, "pending": []}
    assert gone.status_code == 404
    assert (await ana.get(f"/v1/runs/{held.json()['run_id']}")).status_code == 404


@pytest.mark.requirement("GW-20")
async def test_a_thread_that_waits_for_a_person_says_so(house: House) -> None:
    ana = await house.client("ana")
    asked = await ana.post("/v1/runs", json={"input": "ask a question", "thread_id": "t"})
    assert (await finished(ana, asked.json()["run_id"]))["status"] == "interrupted"

    refused = await ana.post("/v1/runs", json={"input": "and now?", "thread_id": "t"})

    assert (refused.status_code, refused.json()["code"]) == (409, "thread_interrupted")
    assert refused.json()["active_run_id"]


@pytest.mark.requirement("SEC-120")
def test_the_bus_has_no_monitor_port_and_listens_on_loopback_only() -> None:
    config = NATS_CONFIG.format(port=1, store="s")

    assert (
        re.findall(
            r"^\s*(?:http|https|monitor_port|http_port|websocket|mqtt|leafnodes)\b",
            config,
            re.MULTILINE,
        )
        == []
    )
    assert 'listen: "127.0.0.1:1"' in config
