"""A run's log over SSE: replayed, then live, lossless, ending with its run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Self

import anyio
import httpx
import pytest
from starlette.types import ASGIApp, Message

from tests.libs.server.door import House, finished, frames, opened
from weft.checkpoint import Checkpointer, get_checkpointer
from weft.server.admission import ApiOptions
from weft.server.streams import StreamPace

SSE = {"accept": "text/event-stream"}


class Live:
    """A stream read piece by piece, which an in-process httpx client cannot do."""

    def __init__(self, app: ASGIApp, path: str, *, last: str | None = None) -> None:
        name, _, query = path.partition("?")
        headers = [(b"host", b"localhost"), (b"authorization", b"Bearer ana")]
        if last is not None:
            headers.append((b"last-event-id", last.encode()))
        self._scope = {
            "type": "http", "method": "GET", "path": name, "raw_path": name.encode(),
            "query_string": query.encode(), "headers": headers, "http_version": "1.1",
            "scheme": "http", "server": ("localhost", 80), "client": ("127.0.0.1", 1),
            "root_path": "",
        }  # fmt: skip
        self._app = app
        self.gone = asyncio.Event()
        self.text = ""
        self.ended = False
        self.stalled = False
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gone.set()
        with anyio.fail_after(5):
            await self._task

    async def until(self, words: str) -> str:
        with anyio.fail_after(5):
            while words not in self.text:
                self._news.clear()
                await self._news.wait()
        return self.text

    async def end(self) -> str:
        with anyio.fail_after(5):
            await asyncio.wait([self._task])
        return self.text

    async def _serve(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self.stalled:
            await asyncio.Event().wait()
        if message["type"] == "http.response.body":
            self.text += message["body"].decode()
            self.ended = not message.get("more_body", False)
            self._news.set()


async def begun(ana: httpx.AsyncClient, words: str = "talk") -> str:
    run_id = (await ana.post("/v1/runs", json={"input": words})).json()["run_id"]
    return str(run_id)


async def talked(house: House, ana: httpx.AsyncClient) -> str:
    """Return a finished run of nine events."""
    house.script.go.set()
    run_id = await begun(ana)
    await finished(ana, run_id)
    return run_id


async def test_the_first_bytes_and_headers_are_as_a_browser_wants_them(
    house: House, ana: httpx.AsyncClient
) -> None:
    stream = await ana.get(f"/v1/runs/{await talked(house, ana)}/stream")

    assert stream.text.startswith("retry: 1000\n")
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.headers["x-accel-buffering"] == "no"
    first = frames(stream.text)[0]
    assert (first.id, first.event) == (1, "run.accepted")
    assert set(first.data) == {
        "v", "run_id", "seq", "type", "ts", "tenant", "thread_id", "path", "agent", "trace_id",
        "span_id", "data",
    }  # fmt: skip


@pytest.mark.requirement("SSE-1")
async def test_numbers_are_dense_and_the_same_on_every_replica_and_after_a_restart(
    tmp_path: Path,
) -> None:
    texts = []
    url = f"sqlite:{tmp_path / 'db'}"
    async with (
        aclosing(get_checkpointer(url)) as store,
        opened(store) as house,
        opened(store) as replica,
    ):
        ana, other = await house.client("ana"), await replica.client("ana")
        place = f"/v1/runs/{await talked(house, ana)}/stream"
        texts += [(await client.get(place)).text for client in (ana, other)]
    async with aclosing(get_checkpointer(url)) as store, opened(store) as house:
        texts.append((await (await house.client("ana")).get(place)).text)

    assert len(set(texts)) == 1
    numbers = [frame.id for frame in frames(texts[0]) if frame.id is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    assert ["collect", "metrics"] in [frame.data.get("path") for frame in frames(texts[0])]


@pytest.mark.requirement("SSE-2")
async def test_a_cursor_starts_behind_its_number_and_the_header_wins(
    house: House, ana: httpx.AsyncClient
) -> None:
    place = f"/v1/runs/{await talked(house, ana)}/stream"

    whole = frames((await ana.get(place)).text)
    asked = frames((await ana.get(place, params={"after": 5})).text)
    resumed = frames(
        (await ana.get(place, params={"after": 1}, headers={"last-event-id": "6"})).text
    )

    assert whole[0].id == 1
    assert asked[0].id == 6
    assert resumed[0].id == 7


@pytest.mark.requirement("SSE-2", "SSE-3", "SSE-4")
async def test_a_live_stream_replays_says_so_and_goes_on_to_the_end(
    house: House, ana: httpx.AsyncClient
) -> None:
    place = f"/v1/runs/{await begun(ana)}/stream"
    async with Live(house.app, place) as early:
        await early.until("agent.custom")
        async with Live(house.app, place, last="4") as late:
            await late.until("stream.replayed")
            house.script.go.set()
            whole, part = frames(await early.end()), frames(await late.end())

    for shown, first in ((whole, 1), (part, 5)):
        numbers = [frame.id for frame in shown if frame.id is not None]
        assert numbers == list(range(first, numbers[-1] + 1))
        assert [frame.event for frame in shown].count("stream.replayed") == 1
        terminal = [str(frame.event).startswith("run.c") for frame in shown]
        assert (sum(terminal), terminal[-1]) == (1, True)
    marker = next(place for place, frame in enumerate(part) if frame.event == "stream.replayed")
    assert part[marker].data == {"through": part[marker - 1].id}
    assert part[marker + 1].id == (part[marker - 1].id or 0) + 1


@pytest.mark.requirement("SSE-3")
@pytest.mark.parametrize("after", [0, 3, 8])
async def test_on_a_finished_run_the_marker_stands_before_the_terminal_event(
    house: House, ana: httpx.AsyncClient, after: int
) -> None:
    run_id = await talked(house, ana)

    shown = frames((await ana.get(f"/v1/runs/{run_id}/stream", params={"after": after})).text)

    last = shown[-1].id
    assert last == 9
    assert [frame.event for frame in shown[-2:]] == ["stream.replayed", "run.completed"]
    assert shown[-2].data == {"through": 8}
    assert (shown[-2].id, len(shown)) == (None, 9 - after + 1)


@pytest.mark.requirement("SSE-3")
async def test_the_marker_comes_at_once_where_nothing_is_replayed(
    house: House, ana: httpx.AsyncClient
) -> None:
    run_id = await begun(ana, "hold")
    async with Live(house.app, f"/v1/runs/{run_id}/stream", last="2") as live:
        shown = frames(await live.until("stream.replayed"))

    assert [(frame.event, frame.data) for frame in shown] == [("stream.replayed", {"through": 2})]


@pytest.mark.requirement("SSE-4")
@pytest.mark.parametrize(
    ("words", "last"),
    [("hello", "run.completed"), ("fail", "run.failed"), ("late", "run.expired")],
)
async def test_every_ending_is_the_last_frame(
    ana: httpx.AsyncClient, words: str, last: str
) -> None:
    shown = frames((await ana.post("/v1/runs", json={"input": words}, headers=SSE)).text)

    assert shown[-1].event == last
    assert (
        sum(str(frame.event) in {"run.completed", "run.failed", "run.expired"} for frame in shown)
        == 1
    )


@pytest.mark.requirement("SSE-5")
@pytest.mark.parametrize("after", [9, 10, 10_000])
async def test_a_reader_who_has_the_end_gets_nothing_more(
    house: House, ana: httpx.AsyncClient, after: int
) -> None:
    run_id = await talked(house, ana)

    answer = await ana.get(f"/v1/runs/{run_id}/stream", headers={"last-event-id": str(after)})

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.requirement("SSE-6")
@pytest.mark.parametrize("cursor", ["-1", "1.0", "x", "", "9" * 17, "\u0661", "3", "1e3"])
async def test_a_cursor_that_is_no_number_of_the_run_is_refused(
    ana: httpx.AsyncClient, cursor: str
) -> None:
    run_id = await begun(ana, "hold")

    answer = await ana.get(f"/v1/runs/{run_id}/stream", params={"after": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.requirement("SSE-7")
@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"types": "agent.tool.*, agent.think"}, [3, 6, 7, 9]),
        ({"types": "nothing"}, [9]),
        ({"path": "collect"}, [8, 9]),
        ({"path": "collect/metrics"}, [8, 9]),
        ({"path": "coll"}, [9]),
        ({"path": "collect", "types": "agent.think"}, [9]),
    ],
)
async def test_filters_change_no_number_and_hide_no_ending(
    house: House, ana: httpx.AsyncClient, query: dict[str, str], numbers: list[int]
) -> None:
    run_id = await talked(house, ana)

    shown = frames((await ana.get(f"/v1/runs/{run_id}/stream", params=query)).text)

    assert [frame.id for frame in shown if frame.id is not None] == numbers


@pytest.fixture
async def hasty(checkpointer: Checkpointer) -> AsyncIterator[House]:
    options = ApiOptions(pace=StreamPace(heartbeat_s=0.1, stall_s=0.2))
    async with opened(checkpointer, options=options) as made:
        yield made


@pytest.mark.requirement("SSE-8")
async def test_a_silent_stream_shows_that_it_lives(hasty: House) -> None:
    run_id = await begun(await hasty.client("ana"), "hold")
    async with Live(hasty.app, f"/v1/runs/{run_id}/stream?types=nothing") as live:
        text = await live.until("\n\n:\n\n:\n\n")

    assert ":\n\n" in text


@pytest.mark.requirement("SSE-9")
async def test_only_a_reader_who_asks_is_let_go_by_an_interrupt(
    house: House, ana: httpx.AsyncClient
) -> None:
    run_id = (await ana.post("/invoke", json={"prompt": "ask"})).json()["run_id"]
    place = f"/v1/runs/{run_id}/stream"

    async with Live(house.app, place) as stays:
        await stays.until("stream.replayed")
        left = frames((await ana.get(place, params={"until": "interrupt"})).text)
        answer = {"responses": [{"interrupt_id": "a" * 32, "payload": 1}]}
        await ana.post(f"/v1/runs/{run_id}/resume", json=answer)
        stayed = frames(await stays.end())

    assert [frame.event for frame in left[-2:]] == ["run.interrupted", "stream.replayed"]
    assert "run.interrupted" in [frame.event for frame in stayed]
    assert stayed[-1].event == "run.completed"


async def test_a_live_interrupt_ends_a_stream_that_asked_for_it(ana: httpx.AsyncClient) -> None:
    with anyio.fail_after(5):
        stream = await ana.post(
            "/v1/runs", params={"until": "interrupt"}, json={"input": "ask"}, headers=SSE
        )

    assert stream.headers["location"].startswith("/v1/runs/")
    assert frames(stream.text)[-1].event == "run.interrupted"


async def test_a_wish_for_a_stream_that_cannot_be_met_starts_nothing(
    house: House, ana: httpx.AsyncClient
) -> None:
    fresh = await ana.post(
        "/v1/runs", json={"input": "hello"}, headers={**SSE, "last-event-id": "57"}
    )
    refused = await ana.post(
        "/v1/runs", params={"until": "noon"}, json={"input": "never"}, headers=SSE
    )

    assert [frame.id for frame in frames(fresh.text) if frame.id] == [1, 2, 3]
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/until")
    assert house.script.executed == ["hello"]


@pytest.mark.requirement("SSE-10")
async def test_a_reader_that_stalls_is_let_go_and_holds_nobody_up(hasty: House) -> None:
    ana = await hasty.client("ana")
    run_id = await begun(ana)
    place = f"/v1/runs/{run_id}/stream"

    async with Live(hasty.app, place) as stalled, Live(hasty.app, place) as reads:
        await stalled.until("stream.replayed")
        await reads.until("agent.custom")
        stalled.stalled = True
        hasty.script.go.set()
        assert frames(await reads.end())[-1].event == "run.completed"
        await stalled.end()

    assert not stalled.ended
    last = frames(stalled.text)[-1].id or frames(stalled.text)[-2].id
    rest = frames((await ana.get(place, params={"after": last})).text)
    assert rest[-1].event == "run.completed"
    assert not hasty.runs.hub.has(run_id)  # type: ignore[arg-type]


@pytest.mark.requirement("SSE-11")
async def test_a_leaving_replica_says_so_and_another_goes_on(checkpointer: Checkpointer) -> None:
    stopping = asyncio.Event()
    options = ApiOptions(pace=StreamPace(stopping=stopping))
    async with opened(checkpointer, options=options) as leaving, opened(checkpointer) as stays:
        run_id = await begun(await leaving.client("ana"))
        async with Live(leaving.app, f"/v1/runs/{run_id}/stream") as live:
            await live.until("agent.custom")
            stopping.set()
            shown = frames(await live.end())
        leaving.script.go.set()
        stays.script.go.set()
        after = shown[-1].data["resume_after"]
        rest = await (await stays.client("ana")).get(
            f"/v1/runs/{run_id}/stream", headers={"last-event-id": str(after)}
        )

    assert (shown[-1].event, shown[-1].id) == ("server.draining", None)
    assert after == shown[-2].id or after == shown[-3].id
    assert frames(rest.text)[-1].event == "run.completed"


async def test_a_reader_who_leaves_costs_the_run_nothing(
    house: House, ana: httpx.AsyncClient
) -> None:
    run_id = await begun(ana, "hold")
    async with Live(house.app, f"/v1/runs/{run_id}/stream") as live:
        await live.until("stream.replayed")

    assert not house.runs.hub.has(run_id)  # type: ignore[arg-type]
    house.script.go.set()
    assert (await finished(ana, run_id))["status"] == "completed"
