"""Too much at once: what is refused, to whom, and what still passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx
import pytest

from tests.libs.server.door import House, opened
from weft.checkpoint import Backlog, Share, memory_checkpointer
from weft.core import Allowance, Principal
from weft.core.edge_errors import OverloadedError
from weft.core.errors import StoreUnavailableError
from weft.server.overload import Overload, OverloadBounds

ANN = Principal(tenant="acme", subject="ann", scopes=frozenset({"runs:write"}))
BEN = Principal(tenant="acme", subject="ben", scopes=frozenset({"runs:write"}))
BOUNDS = OverloadBounds(queued=100, wait_s=2.0, spare=10)


@dataclass
class Store:
    """Says of its backlog what a test says."""

    backlog_now: Backlog = field(default_factory=lambda: Backlog(accepted=0))
    away: bool = False
    go: anyio.Event | None = None

    async def backlog(self, operation: str) -> Backlog:
        assert operation == "run"
        if self.go is not None:
            await self.go.wait()
        if self.away:
            raise StoreUnavailableError("away")
        return self.backlog_now


class Hand:
    """A clock that a test moves."""

    at = 100.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def overload(store: Store, clock: Hand) -> Overload:
    return Overload(store, "run", BOUNDS, clock)  # type: ignore[arg-type]  # one method is used


def accepted(gate: Overload, principal: Principal, tries: int) -> int:
    """Return how many of so many runs are taken."""
    taken = 0
    for _ in range(tries):
        try:
            gate.check(principal)
        except OverloadedError:
            continue
        taken += 1
    return taken


@pytest.mark.requirement("GW-38")
async def test_no_more_is_taken_than_ends_within_the_time_a_run_may_wait() -> None:
    store, clock = Store(), Hand()
    gate = overload(store, clock)
    done = 0
    for _ in range(100):
        clock.at += 0.1
        done += 2
        store.backlog_now = Backlog(
            accepted=done + 12,
            oldest_wait=1.0,
            shares={("acme", "ann"): Share(queued=12, active=0)},
        )
        await gate.look()

    # 20 runs end each second: 40 may wait, and 12 do.
    assert accepted(gate, ANN, 100) in range(27, 30)


@pytest.mark.requirement("GW-38")
async def test_at_first_a_few_may_wait_and_the_next_look_counts_them_once() -> None:
    store, clock = Store(), Hand()
    gate = overload(store, clock)

    assert accepted(gate, ANN, 100) == 10

    store.backlog_now = Backlog(accepted=10, shares={("acme", "ann"): Share(queued=10, active=0)})
    clock.at += 0.1
    await gate.look()
    assert accepted(gate, ANN, 100) == 0

    store.backlog_now = Backlog(accepted=10, shares={("acme", "ann"): Share(queued=4, active=6)})
    clock.at += 0.1
    await gate.look()
    assert accepted(gate, ANN, 100) == 6


@pytest.mark.requirement("GW-38")
async def test_who_did_not_fill_the_queue_still_gets_a_place() -> None:
    store, clock = Store(), Hand()
    gate = overload(store, clock)

    assert accepted(gate, ANN, 100) == 10
    assert accepted(gate, BEN, 100) in range(5, 11)
    assert accepted(gate, ANN, 100) == 0


@pytest.mark.requirement("GW-38")
async def test_a_store_that_does_not_answer_gets_no_more_to_do() -> None:
    store, clock = Store(go=anyio.Event()), Hand()
    gate = overload(store, clock)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate.look)
        await anyio.wait_all_tasks_blocked()
        assert accepted(gate, ANN, 1) == 1
        clock.at += BOUNDS.latency_s + 0.1
        assert accepted(gate, ANN, 1) == 0
        assert store.go is not None
        store.go.set()

    assert accepted(gate, ANN, 1) == 1


@pytest.mark.requirement("GW-38")
async def test_a_store_that_is_away_counts_as_one_that_does_not_answer() -> None:
    store, clock = Store(away=True), Hand()
    gate = overload(store, clock)

    await gate.look()
    clock.at += BOUNDS.latency_s + 0.1
    await gate.look()
    assert accepted(gate, ANN, 1) == 0

    store.away = False
    await gate.look()
    assert accepted(gate, ANN, 1) == 1


@asynccontextmanager
async def front(
    *, rate: Allowance | None = None, bounds: OverloadBounds | None = None
) -> AsyncIterator[House]:
    async with (
        aclosing(memory_checkpointer()) as store,
        opened(store, rate=rate, slots=1, bounds=bounds or OverloadBounds(spare=3)) as house,
    ):
        yield house


@pytest.mark.requirement("GW-36", "IDEM-4")
async def test_nobody_has_more_open_runs_than_one_may_have_but_a_key_without_limits() -> None:
    few = Allowance(per_s=1e6, burst=1000, active=1, queued=2)
    async with front(rate=few, bounds=OverloadBounds()) as house:
        caller, ana = await house.client("caller"), await house.client("ana")
        body = {"prompt": "hold", "agent": "metrics"}
        sent = [
            await caller.post("/v1/runs", json=body, headers={"idempotency-key": f"k{number}"})
            for number in range(4)
        ]

        assert [answer.status_code for answer in sent] == [202, 202, 202, 429]
        problem = sent[-1].json()
        assert (problem["code"], problem["retryable"]) == ("quota_exceeded", True)
        assert "3 open runs" in problem["detail"]
        # A repeated request asks for no more than there is.
        again = await caller.post("/v1/runs", json=body, headers={"idempotency-key": "k0"})
        assert again.json()["run_id"] == sent[0].json()["run_id"]
        assert [(await post(ana)).status_code for _ in range(5)] == [202] * 5


async def post(client: httpx.AsyncClient, text: str = "hold") -> httpx.Response:
    return await client.post("/v1/runs", json={"prompt": text})


@pytest.mark.requirement("GW-38")
async def test_cancel_answers_and_probes_pass_while_new_runs_are_refused() -> None:
    async with front() as house:
        ana = await house.client("ana")
        first = await post(ana)
        await house.script.began.wait()
        refused = None
        with anyio.fail_after(10):
            while refused is None:
                answer = await post(ana)
                refused = answer if answer.status_code == 503 else None

        problem = refused.json()
        assert (problem["code"], problem["retryable"]) == ("overloaded", True)
        assert 1 <= int(refused.headers["retry-after"]) <= 5
        for path in ("/invoke", "/stream", "/v1/threads/t/runs"):
            assert (await ana.post(path, json={"prompt": "x"})).status_code == 503
        assert (await ana.get("/health")).status_code == 200
        assert (await ana.get("/v1/me")).status_code == 200
        run = first.json()["run_id"]
        assert (await ana.post(f"/v1/runs/{run}/cancel")).status_code in {200, 202}


@pytest.mark.requirement("GW-38")
async def test_runs_are_taken_again_once_the_queue_is_gone() -> None:
    async with front() as house:
        ana = await house.client("ana")
        statuses = [(await post(ana)).status_code for _ in range(20)]
        assert 503 in statuses
        house.script.go.set()

        with anyio.fail_after(10):
            while (await post(ana, "hello")).status_code != 202:
                await anyio.lowlevel.checkpoint()


@pytest.mark.requirement("GW-36")
async def test_who_asks_too_often_is_told_what_is_left_and_when_to_come_back() -> None:
    async with front(rate=Allowance(per_s=0.001, burst=3, streams=2)) as house:
        caller = await house.client("caller")
        answers = [await caller.get("/v1/me") for _ in range(4)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        left = [answer.headers["ratelimit"].split(";")[1] for answer in answers]
        assert left == ["r=2", "r=1", "r=0", "r=0"]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {
            '"requests";q=3;w=3000'
        }
        problem = answers[-1].json()
        assert (problem["code"], problem["retryable"]) == ("rate_limited", True)
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 5
        # Others, and keys without limits, are not held by it.
        ana = await house.client("ana")
        assert all([(await ana.get("/v1/me")).status_code == 200 for _ in range(10)])
        assert "ratelimit" not in (await ana.get("/v1/me")).headers


@pytest.mark.requirement("GW-36")
async def test_a_key_with_limits_of_its_own_is_held_to_them_even_with_every_scope() -> None:
    async with front() as house:
        slow, bob = await house.client("slow"), await house.client("bob")
        streamed = await slow.get(f"/v1/runs/{'a' * 32}/stream")
        statuses = [(await slow.get("/v1/me")).status_code for _ in range(2)]

        assert (streamed.status_code, streamed.json()["code"]) == (429, "rate_limited")
        assert statuses == [200, 429]
        assert [(await bob.get("/v1/me")).status_code for _ in range(9)] == [200] * 9


@pytest.mark.requirement("GW-36")
async def test_a_rate_holds_nobody_from_cancelling() -> None:
    async with front(rate=Allowance(per_s=0.001, burst=1, streams=2)) as house:
        caller = await house.client("caller")
        run = (await caller.post("/v1/runs", json={"prompt": "hold", "agent": "metrics"})).json()
        assert (await caller.get("/v1/me")).status_code == 429

        answer = await caller.post(f"/v1/runs/{run['run_id']}/cancel")

        assert answer.status_code in {200, 202}


@pytest.mark.requirement("GW-36")
async def test_streams_are_counted_before_their_bodies_are_awaited() -> None:
    body, awaited = asyncio.Event(), asyncio.Event()

    async def late() -> AsyncIterator[bytes]:
        awaited.set()
        await body.wait()
        yield b'{"prompt": "hello", "agent": "metrics"}'

    async with front(rate=Allowance(per_s=1e6, burst=100, streams=1)) as house:
        caller = await house.client("caller", **{"content-type": "application/json"})
        with anyio.fail_after(5):
            async with asyncio.TaskGroup() as tasks:
                first = tasks.create_task(caller.post("/stream", content=late()))
                await awaited.wait()
                second = await caller.post("/stream", content=late())
                body.set()

    assert (first.result().status_code, second.status_code) == (200, 429)


@pytest.mark.requirement("GW-36")
async def test_nobody_holds_more_connections_by_waiting_than_he_may_have_runs() -> None:
    few = Allowance(per_s=1e6, burst=100, active=1, queued=1)
    async with front(rate=few) as house:
        caller = await house.client("caller")
        run = (await caller.post("/v1/runs", json={"prompt": "hold", "agent": "metrics"})).json()
        place, waiting = f"/v1/runs/{run['run_id']}", {"prefer": "wait=600"}
        async with asyncio.TaskGroup() as tasks:
            held = [tasks.create_task(caller.get(place, headers=waiting)) for _ in range(2)]
            await asyncio.sleep(0)
            refused = await caller.get(place, headers=waiting)
            plain = await caller.get(place)
            house.script.go.set()
        after = await caller.get(place, headers=waiting)

    assert refused.status_code == 429
    assert refused.json()["detail"] == "too many requests that wait; close one first"
    assert [task.result().status_code for task in held] == [200, 200]
    assert (plain.status_code, after.status_code) == (200, 200)


@pytest.mark.requirement("GW-36")
async def test_the_lane_for_cancelling_is_wide_and_has_an_end() -> None:
    few = Allowance(per_s=0.001, burst=1, active=1, queued=1)
    async with front(rate=few) as house:
        caller = await house.client("caller")
        place = f"/v1/runs/{'a' * 32}/cancel"

        statuses = [(await caller.post(place)).status_code for _ in range(4)]
        other = await caller.get("/v1/me")

    assert statuses == [404, 404, 404, 429]
    assert other.status_code == 200
