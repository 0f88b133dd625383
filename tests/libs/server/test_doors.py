"""What a door reads, and of whom: nothing of a stranger's body, and every number whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from starlette.types import ASGIApp, Message, Scope

from tests.libs.server.door import House, Names, gate_of, opened
from weft.checkpoint import Checkpointer
from weft.core import JsonObject, JsonValue, Principal, loads_object
from weft.core.errors import ConfigError, StoreUnavailableError, UnauthenticatedError
from weft.identity import leases
from weft.server.admission import ApiOptions
from weft.server.api import api
from weft.server.edge import EdgeRules, accepted_hosts
from weft.server.requests import MAX_WAIT_S


async def answered(
    house: House, method: str, path: str, *headers: tuple[bytes, bytes]
) -> tuple[int, int]:
    """Return the status, and how often the server asked for a piece of the body."""
    reads = 0
    status = 0

    async def receive() -> Message:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b"[" + b"1," * 50_000, "more_body": True}

    async def send(message: Message) -> None:
        nonlocal status
        status = int(message.get("status", status))

    scope: Scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"),
                    (b"transfer-encoding", b"chunked"), *headers],
        "server": ("localhost", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await house.app(scope, receive, send)
    return status, reads


@pytest.mark.requirement("SEC-1", "AUTH-5")
@pytest.mark.parametrize("path", ["/", "/health", "/liveness", "/readiness", "/invoke", "/nothing"])
async def test_a_strangers_body_is_not_read(house: House, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        status, reads = await answered(house, method, path)

        assert (status, reads) == (405 if path in OPEN else 401, 0)


OPEN = {"/", "/health", "/liveness", "/readiness"}


async def test_who_has_no_body_to_send_is_not_read_either(house: House) -> None:
    ana = (b"authorization", b"Bearer ana")

    assert await answered(house, "GET", "/v1/me", ana) == (200, 0)
    assert await answered(house, "POST", "/health", ana) == (405, 0)
    assert await answered(house, "GET", "/health") == (200, 0)


@pytest.mark.requirement("GW-1")
@pytest.mark.parametrize("path", ["/v1/threads/%ff/runs", "/threads/%fe", "/v1/runs/%c3%28"])
async def test_a_path_is_utf_8_or_refused(ana: httpx.AsyncClient, path: str) -> None:
    answer = await ana.post(path, json={"input": "hello"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request_line")


@asynccontextmanager
async def finished_run(ana: httpx.AsyncClient) -> AsyncIterator[JsonObject]:
    answer = await ana.post("/invoke", json={"prompt": "hello"})
    yield loads_object(answer.content)


NO_LIMITS = [
    "0", "1001", "-1", "+1", "1.0", "1e2", " 1", "", "ten", "\N{SUPERSCRIPT TWO}",
    "\N{ARABIC-INDIC DIGIT THREE}", "000000001999999999", "000000001" + "9" * 30,
    "000000001" + "9" * 5000, "1" * 5000,
]  # fmt: skip


@pytest.mark.requirement("GW-39")
@pytest.mark.parametrize("limit", NO_LIMITS)
async def test_a_limit_is_read_whole(ana: httpx.AsyncClient, limit: str) -> None:
    async with finished_run(ana) as run:
        answer = await ana.get(f"/v1/runs/{run['run_id']}/events", params={"limit": limit})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == "/limit"


NO_CURSORS = ["-1", "1.0", "", "x", "9" * 17, "9" * 5000, "0" * 5000, "\N{SUPERSCRIPT TWO}"]


@pytest.mark.requirement("SSE-6")
@pytest.mark.parametrize("cursor", NO_CURSORS)
async def test_a_cursor_is_read_whole(ana: httpx.AsyncClient, cursor: str) -> None:
    async with finished_run(ana) as run:
        place = f"/v1/runs/{run['run_id']}"
        headers = {b"last-event-id": cursor.encode("latin-1", "ignore")}
        answers = [
            await ana.get(f"{place}/stream", headers=headers),
            await ana.get(f"{place}/stream", params={"after": cursor}),
            await ana.get(f"{place}/events", params={"after": cursor}),
        ]

    assert {(each.status_code, each.json()["code"]) for each in answers} == {
        (400, "invalid_cursor")
    }


@pytest.mark.parametrize("wait", ["x", "-1", "1.5", "", "9" * 30, "9" * 5000, "0x1", "1 2"])
async def test_a_wait_that_is_no_number_is_refused(ana: httpx.AsyncClient, wait: str) -> None:
    answer = await ana.post(
        "/v1/runs", json={"input": "hello"}, headers={"prefer": f"respond-async, wait={wait}"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_only_a_preference_called_wait_waits(ana: httpx.AsyncClient) -> None:
    for prefer in ("no-wait=5", "foo; wait=5", 'handling="wait=5"'):
        answer = await ana.post("/v1/runs", json={"input": "hello"}, headers={"prefer": prefer})
        assert answer.status_code == 202, prefer
    for prefer in ("wait=5", 'Wait="5"', "respond-async, wait = 5", f"wait={'9' * 15}"):
        answer = await ana.post("/v1/runs", json={"input": "hello"}, headers={"prefer": prefer})
        assert answer.status_code == 200, prefer
        waited = answer.headers["preference-applied"]
        assert waited == ("wait=5" if "5" in prefer else f"wait={MAX_WAIT_S:.0f}")


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "x", "9" * 8, "0" * 5000, "9" * 5000])
async def test_a_time_in_the_header_is_read_whole(ana: httpx.AsyncClient, given: str) -> None:
    answer = await ana.post("/v1/runs", json={"input": "hello"}, headers={"weft-timeout-ms": given})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("length", ["0" * 20 + "9", "+5", "1_0", "", "9" * 5000])
async def test_a_length_is_read_whole(ana: httpx.AsyncClient, length: str) -> None:
    answer = await ana.post(
        "/v1/runs",
        content=b'{"input": "hello"}',
        headers={"content-length": length, "content-type": "application/json"},
    )

    assert answer.status_code in {400, 413}


METADATA: list[JsonObject] = [
    {"k" * 513: 1},
    {"a": "x" * 513},
    {"a": {"b": "x" * 513}},
    {"a": [["x" * 513]]},
    {"a": {"k" * 513: 1}},
    {"a": ["x" * 500] * 100},
    {str(n): 1 for n in range(17)},
]


@pytest.mark.parametrize("metadata", METADATA)
async def test_metadata_is_small_at_every_depth(
    ana: httpx.AsyncClient, metadata: JsonObject
) -> None:
    answer = await ana.post("/v1/runs", json={"input": "hello", "metadata": metadata})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/metadata")


class Revocable(Names):
    """Knows people until they are forgotten."""

    def __init__(self) -> None:
        self.gone = False
        self.away = False
        self.asked = asyncio.Event()

    async def authenticate(self, credential: str) -> Principal:
        self.asked.set()
        if self.away:
            raise StoreUnavailableError("the keys cannot be read now")
        if self.gone:
            raise UnauthenticatedError("the key was revoked")
        return await super().authenticate(credential)


@dataclass
class Open:
    """A request that is being answered."""

    status: asyncio.Future[int]
    pieces: list[bytes]
    task: asyncio.Task[None]


def opened_stream(app: ASGIApp, path: str, method: str = "GET", body: bytes = b"") -> Open:
    status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    pieces: list[bytes] = []
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if given:
            return given.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody leaves here")

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            status.set_result(message["status"])
        else:
            pieces.append(message["body"])

    scope: Scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost"), (b"authorization", b"Bearer ana"),
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode())],
        "server": ("localhost", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    return Open(status, pieces, asyncio.create_task(app(scope, receive, send)))  # type: ignore[arg-type]  # an awaitable that is a coroutine


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RECHECK_SECONDS", 0.05)


@pytest.mark.requirement("AUTH-2", "SEC-9")
@pytest.mark.usefixtures("quick")
async def test_an_open_stream_ends_with_its_key(house: House, ana: httpx.AsyncClient) -> None:
    run = (await ana.post("/v1/runs", json={"input": "hold"})).json()["run_id"]
    keys = Revocable()
    stream = opened_stream(api(house.runs, keys, gate_of(house.runs)), f"/v1/runs/{run}/stream")
    assert await asyncio.wait_for(stream.status, 5) == 200
    for _ in range(3):
        keys.asked.clear()
        await asyncio.wait_for(keys.asked.wait(), 5)
    assert not stream.task.done()

    keys.gone = True

    await asyncio.wait_for(stream.task, 5)
    assert b"run.completed" not in b"".join(stream.pieces)
    assert stream.pieces[-1] == b""


@pytest.mark.requirement("AUTH-2")
@pytest.mark.usefixtures("quick")
async def test_a_long_wait_ends_with_its_key(house: House) -> None:
    keys = Revocable()
    body = b'{"prompt": "hold"}'
    waiting = opened_stream(api(house.runs, keys, gate_of(house.runs)), "/invoke", "POST", body)
    await asyncio.wait_for(house.script.began.wait(), 5)

    keys.gone = True

    assert await asyncio.wait_for(waiting.status, 5) == 401
    await asyncio.wait_for(waiting.task, 5)


@pytest.mark.usefixtures("quick")
async def test_a_store_of_keys_that_is_away_ends_nothing(
    house: House, ana: httpx.AsyncClient
) -> None:
    run = (await ana.post("/v1/runs", json={"input": "hold"})).json()["run_id"]
    keys = Revocable()
    stream = opened_stream(api(house.runs, keys, gate_of(house.runs)), f"/v1/runs/{run}/stream")
    assert await asyncio.wait_for(stream.status, 5) == 200
    keys.away = True
    for _ in range(3):
        keys.asked.clear()
        await asyncio.wait_for(keys.asked.wait(), 5)

    house.script.go.set()

    await asyncio.wait_for(stream.task, 5)
    assert b"run.completed" in b"".join(stream.pieces)


HOSTS = ("127.0.0.1", "localhost", "[::1]", "mesh.example", "other.example:8443")


@pytest.mark.requirement("SEC-71")
async def test_the_hosts_that_were_named_are_answered_and_no_others(house: House) -> None:
    app = api(house.runs, Names(), gate_of(house.runs), rules=EdgeRules(hosts=HOSTS))
    answers = {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        for host in (
            "localhost", "localhost:8000", "[::1]:8000", "Mesh.Example", "mesh.example:1",
            "other.example:8443", "other.example", "other.example:80", "testserver", "evil",
            "mesh.example.evil", "mesh.example@evil", "evil#mesh.example", "mesh.example:x",
            "mesh.example:", "[::1", "",
        ):  # fmt: skip
            answers[host] = (await client.get("/health", headers={"host": host})).status_code

    assert [host for host, status in answers.items() if status == 200] == [
        "localhost", "localhost:8000", "[::1]:8000", "Mesh.Example", "mesh.example:1",
        "other.example:8443",
    ]  # fmt: skip


ANY = "0.0.0.0"  # noqa: S104 - what a setting may say
LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]


@pytest.mark.requirement("AUTH-6")
@pytest.mark.parametrize(
    ("names", "bound", "url", "more"),
    [
        ("", "127.0.0.1", None, []),
        ("", ANY, None, []),
        ("", "::", None, []),
        ("", "192.0.2.2", None, ["192.0.2.2"]),
        ("", "2001:db8::1", None, ["[2001:db8::1]"]),
        ("", ANY, "https://Mesh.example:8443/", ["mesh.example:8443"]),
        (" Mesh.example , 10.0.0.5:8443,", ANY, None, ["mesh.example", "10.0.0.5:8443"]),
    ],
)
def test_a_server_answers_to_its_own_names_and_those_it_was_given(
    names: str, bound: str, url: str | None, more: list[str]
) -> None:
    assert list(accepted_hosts(names, bound=bound, url=url)) == [*LOOPBACK, *more]


@pytest.mark.parametrize("names", ["*", "*.example", "http://mesh.example", "a:b", "mesh:123456"])
def test_what_is_no_host_name_is_refused(names: str) -> None:
    with pytest.raises(ConfigError, match=r"mesh\.example\.com:8443"):
        accepted_hosts(names, bound="127.0.0.1", url=None)


UNKNOWN = [
    ("/invoke", {"promt": "hello"}, "/promt", "did you mean 'prompt'?"),
    ("/v1/runs", {"input": "hello", "budget": {"token": 1}}, "/budget/token", "'tokens'?"),
    ("/v1/runs", {"input": [{"role": "user", "contents": "x"}]}, "/input/0/contents", "'content'?"),
    ("/v1/runs", {"input": "hello", "zzzzzz": 1}, "/zzzzzz", "known: agent, budget,"),
]


@pytest.mark.requirement("GW-39")
@pytest.mark.parametrize(("path", "body", "pointer", "words"), UNKNOWN)
async def test_an_unknown_field_is_answered_with_those_there_are(
    ana: httpx.AsyncClient, path: str, body: JsonObject, pointer: str, words: str
) -> None:
    answer = await ana.post(path, json=body)

    faults = {each["pointer"]: each["message"] for each in answer.json()["errors"]}
    assert answer.status_code == 422
    assert words in faults[pointer]


async def test_no_refusal_names_a_class_of_ours(ana: httpx.AsyncClient) -> None:
    bodies = [
        {"input": "x", "budget": 5}, {"input": "x", "budget": []}, {"input": [5]},
        {"input": [{"role": "robot", "content": 5}]}, {"input": "x", "metadata": []},
        {"input": "x", "on_conflict": "?"}, {"input": {}}, {"input": "x", "goal": 1},
    ]  # fmt: skip
    for body in bodies:
        answer = await ana.post("/v1/runs", json=body)

        assert answer.status_code == 422
        for word in ("RunBudget", "RunRequest", "InputMessage", "InputPart", "instance of", "<"):
            assert word not in answer.text


@pytest.mark.requirement("GW-30")
@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ("yes", ""),
        (True, ""),
        (None, ""),
        ({}, "/approved"),
        ({"approved": "yes"}, "/approved"),
        ({"approved": 1}, "/approved"),
        ({"approved": None}, "/approved"),
    ],
)
async def test_an_approval_that_is_no_yes_or_no_approves_nothing(
    checkpointer: Checkpointer, payload: JsonValue, pointer: str
) -> None:
    async with opened(checkpointer, options=ApiOptions(self_approval=True)) as house:
        ana = await house.client("ana")
        run = (await ana.post("/invoke", json={"prompt": "ask approval"})).json()
        place = f"/v1/runs/{run['run_id']}"
        answer = {"responses": [{"interrupt_id": "a" * 32, "payload": payload}]}

        refused = await ana.post(f"{place}/resume", json=answer)

        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_response")
        assert refused.json()["errors"][0]["pointer"] == f"/responses/0/payload{pointer}"
        assert (await ana.get(place)).json()["status"] == "interrupted"
        answer["responses"][0]["payload"] = {"approved": False}
        assert (await ana.post(f"{place}/resume", json=answer)).status_code == 202
