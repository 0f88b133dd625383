"""The guard in front of every route, over real sockets: bad requests get a clear no."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.lowlevel
import pytest
from starlette.types import Receive, Scope, Send

from tests.libs.server.door import House
from tests.libs.server.sockets import HEAD, Hasty, asked, get, post, served
from weft.core import RunId

MEGABYTE = 1024 * 1024


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Production runs on uvloop, whose transports behave differently."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def port(house: House) -> AsyncIterator[int]:
    async with served(house.app) as number:
        yield number


@pytest.fixture
async def hasty(house: House) -> AsyncIterator[int]:
    async with served(house.app, Hasty) as number:
        yield number


async def lives(port: int) -> bool:
    with anyio.fail_after(2):
        answer = await asked(port, post(b'{"prompt":"hello"}'))
    return answer.status == 200 and answer.json["message"] == "echo: hello"


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.requirement("AUTH-5", "GW-39", "SEC-5", "SEC-46", "SEC-89")
async def test_bad_bearers_and_bad_bodies_get_a_clear_no_and_the_server_lives(port: int) -> None:
    host = b"host: localhost\r\ncontent-type: application/json\r\n"
    good = b'{"prompt":"hello"}'

    def bearer(token: bytes) -> bytes:
        return post(good, head=host + b"authorization: Bearer " + token + b"\r\n")

    missing = await asked(port, post(good, head=host))
    wrong = await asked(port, bearer(b"wft_0123456789abcdef_nobody"))
    not_ascii = await asked(port, bearer("schlüssel".encode()))
    huge = await asked(port, bearer(b"k" * 64 * 1024))
    assert [each.status for each in (missing, wrong, not_ascii, huge)] == [401, 401, 401, 431]
    assert huge.json["code"] == "headers_too_large"

    large = b"POST /invoke HTTP/1.1\r\n%scontent-length: %d\r\n\r\n" % (HEAD, 60 * MEGABYTE)
    body = await asked(port, large, more=itertools.repeat(b" " * MEGABYTE, 60))
    broken = await asked(port, post(b'{"prompt": "hello'))
    unknown = await asked(port, post(b'{"prompt":"hello","promt":"x"}'))
    thread = await asked(port, post(b'{"prompt":"hello","thread_id":"%s"}' % (b"t" * 5000)))
    assert [each.status for each in (body, broken, unknown, thread)] == [413, 400, 422, 422]
    assert body.json["code"] == "body_too_large"
    assert broken.json["code"] == "invalid_json"
    assert [fault["pointer"] for fault in unknown.json["errors"]] == ["/promt"]  # type: ignore[union-attr, index, call-overload]
    assert [fault["pointer"] for fault in thread.json["errors"]] == ["/thread_id"]  # type: ignore[union-attr, index, call-overload]

    for answer in (missing, wrong, not_ascii, huge, body, broken, unknown, thread):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["trace_id"]
    assert await lives(port)


CHUNKS = b'12\r\n{"prompt":"hello"}\r\n0\r\n\r\n'
CHUNKED = b"POST /invoke HTTP/1.1\r\n" + HEAD + b"transfer-encoding: chunked\r\n\r\n"
BAD_FORMS = {
    "SEC-6": get(head=HEAD + b"authorization: Bearer bob\r\n"),
    "SEC-50": get(b"/threads/%2e%2e%2fx"),
    "SEC-56": CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 3\r\n\r\n") + CHUNKS,
    "SEC-57": get(head=HEAD + b"content-length: 1\r\ncontent-length: 2\r\n"),
    "SEC-58": get(head=HEAD + b"content-length: -1\r\n"),
    "SEC-59": CHUNKED.replace(b": chunked", b": xchunked") + CHUNKS,
    "SEC-59b": CHUNKED.replace(b": chunked", b": gzip, chunked") + CHUNKS,
    "SEC-60": get().replace(b"\r\n", b"\n"),
    "SEC-61": get(head=HEAD + b"x-a: b\r\n  c\r\n"),
    "SEC-62": get(head=HEAD + b"x-a: b\x00c\r\n"),
    "SEC-71": get(head=HEAD.replace(b"localhost", b"evil")),
    "SEC-71b": get(head=HEAD.replace(b"host: localhost\r\n", b"")),
    "SEC-71c": get(head=HEAD + b"host: localhost\r\n"),
    "SEC-72": get(b"http://localhost/v1/me"),
    "SEC-74": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "SEC-75": b"CONNECT localhost:443 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a control character in the path": get(b"/threads/a%0ab"),
    "a dot segment": get(b"/v1/../v1/me"),
    "HTTP/0.9": b"GET /v1/me\r\n\r\n",
    "HTTP/1.2": get().replace(b"HTTP/1.1", b"HTTP/1.2"),
    "a target that is no path": get(b"*"),
    "a space in a field name": get(head=HEAD + b"x a: b\r\n"),
}


@pytest.mark.requirement(
    "SEC-6", "SEC-50", "SEC-56", "SEC-57", "SEC-58", "SEC-59", "SEC-60", "SEC-61", "SEC-62",
    "SEC-71", "SEC-72", "SEC-74", "AUTH-6",
)  # fmt: skip
async def test_odd_forms_of_a_request_are_refused(port: int) -> None:
    answers = {name: await asked(port, text) for name, text in BAD_FORMS.items()}

    statuses = {name: answer.status for name, answer in answers.items()}
    assert statuses == dict.fromkeys(BAD_FORMS, 400)
    codes = {answer.json["code"] for answer in answers.values()}
    assert codes == {"invalid_request_line", "invalid_host"}
    assert (await asked(port, CHUNKED + CHUNKS)).status == 200
    assert await lives(port)


async def test_a_body_is_read_whatever_protocol_its_sender_would_rather_speak(port: int) -> None:
    wish = b"connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    sent = post(b'{"prompt":"\\r\\nupgrade: me"}', head=HEAD + wish)

    whole = await asked(port, sent)
    behind = await asked(port, post(b'{"prompt":"a"}'), sent)

    assert (whole.status, behind.status) == (200, 200)
    assert whole.json["message"] == "echo: \r\nupgrade: me"


@pytest.mark.requirement("SEC-75")
async def test_methods_that_nobody_serves(port: int) -> None:
    trace = await asked(port, get().replace(b"GET", b"TRACE"))
    connect = await asked(port, BAD_FORMS["SEC-75"])
    wrong = await asked(port, get().replace(b"GET", b"DELETE"))

    assert [trace.status, connect.status, wrong.status] == [405, 400, 405]
    assert trace.json["code"] == wrong.json["code"] == "method_not_allowed"


@pytest.mark.requirement("SEC-63")
async def test_a_fifty_megabyte_header_costs_nothing(port: int) -> None:
    start = b"GET /v1/me HTTP/1.1\r\n" + HEAD + b"x-a: "
    piece = b"a" * MEGABYTE
    await asked(port, start, more=[piece])
    before = resident()

    answer = await asked(port, start, more=itertools.repeat(piece, 50))

    assert answer.status == 431
    assert resident() - before < 4 * MEGABYTE  # the test's own buffers included
    assert await lives(port)


@pytest.mark.requirement("SEC-64")
async def test_many_fields_or_trailers_are_refused(port: int) -> None:
    fields = b"".join(b"x-%d: y\r\n" % number for number in range(20_000))
    few = b"".join(b"x-%d: y\r\n" % number for number in range(101))

    answers = [
        await asked(port, get(head=HEAD + fields)),
        await asked(port, get(head=HEAD + few)),
        await asked(port, CHUNKED + b"2\r\n{}\r\n0\r\n", more=[fields, b"\r\n"]),
    ]

    assert [answer.status for answer in answers] == [431, 431, 431]
    assert await lives(port)


@pytest.mark.requirement("SEC-64")
async def test_a_trailer_is_dropped_and_never_becomes_a_header(port: int) -> None:
    body = b'12\r\n{"prompt":"hello"}\r\n0\r\nauthorization: Bearer bob\r\n\r\n'
    nobody = b"host: localhost\r\n"

    answer = await asked(port, CHUNKED + body + get(head=nobody), whole=True)
    without = CHUNKED.replace(b"authorization: Bearer ana\r\n", b"")
    refused = await asked(port, without + body)

    assert (answer.status, answer.json["success"]) == (200, True)
    # Nothing behind a trailer is read from that connection: it would begin with the trailer.
    assert answer.headers["connection"] == "close"
    assert answer.rest == b""
    assert refused.status == 401


@pytest.mark.requirement("SEC-65")
async def test_a_chunk_extension_of_a_megabyte_is_refused(port: int) -> None:
    extension = b"2;a=" + b"x" * MEGABYTE + b"\r\n{}\r\n0\r\n\r\n"

    answer = await asked(port, CHUNKED, more=[extension])

    assert answer.status == 400
    assert await lives(port)


@pytest.mark.requirement("GW-39", "SEC-69")
async def test_endless_chunks_end_at_a_megabyte(port: int) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"

    answer = await asked(port, CHUNKED, more=itertools.repeat(chunk, 64))

    assert (answer.status, answer.json["code"]) == (413, "body_too_large")
    assert await lives(port)


@pytest.mark.requirement("SEC-68")
async def test_an_honest_large_length_is_refused_unread(port: int) -> None:
    large = b"POST /invoke HTTP/1.1\r\n%scontent-length: %d\r\n\r\n" % (HEAD, 100 * MEGABYTE)

    answer = await asked(port, large)

    assert (answer.status, answer.json["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


@pytest.mark.requirement("SEC-1")
async def test_without_a_credential_no_body_is_awaited(port: int) -> None:
    start = b"POST /invoke HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"

    assert (await asked(port, start)).status == 401


@pytest.mark.requirement("SEC-66", "SEC-67")
async def test_a_head_and_a_body_must_come_in_time(hasty: int) -> None:
    slow_head = await asked(hasty, b"GET /v1/me HTTP/1.1\r\nhost: lo", whole=True)
    slow_body = await asked(hasty, post(b"{}").replace(b"length: 2", b"length: 9"), whole=True)
    silent = await asked(hasty, whole=True)

    for answer in (slow_head, slow_body):
        assert (answer.status, answer.json["code"], answer.json["retryable"]) == (
            408,
            "request_timeout",
            True,
        )
        assert answer.rest == b""
    assert silent.status == 0
    assert await lives(hasty)


@pytest.mark.requirement("SEC-66")
async def test_bytes_that_trickle_in_buy_no_time(hasty: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty)
    text = b""
    with anyio.fail_after(3):
        for letter in itertools.cycle(b"a"):
            writer.write(b"GET /v1/me HTTP/1.1\r\nx-a: " if not text else bytes([letter]))
            try:
                with anyio.fail_after(0.05):
                    text += await reader.read(1000)
                    break
            except TimeoutError:
                continue
    writer.close()

    assert b" 408 " in text


async def test_a_refusal_is_never_written_into_another_answer(house: House, hasty: int) -> None:
    hold = post(b'{"prompt":"hold"}')

    answer = await asked(hasty, hold, b"NONSENSE\r\n\r\n", whole=True)

    assert answer.status == 0
    house.script.go.set()
    assert await lives(hasty)


@pytest.mark.requirement("SSE-10")
async def test_a_reader_that_takes_nothing_is_cut() -> None:
    cut = asyncio.Event()

    async def gone(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        cut.set()

    async def flood(_: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(gone(receive))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while not cut.is_set():
                body = {"type": "http.response.body", "body": b" " * MEGABYTE, "more_body": True}
                await send(body)
                await asyncio.sleep(0)

    async with served(flood, Hasty) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(get())
        with anyio.fail_after(5):
            await cut.wait()
        writer.close()


async def test_a_reader_who_hangs_up_frees_its_stream(house: House, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = HEAD + b"accept: text/event-stream\r\n"
    writer.write(post(b'{"input":"hold"}', path=b"/v1/runs", head=head))
    with anyio.fail_after(5):
        text = await reader.readuntil(b"stream.replayed")
        run_id = RunId(text.partition(b"location: /v1/runs/")[2][:32].decode())
        assert house.runs.hub.has(run_id)
        writer.close()
        while house.runs.hub.has(run_id):
            await anyio.lowlevel.checkpoint()

    assert await lives(port)


async def test_answers_keep_a_connection_for_the_next_request(port: int) -> None:
    last = get(head=HEAD + b"connection: close\r\n")

    both = await asked(port, get() + get() + last, whole=True)

    assert both.rest.count(b"HTTP/1.1 200 OK") == 2


async def test_idle_connections_beyond_the_bound_are_dropped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.service.http.MAX_CONNECTIONS", 3)
    async with served(house.app) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        with anyio.fail_after(2):
            dropped = await asyncio.gather(idle[3][0].read(), return_exceptions=True)
        assert dropped[0] == b"" or isinstance(dropped[0], ConnectionError)

        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        assert await lives(port)
