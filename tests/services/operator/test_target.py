"""A target over HTTP: what is sent to it, and what each of its answers proves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import anyio
import pytest
from aiohttp import web

from services.operator.actions import Action
from services.operator.agent import PROPOSE
from services.operator.main import ACT, CARD, Settings, opened
from services.operator.target import HttpTarget, TargetError, target_address
from weft.core.errors import ConfigError
from weft.tools import NOT_DONE, UNKNOWN, EffectNotDone, done

OFF = Action(kind="set_flag", service="billing", flag="new_tax", on=False)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def target(handler: Handler, token_file: Path | None = None) -> AsyncIterator[HttpTarget]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/ops/"
        async with aiohttp.ClientSession() as session:
            yield HttpTarget(session, url, token_file)
    finally:
        await runner.cleanup()


def answering(code: int, body: object) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=code)

    return answer


async def test_an_operation_carries_its_key_its_arguments_and_the_token_of_the_moment(
    tmp_path: Path,
) -> None:
    seen: list[tuple[str, str, object]] = []
    token = anyio.Path(tmp_path / "token")

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        seen.append((request.path, request.headers["authorization"], body))
        return web.json_response({"status": "done"})

    async with target(answer, tmp_path / "token") as there:
        for written in ("first\n", "second\n"):
            await token.write_text(written)
            await there.perform(OFF, key="k-1")

    body = {"key": "k-1", "kind": "set_flag", "service": "billing", "flag": "new_tax", "on": False}
    assert seen == [
        ("/ops/operations", "Bearer first", body),
        ("/ops/operations", "Bearer second", body),
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 503])
async def test_a_refusal_proves_that_nothing_was_done(status: int) -> None:
    async with target(answering(status, {"error": "not on Fridays"})) as there:
        with pytest.raises(EffectNotDone, match="not on Fridays"):
            await there.perform(OFF, key="k")


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, {}), (502, {}), (504, {}), (408, {}), (200, {}), (202, {"status": "done"})],
)
async def test_any_other_answer_leaves_it_unknown(status: int, body: dict[str, object]) -> None:
    async with target(answering(status, body)) as there:
        with pytest.raises(TargetError):
            await there.perform(OFF, key="k")


async def test_one_that_nobody_answers_for_was_certainly_not_reached(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        there = HttpTarget(session, "http://127.0.0.1:1", None)
        with pytest.raises(EffectNotDone, match="is the target running"):
            await there.perform(OFF, key="k")
        with pytest.raises(TargetError):
            await there.state()
        locked = HttpTarget(session, "http://127.0.0.1:1", tmp_path / "none")
        with pytest.raises(EffectNotDone, match="token of the target cannot be read"):
            await locked.perform(OFF, key="k")


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"status": "done"}, done()),
        (200, {"status": "not_done"}, NOT_DONE),
        (200, {"status": "perhaps"}, UNKNOWN),
        (404, {}, UNKNOWN),
        (500, {"status": "done"}, UNKNOWN),
    ],
)
async def test_what_became_of_an_operation_is_what_the_target_says_and_nothing_else(
    status: int, body: dict[str, object], outcome: object
) -> None:
    async with target(answering(status, body)) as there:
        assert await there.outcome("k/1") == outcome


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, {"services": [{"name": 3}]}, "another form: services/0/name"),
        (401, {"error": "who are you"}, "answers 401: who are you"),
        (200, {"services": ["x" * (1 << 21)]}, "longer than"),
    ],
)
async def test_a_state_that_cannot_be_read_is_none(
    status: int, body: dict[str, object], words: str
) -> None:
    async with target(answering(status, body)) as there:
        with pytest.raises(TargetError, match=words):
            await there.state()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("shop:9000", "no address of a target"),
        ("http://shop.example:9000", "use https"),
        ("https://me:secret@shop.example", "no password in the address"),
        ("http://127.0.0.1:9000/?a=b", "no address of a target"),
    ],
)
def test_an_address_that_none_is_or_that_leaks_the_token_is_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        target_address(url)

    assert "secret" not in str(refused.value)


def test_an_address_on_this_machine_or_behind_tls_is_taken() -> None:
    assert target_address("http://localhost:9000/") == "http://localhost:9000"
    assert target_address("https://shop.example/ops/") == "https://shop.example/ops"


async def test_without_a_target_it_does_not_start_and_says_what_to_set() -> None:
    with pytest.raises(
        ConfigError, match=r"set OPERATOR_TARGET to its address.*`weft up --operate URL`"
    ):
        async with opened(Settings(model="offline:")):
            raise AssertionError("it started")


async def test_it_starts_with_a_target_and_its_card_says_what_is_risky() -> None:
    async with opened(Settings(model="offline:", target="http://127.0.0.1:1")) as peer:
        assert peer.name == CARD.name == "operator"

    tags = {skill.id: set(skill.tags) for skill in CARD.skills}
    assert "risk:high" in tags[ACT]
    assert "effects:none" not in tags[ACT]
    assert {"effects:none", f"proposes:{ACT}"} <= tags[PROPOSE]
