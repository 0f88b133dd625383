"""The application as a whole: problems for everything refused, and its own description."""

import logging

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tests.libs.server.door import House, Names, gate_of
from weft.core import Principal
from weft.core.error_table import LOOKS
from weft.core.errors import ConfigError, StoreFullError, WeftError
from weft.server.api import api
from weft.server.edge import EdgeRules
from weft.service.logs import JsonLines
from weft.service.problems import problem

MEMBERS = {
    "type", "title", "status", "detail", "instance", "code", "retryable", "trace_id", "errors",
}  # fmt: skip
PARENT = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


def client(house: House, router: APIRouter | None = None, **rules: object) -> httpx.AsyncClient:
    app = api(
        house.runs,
        Names(),
        gate_of(house.runs),
        rules=EdgeRules(**rules),  # type: ignore[arg-type]
        extra_routes=[router] if router else [],
    )
    headers = {"authorization": "Bearer ana"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "not_found"),
        ("GET", "/v1/runs/", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/metrics", 404, "not_found"),
        ("PUT", "/v1/me", 405, "method_not_allowed"),
        ("BREW", "/v1/me", 405, "method_not_allowed"),
        ("GET", "/invoke", 405, "method_not_allowed"),
        ("POST", "/invoke", 400, "invalid_json"),
    ],
)
async def test_every_refusal_is_a_problem(
    ana: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await ana.request(method, path, headers={"traceparent": PARENT})

    said = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(said) >= MEMBERS
    assert (answer.status_code, said["status"], said["code"]) == (status, status, code)
    assert said["type"] == f"urn:weft:problem:{code}"
    assert (said["instance"], said["trace_id"]) == (path, "ab" * 16)


@pytest.mark.requirement("AUTH-11", "SEC-118")
async def test_a_crash_tells_its_id_and_nothing_else(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    router = APIRouter()

    @router.get("/crash")
    async def crash(request: Request) -> Response:
        raise RuntimeError("SELECT secret: " + request.headers["authorization"])

    async with client(house, router) as ana:
        answer = await ana.get("/crash")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    [record] = [each for each in caplog.records if each.message == "request_crashed"]
    line = JsonLines("test").format(record)
    assert answer.json()["trace_id"] in line
    for text in (answer.text, line):
        assert "SELECT" not in text
        assert "Bearer" not in text
    assert {each.levelno for each in caplog.records} == {logging.ERROR}


@pytest.mark.requirement("AUTH-11", "SEC-118")
async def test_a_crash_before_any_route_tells_no_more(house: House) -> None:
    class Broken:
        async def authenticate(self, credential: str) -> Principal:
            raise RuntimeError(f"SELECT secret: {credential}")

    transport = httpx.ASGITransport(api(house.runs, Broken(), gate_of(house.runs)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as ana:
        answer = await ana.get("/v1/me", headers={"authorization": "Bearer ana"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "SELECT" not in answer.text


def of_code(wanted: str) -> WeftError:
    class CodedError(WeftError):
        code = wanted

    return CodedError("words")


def test_every_problem_has_a_code_of_the_table_and_its_status() -> None:
    for code, row in LOOKS.items():
        shown = problem(of_code(code), instance="/", trace_id="t")

        assert shown["code"] == (row.refusal or "internal")
        assert shown["status"] == LOOKS[str(shown["code"])].http
        assert ("words" in str(shown["detail"])) == (row.refusal is not None)


def test_errors_of_the_inside_keep_their_words_inside() -> None:
    shown = problem(ConfigError("the password is wrong"), instance="/", trace_id="t")
    full = problem(StoreFullError("no room"), instance="/", trace_id="t")

    assert (shown["code"], "password" in str(shown)) == ("internal", False)
    assert (full["code"], full["status"], full["retryable"]) == ("store_unavailable", 503, True)


@pytest.mark.requirement("AUTH-6")
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("[::1]", 200),
        ("evil", 400),
        ("localhost.evil", 400),
        ("localhost:x", 400),
        ("", 400),
        ("127.0.0.1:80:90", 400),
    ],
)
async def test_only_a_known_host_is_served(house: House, host: str, status: int) -> None:
    async with client(house) as ana:
        answer = await ana.get("/health", headers={"host": host})

    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "invalid_host"


async def test_the_description_names_every_route_once_and_resolves(
    ana: httpx.AsyncClient,
) -> None:
    document = (await ana.get("/openapi.json")).json()

    operations = [route for path in document["paths"].values() for route in path.values()]
    ids = [each["operationId"] for each in operations]
    assert len(set(ids)) == len(ids) == 25
    assert document["openapi"].startswith("3.1")
    invoke = document["paths"]["/invoke"]["post"]["requestBody"]["content"]["application/json"]
    assert invoke["schema"]["additionalProperties"] is False
    wanted = set()
    for part in str(document).split("#/components/schemas/")[1:]:
        wanted.add(part.split("'")[0])
    assert wanted <= set(document["components"]["schemas"])
