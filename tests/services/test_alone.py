"""A specialist without a mesh: started by its team, spoken to by whoever may."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from a2a.client import ClientConfig, ClientFactory
from a2a.helpers import new_text_message
from a2a.types import Role, SendMessageRequest, TaskState

from tests.conftest import ROOT
from weft.core import new_id

KEY = "a-key-of-24-characters-x"
MODULE = "services.log_analyst.main"


@contextmanager
def started(home: Path, *flags: str) -> Iterator[tuple[str, Path]]:
    """Yield the address of a specialist, and the file of its log."""
    log = home / "stderr"
    command = [sys.executable, "-m", MODULE, "--home", str(home / "weft"), *flags]
    with (
        log.open("wb") as file,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=file) as process,
    ):
        try:
            assert process.stdout is not None
            words = process.stdout.readline().decode().split()
            assert words[:1] == ["ready"], log.read_text()
            yield words[1], log
        finally:
            process.terminate()


def refused(home: Path, *flags: str) -> tuple[int, str]:
    command = [sys.executable, "-m", MODULE, "--home", str(home / "weft"), *flags]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stderr.splitlines()[-1]


def sent(url: str, text: str, **options: object) -> httpx.Response:
    message = {"messageId": new_id(), "role": "ROLE_USER", "parts": [{"text": text}], **options}
    params = {"message": message}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params}
    return httpx.post(url, json=body, timeout=60)


@pytest.fixture
def incident(tmp_path: Path) -> Path:
    """Logs of our own in which payment begins to fail."""
    for part, lines in (("baseline", 0), ("incident", 40)):
        folder = tmp_path / "shop" / part
        folder.mkdir(parents=True)
        rows = [f"2026-05-04T10:{n:02}:00Z INFO payment paid order {n}" for n in range(60)]
        rows += [
            f"2026-05-04T10:{n:02}:30Z ERROR payment pool exhausted: 50 of 50 in use"
            for n in range(10, 10 + lines)
        ]
        (folder / "payment.log").write_text(
            "\n".join(sorted(rows, key=lambda row: row[:20])) + "\n"
        )
    return tmp_path / "shop"


@pytest.mark.requirement("A2A-87")
def test_open_on_loopback_it_needs_neither_mesh_nor_bus_nor_token(
    tmp_path: Path, incident: Path
) -> None:
    with started(tmp_path, "--open", "--data", str(incident)) as (url, log):
        card = httpx.get(f"{url}/.well-known/agent-card.json").json()
        task = sent(url, "Which service logs new errors?").json()["result"]["task"]
        rebound = httpx.get(f"{url}/.well-known/agent-card.json", headers={"host": "evil.example"})
        stranger = httpx.post(url, json={}, headers={"host": "evil.example"})

    assert "securitySchemes" not in card
    assert card["supportedInterfaces"][0]["url"] == url
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert "payment" in json.dumps(task["artifacts"])
    # The card is public; work is done for the names of this machine only.
    assert rebound.status_code == 200
    assert stranger.status_code == 421 or "error" in stranger.json()
    # Nothing is said of a bus that nobody asked for.
    assert "bus" not in log.read_text()


def test_with_a_key_it_serves_who_has_it(tmp_path: Path) -> None:
    with started(tmp_path, "--api-key", KEY) as (url, log):
        card = httpx.get(f"{url}/.well-known/agent-card.json").json()
        body = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": new_id()}}
        answers = [
            httpx.post(url, json=body, headers=headers)
            for headers in (
                {},
                {"X-API-Key": "another-key-of-24-chars-"},
                {"Authorization": f"Basic {KEY}"},
                {"X-API-Key": KEY},
                {"Authorization": f"Bearer {KEY}"},
            )
        ]
        logged = log.read_text()

    assert [answer.status_code for answer in answers] == [401, 401, 401, 200, 200]
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert answers[3].json()["error"]["code"] == answers[4].json()["error"]["code"] == -32001
    schemes = card["securitySchemes"]
    assert schemes["apiKey"]["apiKeySecurityScheme"] == {"location": "header", "name": "X-API-Key"}
    assert card["securityRequirements"] == [{"schemes": {name: {}}} for name in schemes]
    assert KEY not in logged


@pytest.mark.requirement("A2A-62")
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--open", "--host", "0.0.0.0"), "loopback"),  # noqa: S104 - refused
        (("--open", "--api-key", KEY), "give one of them"),
        (("--api-key", "short"), "less than 16 characters"),
    ],
)
def test_what_would_serve_others_than_was_meant_is_refused(
    tmp_path: Path, flags: tuple[str, ...], words: str
) -> None:
    code, line = refused(tmp_path, *flags)

    assert code == 1
    assert words in line


@pytest.mark.requirement("A2A-87")
async def test_the_reference_client_speaks_to_it(tmp_path: Path, incident: Path) -> None:
    with started(tmp_path, "--open", "--data", str(incident)) as (url, _):
        async with httpx.AsyncClient(timeout=60) as http:
            client = await ClientFactory(ClientConfig(httpx_client=http)).create_from_url(url)
            request = SendMessageRequest(
                message=new_text_message("Which service logs new errors?", role=Role.ROLE_USER)
            )
            events = [event async for event in client.send_message(request)]

    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
    assert any("payment" in str(event.artifact_update) for event in events)
