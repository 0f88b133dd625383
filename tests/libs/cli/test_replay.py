"""What `weft replay` says of a replay, in one screen, and how it ends."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner

from tests.libs.server.sockets import served
from weft.cli.main import app
from weft.core import JsonObject

LOGS: JsonObject = {
    "path": ["diagnose", "logs"], "agent": "log_analyst", "turns": 2, "calls": 1,
    "difference": None, "not_compared": "",
}  # fmt: skip
OTHER: JsonObject = {
    "path": ["diagnose", "logs", "think#2"], "event": "agent.model.completed",
    "what": "the instructions that the model is given", "recorded": "something else (1f)",
    "replayed": "Be brief.",
}  # fmt: skip
SO_FAR = "It comes out the same as far as it was walked again"
DOCUMENTS: dict[str, JsonObject] = {
    "same": {"same": True, "difference": None, "agents": [LOGS]},
    "other": {"same": False, "difference": OTHER, "agents": [{**LOGS, "difference": OTHER}]},
    "gap": {
        "same": None, "difference": None,
        "agents": [LOGS, {**LOGS, "agent": "stranger", "not_compared": "stranger is away"}],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    ready, stop, ports = threading.Event(), asyncio.Event(), list[int]()
    loops: list[asyncio.AbstractEventLoop] = []

    async def replay(request: Request) -> JSONResponse:
        return JSONResponse(DOCUMENTS[request.path_params["run_id"]])

    async def keep() -> None:
        loops.append(asyncio.get_running_loop())
        door = Starlette(routes=[Route("/v1/runs/{run_id}/replay", replay)])
        async with served(door) as port:
            ports.append(port)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(keep()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield f"http://127.0.0.1:{ports[0]}"
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(10)


@pytest.mark.requirement("CLI-5")
@pytest.mark.parametrize(
    ("run_id", "code", "lines"),
    [
        ("same", 0, [
            "It comes out the same: the plan, and inside 1 agent 2 replies and 1 tool call.",
            "diagnose/logs  log_analyst  the same: 2 replies, 1 tool call",
        ]),
        ("other", 1, [
            f"It differs at diagnose/logs/think#2 (inside log_analyst), {OTHER['what']}:",
            "  recorded  something else (1f)",
            "  replayed  Be brief.",
            "diagnose/logs  log_analyst  differs: the instructions that the model is given",
        ]),
        ("gap", 5, [
            f"{SO_FAR}: the plan, and inside 1 agent 2 replies and 1 tool call.",
            "diagnose/logs  stranger     not compared: stranger is away",
        ]),
    ],
)  # fmt: skip
def test_the_first_difference_and_what_was_not_compared_are_said(
    url: str, run_id: str, code: int, lines: list[str]
) -> None:
    result = CliRunner().invoke(app, ["--url", url, "--key", "k", "replay", run_id])

    assert result.exit_code == code, result.stderr
    assert [line for line in lines if line not in result.stdout.splitlines()] == []


@pytest.mark.requirement("CLI-5")
def test_all_of_it_is_one_json_document(url: str) -> None:
    result = CliRunner().invoke(app, ["--url", url, "--key", "k", "replay", "other", "--json"])

    assert result.exit_code == 1
    assert '"replayed": "Be brief."' in result.stdout
