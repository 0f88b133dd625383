"""Diagnosed and fixed: a person approves what the mesh proposes, and the shop is fast again, once."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from deploy.demo.control import OperatedShop, operated_shop
from deploy.demo.outside import Provider, provider_running
from services.operator.actions import Action, ServiceState
from services.operator.target import HttpTarget, TargetError
from tests.conftest import ROOT
from tests.e2e.mesh import UpProcess, mesh_running, until
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import When, WireCall, WireReply
from weft.tools import NOT_DONE, EffectNotDone, done

pytestmark = pytest.mark.timeout(240)
FLAG = "fraud_scoring"
BASKET = {"sku": "lamp", "quantity": 1}
SLOWEST = 2.0
"""Seconds that the provider takes; with the flag on, no checkout is faster."""
SERVICES = ("log_analyst", "operator", "trace_analyst")
OFF = {"kind": "set_flag", "service": "payment", "flag": FLAG, "on": False}
WORDS = "The flag was turned on just before."
ASK = WireCall(name="ask_approval", arguments={"action": OFF, "why": "it began with it"})
ACT = WireCall(name="set_flag", arguments={"service": "payment", "flag": FLAG, "on": False})
SCRIPT = (
    WireReply(text="It is off.", when=When(last_contains="Done, once"), repeat=True),
    WireReply(calls=(ACT,), when=When(last_contains="approved"), repeat=True),
    WireReply(calls=(ASK,), when=When(tool="ask_approval"), repeat=True),
    WireReply(text=WORDS, when=When(), repeat=True),
)
"""What the operator's model says: the same tools as the rules, asked for in its own way."""
GOAL = "Diagnose the checkout slowdown and fix it"


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as running:
        yield running


@pytest.fixture(scope="module")
def shop(
    portal: BlockingPortal, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatedShop]:
    place = tmp_path_factory.mktemp("shop")
    provider = Provider(fastest=SLOWEST, slowest=SLOWEST + 0.1, refused=0.0)
    with (
        portal.wrap_async_context_manager(provider_running(provider, seed=1)) as scoring,
        portal.wrap_async_context_manager(operated_shop(place, scoring=scoring)) as running,
    ):
        yield running


def project(place: Path) -> Path:
    """Return a checkout with fewer services: what is looked at here are logs and traces."""
    (place / "services").mkdir(parents=True)
    for name in SERVICES:
        (place / "services" / name).symlink_to(ROOT / "services" / name)
    for name in ("router_service", "gateway"):
        (place / name).symlink_to(ROOT / name)
    return place


@dataclass
class Endpoint:
    """Where the operator's language model answers, until it is closed; rules go on then."""

    server: ScriptedOpenAIServer
    close: Callable[[], None]


@pytest.fixture(scope="module")
def endpoint(portal: BlockingPortal) -> Iterator[Endpoint]:
    with ExitStack() as stack:
        scripted = portal.wrap_async_context_manager(ScriptedOpenAIServer(SCRIPT))
        yield Endpoint(stack.enter_context(scripted), stack.close)


