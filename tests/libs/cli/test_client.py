"""The CLI's client over a real server that cuts, restarts and refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from tests.libs.cli.front import Front, client_of, frame, listening
from tests.libs.cli.told import FANOUT, RUN, told
from weft.cli.client import Gateway, UnreachableError, gateway, read_credentials
from weft.core import JsonObject
from weft.events import Envelope
from weft.local.credentials import Credentials
from weft.local.ports import free_port

AWAY = "the router is away"


async def numbers(front: Gateway) -> list[int]:
    with anyio.fail_after(8):
        return [event.seq async for event in front.events(RUN)]


def refusal(status: int, detail: str = AWAY) -> Callable[[], web.Response]:
    return lambda: web.json_response({"detail": detail}, status=status)


def cut(response: web.StreamResponse) -> None:
    """Break the connection as a killed process does."""
    request = response._req
    assert request is not None
    assert request.transport is not None
    request.transport.abort()


async def in_pieces(front: Front, answer: web.StreamResponse, after: int) -> None:
    """Four events a connection, then it breaks; the next one repeats one of them."""
    await answer.write(b"retry: 1000\n\n")
    for event in [each for each in FANOUT if each.seq >= after][:5]:
        await answer.write(frame(event))
    await answer.write(b'event: stream.replayed\ndata: {"through": 5}\n\n')
    if len(front.cursors) < 3:
        cut(answer)


@pytest.mark.requirement("CLI-2")
async def test_a_stream_that_is_cut_twice_yields_each_number_once() -> None:
    front = Front(in_pieces)
    async with listening(front), client_of(front) as client:
        seen = await numbers(client)

    assert seen == [event.seq for event in FANOUT]
    assert front.cursors == [0, 5, 9]


async def test_a_gateway_that_is_starting_is_asked_again() -> None:
    async def whole(_: Front, answer: web.StreamResponse, after: int) -> None:
        for event in FANOUT[after:]:
            await answer.write(frame(event))

    front = Front(whole, refusals=[refusal(503)])
    async with listening(front), client_of(front) as client:
        assert await numbers(client) == [event.seq for event in FANOUT]
    assert front.cursors == [0, 0]


async def test_a_long_event_arrives_whole() -> None:
    (event,) = told(("run.completed", (), {"output": {"text": "x" * 600_000}}))

    async def one(_: Front, answer: web.StreamResponse, __: int) -> None:
        await answer.write(frame(event))

    front = Front(one)
    async with listening(front), client_of(front) as client:
        with anyio.fail_after(5):
            seen: list[Envelope] = [each async for each in client.events(RUN)]

    assert seen == [event]


async def test_a_stream_that_only_opens_and_closes_is_given_up() -> None:
    async def nothing(_: Front, answer: web.StreamResponse, __: int) -> None:
        await answer.write(b"retry: 1000\n\n")

    front = Front(nothing)
    async with listening(front), client_of(front, patience=0.3) as client:
        with pytest.raises(UnreachableError, match="lost the gateway"):
            await numbers(client)


async def test_a_finished_run_of_which_all_is_told_has_no_more_events() -> None:
    front = Front(refusals=[lambda: web.Response(status=204)])
    async with listening(front), client_of(front) as client:
        assert await numbers(client) == []


async def test_a_refusal_is_told_in_the_gateways_own_words() -> None:
    front = Front(refusals=[refusal(401, "this needs a valid API key")] * 2)
    async with listening(front), client_of(front) as client:
        with pytest.raises(UnreachableError, match=r"401.*this needs a valid API key"):
            await client.submit({"input": "x"})
        with pytest.raises(UnreachableError, match="401"):
            await numbers(client)
    assert front.asked == []


async def test_a_submission_is_repeated_under_one_key() -> None:
    front = Front(refusals=[refusal(503)])
    async with listening(front), client_of(front) as client:
        accepted = await client.submit({"input": "x"})

    assert accepted["run_id"] == RUN
    assert len(front.keys) == 2
    assert len(set(front.keys)) == 1


async def test_an_accepted_run_is_read_when_the_gateway_is_back() -> None:
    front = Front(refusals=[refusal(502)] * 3)
    async with listening(front), client_of(front) as client:
        assert (await client.run(RUN))["status"] == "completed"


async def test_a_port_where_nobody_listens_is_one_sentence() -> None:
    nowhere = Credentials(url=f"http://127.0.0.1:{free_port()}", key="k")
    with anyio.fail_after(8):
        async with gateway(nowhere) as client:
            with pytest.raises(UnreachableError, match="start the mesh with `weft up`"):
                await client.submit({"input": "x"})


@pytest.mark.parametrize("page", ["<html>", "[1]"])
async def test_a_server_that_is_no_gateway_is_named_as_such(page: str) -> None:
    front = Front(refusals=[lambda: web.Response(text=page)])
    async with listening(front), client_of(front) as client:
        with pytest.raises(UnreachableError, match="no gateway of a mesh"):
            await client.submit({"input": "x"})


def test_a_key_goes_to_the_server_it_is_for_and_to_no_other(tmp_path: Path) -> None:
    written: JsonObject = {"url": "http://up", "key": "up-key"}
    (tmp_path / "credentials.json").write_text(json.dumps(written))

    assert read_credentials(tmp_path, url=None, key=None).key == "up-key"
    assert read_credentials(tmp_path, url="http://up/", key=None).key == "up-key"
    assert read_credentials(tmp_path, url=None, key="up-key").url == "http://up"
    assert read_credentials(tmp_path / "no", url="http://u", key="k").url == "http://u"
    with pytest.raises(UnreachableError, match="give its own with --key"):
        read_credentials(tmp_path, url="http://other", key=None)
    with pytest.raises(UnreachableError, match="give --url too"):
        read_credentials(tmp_path, url=None, key="mine")


async def test_a_gateway_that_sends_elsewhere_is_not_followed() -> None:
    other = Front()
    async with listening(other):
        moved = web.Response(status=307, headers={"location": other.url + "/v1/runs"})
        front = Front(refusals=[lambda: moved])
        async with listening(front), client_of(front) as client:
            with pytest.raises(UnreachableError, match="307"):
                await client.submit({"input": "x"})

    assert other.keys == []


@pytest.mark.parametrize("text", [None, "{}", "no json"])
def test_without_a_mesh_it_says_how_to_get_one(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "credentials.json").write_text(text)

    with pytest.raises(UnreachableError, match="weft up"):
        read_credentials(tmp_path, url="http://u", key=None)