@pytest.fixture(scope="module")
def mesh(
    shop: OperatedShop, endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[UpProcess]:
    place = tmp_path_factory.mktemp("operated")
    environment = {
        "OPERATOR_MODEL": "openai:scripted",
        "OPERATOR_MODEL_PATIENCE_SECONDS": "2",
        "OPENAI_BASE_URL": endpoint.server.base_url,
        "OPENAI_API_KEY": "k",
    }
    with mesh_running(
        place / "home",
        project=project(place / "project"),
        environment=environment,
        options=("--operate", shop.url, "--operate-token", str(shop.token_file)),
    ) as running:
        yield running


@pytest.fixture
def faulty(portal: BlockingPortal, shop: OperatedShop) -> int:
    """Turn the flag on, and return how many operations there were before."""

    async def switched() -> None:
        await shop.switch(FLAG, on=True)

    portal.call(switched)
    return len(shop.operations)


def is_on(shop: OperatedShop) -> bool:
    return shop.services["payment"].flags[FLAG][0]


def checkout_seconds(shop: OperatedShop) -> float:
    """Return how long a customer waits for a checkout, the fastest of three."""
    taken = []
    with httpx.Client(trust_env=False, timeout=30) as customer:
        for _ in range(3):
            began = time.monotonic()
            customer.post(f"{shop.urls['frontend']}/checkout", json=BASKET)
            taken.append(time.monotonic() - began)
    return min(taken)


def asked(mesh: UpProcess, goal: str, key: str | None = None, **more: str) -> str:
    with mesh.client(key) as client:
        accepted = client.post("/v1/runs", json={"input": goal, **more})
        assert accepted.status_code == 202, accepted.text
        return str(accepted.json()["run_id"])


def run_of(mesh: UpProcess, run: str, key: str | None = None) -> dict[str, Any]:
    with mesh.client(key) as client:
        answer = client.get(f"/v1/runs/{run}", headers={"prefer": "wait=50"})
        shown: dict[str, Any] = answer.json()
        return shown


def waiting(mesh: UpProcess, run: str, key: str | None = None) -> dict[str, Any]:
    """Return the one question that a run waits for."""
    shown = run_of(mesh, run, key)
    assert shown["status"] == "interrupted", json.dumps(shown)[:3000]
    [question] = shown["interrupts"]
    assert question["reason"] == "approval"
    return dict(question)


def answered(
    mesh: UpProcess,
    run: str,
    question: Mapping[str, Any],
    key: str | None = None,
    *,
    yes: bool = True,
) -> httpx.Response:
    response = {"interrupt_id": question["id"], "payload": {"approved": yes}}
    with mesh.client(key) as client:
        return client.post(f"/v1/runs/{run}/resume", json={"responses": [response]})


@pytest.mark.requirement("GW-33", "GW-34", "PROTO-8", "RT-19", "RT-23", "PLAN-25")
def test_the_slow_checkout_is_diagnosed_and_fixed_once_though_everything_died_while_it_waited(
    mesh: UpProcess, shop: OperatedShop, faulty: int
) -> None:
    alice = mesh.new_key("alice")
    slow = checkout_seconds(shop)
    run = asked(mesh, GOAL, alice)

    question = waiting(mesh, run, alice)
    assert is_on(shop)
    for module in ("gateway.main", "router_service.main", "services.operator.main"):
        mesh.child(module).kill()
    until(lambda: answers(mesh), seconds=60)
    again = waiting(mesh, run, alice)
    own = answered(mesh, run, question, alice)
    approved = mesh.weft("approve", run)
    late = answered(mesh, run, question, yes=False)
    ended = run_of(mesh, run, alice)

    assert "Most likely cause: payment" in question["message"]
    assert f"Proposed: turn the flag {FLAG} of payment off." in question["message"]
    assert "To undo: turn it on again." in question["message"]
    assert f"The operator's language model says: {WORDS}" in question["message"]
    assert again["id"] == question["id"]
    assert own.status_code == 403
    assert approved.returncode == 0, approved.stderr
    assert late.status_code == 409
    assert late.json()["code"] == "interrupt_already_resolved"
    assert ended["status"] == "completed", json.dumps(ended)[:3000]
    text = ended["output"]["text"]
    assert f"Done, once: the flag {FLAG} of payment was turned off." in text
    assert "Before: on=true" in text
    assert "After, read back from the demo shop: on=false" in text
    assert len(shop.operations) == faulty + 1
    assert not is_on(shop)
    assert slow >= SLOWEST > checkout_seconds(shop)


def approved_by_name(mesh: UpProcess, shop: OperatedShop, operations: int) -> None:
    """Ask the operator itself: policy's gate shows no action, so it shows its own, and asks again."""
    run = asked(mesh, f"Turn the flag {FLAG} off", agent="operator")

    first = waiting(mesh, run)
    answered(mesh, run, first)
    second = waiting(mesh, run)
    meanwhile = len(shop.operations)
    answered(mesh, run, second)
    ended = run_of(mesh, run)

    assert "Proposed" not in first["message"]
    assert f"Proposed: turn the flag {FLAG} of payment off." in second["message"]
    assert meanwhile == operations
    assert ended["status"] == "completed", json.dumps(ended)[:3000]
    assert "Done, once" in ended["output"]["text"]
    assert len(shop.operations) == operations + 1
    assert not is_on(shop)


def answers(mesh: UpProcess) -> bool:
    try:
        with mesh.client() as client:
            return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


def test_a_model_that_is_asked_by_name_asks_a_person_and_then_does_exactly_that(
    mesh: UpProcess, shop: OperatedShop, faulty: int
) -> None:
    approved_by_name(mesh, shop, faulty)


def test_its_model_away_the_operator_goes_on_by_rules(
    mesh: UpProcess, shop: OperatedShop, endpoint: Endpoint, faulty: int
) -> None:
    endpoint.close()

    approved_by_name(mesh, shop, faulty)


@pytest.mark.requirement("PLAN-25")
def test_a_refusal_ends_the_run_and_nothing_is_done(
    mesh: UpProcess, shop: OperatedShop, faulty: int
) -> None:
    run = asked(mesh, f"Turn the flag {FLAG} off")
    question = waiting(mesh, run)

    assert answered(mesh, run, question, yes=False).status_code in {200, 202}
    ended = run_of(mesh, run)

    assert (ended["status"], ended["error"]["code"]) == ("failed", "approval_refused")
    assert len(shop.operations) == faulty
    assert is_on(shop)


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ("Restart the wallet", "names no service of the demo shop"),
        ("Scale payment to 9 processes", "payment can be scaled to 1 to 3"),
    ],
)
def test_what_fits_nothing_is_said_with_what_it_can_do_and_asks_nobody(
    mesh: UpProcess, shop: OperatedShop, goal: str, words: str
) -> None:
    before = len(shop.operations)

    ended = run_of(mesh, asked(mesh, goal))

    assert (ended["status"], ended["error"]["code"]) == ("failed", "no_capability")
    assert words in ended["error"]["detail"]
    assert "restart a service: inventory, payment, checkout, frontend" in ended["error"]["detail"]
    assert len(shop.operations) == before


@pytest.mark.requirement("FX-4")
def test_an_operator_killed_while_it_acts_asks_the_shop_what_became_of_it_and_repeats_nothing(
    mesh: UpProcess, shop: OperatedShop
) -> None:
    known, before = set(shop.operations), shop.services["payment"].processes[0].url
    run = asked(mesh, "Restart payment")
    answered(mesh, run, waiting(mesh, run))
    until(lambda: shop.operations.keys() > known)

    mesh.child("services.operator.main").kill()
    ended = run_of(mesh, run)

    assert ended["status"] == "completed", json.dumps(ended)[:3000]
    assert "Done, once: payment was restarted." in ended["output"]["text"]
    [key] = shop.operations.keys() - known
    assert shop.operations[key] == "done"
    [process] = shop.services["payment"].processes
    assert process.url != before


def test_the_shop_is_restarted_and_scaled_while_it_works_and_takes_each_operation_once(
    portal: BlockingPortal, shop: OperatedShop
) -> None:
    before, pages = len(shop.operations), len(shop.pages)

    first, second, third = portal.call(operated, shop)

    assert [each.replicas for each in (first, second, third)] == [1, 1, 2]
    assert (second.started_at or 0) > (first.started_at or 0)
    assert len(shop.operations) == before + 3
    assert len(shop.pages) == pages + 1
    bought = httpx.post(f"{shop.urls['frontend']}/checkout", json=BASKET, timeout=30)
    assert bought.status_code == 201


async def operated(shop: OperatedShop) -> list[ServiceState]:
    """Operate the shop by the operator's own driver, and return what payment was meanwhile."""
    seen: list[ServiceState] = []

    async def look() -> None:
        service = (await target.state()).service("payment")
        assert service is not None
        seen.append(service)

    async with aiohttp.ClientSession() as session:
        target = HttpTarget(session, shop.url, shop.token_file)
        await look()
        for _ in range(2):
            await target.perform(Action(kind="restart_service", service="payment"), key="r")
        await look()
        await target.perform(Action(kind="scale_service", service="payment", replicas=2), key="s")
        await look()
        page = Action(kind="page_person", who="on-call", message="look")
        for _ in range(2):
            await target.perform(page, key="p")
        assert [await target.outcome(key) for key in ("p", "q")] == [done(), NOT_DONE]
        with pytest.raises(EffectNotDone, match="no service 'shop'"):
            await target.perform(Action(kind="restart_service", service="shop"), key="x")
        with pytest.raises(TargetError, match="401"):
            await HttpTarget(session, shop.url, None).state()
    return seen
