"""Who may do what: every route, with every scope, as its owner, a colleague and a stranger."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import httpx
import pytest
from fastapi.routing import APIRoute

from gateway.explain import explain_routes
from tests.libs.server.door import Bounded, House, gate_of, opened
from weft.checkpoint import memory_checkpointer
from weft.core import ALL_SCOPES, Authority, JsonObject, JsonValue, Principal, new_id
from weft.core.errors import UnauthenticatedError
from weft.server.admission import Admission, ApiOptions
from weft.server.alert_routes import alert_routes
from weft.server.alias_routes import alias_routes
from weft.server.api import api
from weft.server.list_routes import list_routes
from weft.server.run_routes import run_routes
from weft.server.thread_routes import thread_routes

OPEN, ANYBODY = "no credential", "any credential"
WRITE = frozenset({"runs:write"})
READ = frozenset({"runs:read"})
RUN = "/v1/runs/{run_id}"
THREAD = "/v1/threads/{thread_id}"
ALIAS = "/threads/{thread_id}"
NEEDS: dict[tuple[str, str], str | frozenset[str]] = {
    ("GET", "/"): OPEN,
    ("GET", "/health"): OPEN,
    ("GET", "/liveness"): OPEN,
    ("GET", "/readiness"): OPEN,
    ("GET", "/v1/me"): ANYBODY,
    ("POST", "/invoke"): WRITE,
    ("POST", "/stream"): WRITE,
    ("POST", "/v1/runs"): WRITE,
    ("POST", f"{THREAD}/runs"): WRITE,
    ("POST", f"{RUN}/cancel"): WRITE,
    ("POST", f"{RUN}/rating"): WRITE,
    ("POST", f"{RUN}/resume"): WRITE | {"approve"},
    ("GET", RUN): READ,
    ("GET", f"{RUN}/stream"): READ,
    ("GET", f"{RUN}/events"): READ,
    ("GET", f"{RUN}/tree"): READ,
    ("POST", "/v1/explain"): READ,
    ("POST", "/v1/alerts"): WRITE,
    ("GET", "/v1/runs"): READ,
    ("GET", "/v1/threads"): frozenset({"threads:read"}),
    ("GET", "/v1/interrupts"): READ | {"approve"},
    ("GET", f"{RUN}/interrupts"): READ | {"approve"},
    ("GET", THREAD): frozenset({"threads:read"}),
    ("GET", ALIAS): frozenset({"threads:read"}),
    ("DELETE", THREAD): frozenset({"threads:write"}),
    ("DELETE", ALIAS): frozenset({"threads:write"}),
}
"""The scopes of which one is enough; every scope but these and `admin` is not."""
BODIES: dict[str, JsonObject] = {
    "/invoke": {"prompt": "x"},
    "/stream": {"prompt": "x"},
    "/v1/runs": {"prompt": "x"},
    f"{THREAD}/runs": {"prompt": "x"},
    f"{RUN}/cancel": {},
    f"{RUN}/rating": {"rating": "bad"},
    f"{RUN}/resume": {"responses": [{"interrupt_id": "a" * 32, "payload": "yes"}]},
    "/v1/explain": {"input": "x"},
    "/v1/alerts": {
        "status": "firing",
        "groupKey": "g",
        "alerts": [{"startsAt": "2026-03-01T10:00:00Z"}],
    },
}
PROTECTED = [route for route, needed in NEEDS.items() if needed != OPEN]
OWN = {
    ("POST", "/invoke"),
    ("POST", "/stream"),
    ("POST", "/v1/runs"),
    ("POST", f"{THREAD}/runs"),
    ("POST", "/v1/explain"),
    ("POST", "/v1/alerts"),
    ("GET", "/v1/me"),
    ("GET", "/v1/runs"),
    ("GET", "/v1/threads"),
}
"""Routes that touch nothing of anybody else's."""
ANSWERED = {("GET", "/v1/interrupts"), ("GET", f"{RUN}/interrupts"), ("POST", f"{RUN}/resume")}
"""What an approver of the tenant may do for a colleague: see what is asked, and answer it."""


class Passports:
    """A credential names tenant, subject and scopes itself: `acme/ana/runs:read+approve`."""

    async def authenticate(self, credential: str) -> Principal:
        try:
            tenant, subject, scopes = credential.split("/")
        except ValueError:
            raise UnauthenticatedError("no passport") from None
        return Principal(tenant=tenant, subject=subject, scopes=frozenset(scopes.split("+")))


class Router:
    """Explains nothing."""

    async def explain(self, authority: Authority, **_: JsonValue) -> JsonObject:
        return {"for": authority.principal.subject}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with aclosing(memory_checkpointer()) as store, opened(store) as made:
        explain = explain_routes(Router())  # type: ignore[arg-type]  # one method is used
        made.app = api(made.runs, Passports(), gate_of(made.runs), extra_routes=[explain])
        yield made


@asynccontextmanager
async def client(house: House, passport: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {passport}"}
    async with httpx.AsyncClient(
        transport=Bounded(house.app), base_url="http://127.0.0.1", headers=headers
    ) as made:
        yield made


async def ask(
    house: House, passport: str, route: tuple[str, str], *, run: str, thread: str
) -> httpx.Response:
    method, path = route
    url = path.replace("{run_id}", run).replace("{thread_id}", thread)
    # A stream of a run that waits would go on as long as it waits.
    query = {"until": "interrupt"} if path.endswith("{run_id}/stream") else None
    async with client(house, passport) as caller:
        return await caller.request(method, url, json=BODIES.get(path), params=query)


async def waiting_run(house: House) -> tuple[str, str]:
    """Return (run, thread) of a run of Ana's that waits for an answer."""
    thread = f"t-{new_id()}"
    async with client(house, f"acme/ana/{'+'.join(sorted(ALL_SCOPES))}") as ana:
        answer = await ana.post("/invoke", json={"prompt": "ask", "thread_id": thread})
    return str(answer.json()["run_id"]), thread


async def test_every_route_says_who_may_use_it(house: House) -> None:
    admission = Admission(house.runs, ApiOptions(), gate_of(house.runs))
    explain = explain_routes(Router())  # type: ignore[arg-type]  # one method is used
    routers = (
        alias_routes(admission),
        run_routes(admission),
        thread_routes(house.runs),
        alert_routes(admission),
        list_routes(admission),
        explain,
    )
    served = {
        (method, route.path)
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }

    assert served == NEEDS.keys()


@pytest.mark.requirement("AUTH-9")
@pytest.mark.parametrize("scope", sorted(ALL_SCOPES))
@pytest.mark.parametrize("route", PROTECTED, ids=" ".join)
async def test_a_route_opens_to_its_scopes_and_to_no_other(
    house: House, route: tuple[str, str], scope: str
) -> None:
    needed = NEEDS[route]
    run, thread = await waiting_run(house)

    answer = await ask(house, f"acme/ana/{scope}", route, run=run, thread=thread)

    if needed == ANYBODY or scope == "admin" or scope in needed:
        assert answer.status_code < 500
        assert answer.status_code not in {401, 403}, answer.text
    else:
        assert answer.status_code == 403, answer.text
        assert answer.json()["required_scope"] in needed
    async with client(house, "acme/ana/admin") as ana:
        untouched = (await ana.get(f"/v1/runs/{run}")).json()["status"] == "interrupted"
    changing = route[1] in {f"{RUN}/cancel", f"{RUN}/resume"} or route[0] == "DELETE"
    assert untouched or (changing and answer.status_code < 300)


@pytest.mark.requirement("AUTH-9")
@pytest.mark.parametrize("route", PROTECTED, ids=" ".join)
async def test_all_scopes_but_its_own_open_no_route(house: House, route: tuple[str, str]) -> None:
    needed = NEEDS[route]
    if needed == ANYBODY:
        needed = frozenset[str]()
    others = ALL_SCOPES - {"admin"} - frozenset(needed)
    run, thread = await waiting_run(house)

    answer = await ask(house, f"acme/ana/{'+'.join(others)}", route, run=run, thread=thread)

    assert answer.status_code == (403 if needed else 200)


@pytest.mark.requirement("AUTH-7")
@pytest.mark.parametrize("who", ["acme/bob", "evil/ana"])
@pytest.mark.parametrize("route", PROTECTED, ids=" ".join)
async def test_to_anybody_else_a_run_and_a_thread_are_not_there(
    house: House, route: tuple[str, str], who: str
) -> None:
    run, thread = await waiting_run(house)
    everything = "+".join(sorted(ALL_SCOPES - {"admin"}))

    answer = await ask(house, f"{who}/{everything}", route, run=run, thread=thread)

    if route in OWN:
        assert answer.status_code < 300, answer.text
        assert run not in answer.text
    elif route in ANSWERED and who == "acme/bob":
        assert answer.status_code < 300, answer.text
        assert run in answer.text
        assert thread not in answer.text
        return
    elif route == ("GET", "/v1/interrupts"):
        assert answer.json()["data"] == []
    elif route[0] == "DELETE":
        assert answer.json()["deleted"] is False
    else:
        assert answer.status_code == 404, answer.text
    async with client(house, "acme/ana/admin") as ana:
        assert (await ana.get(f"/v1/runs/{run}")).json()["status"] == "interrupted"
        assert (await ana.get(f"/threads/{thread}")).status_code == 200


@pytest.mark.requirement("AUTH-5")
@pytest.mark.parametrize("route", sorted(NEEDS), ids=" ".join)
async def test_without_a_credential_only_probes_answer(
    house: House, route: tuple[str, str]
) -> None:
    answer = await ask(house, "nobody", route, run="0" * 32, thread="t")

    assert answer.status_code == (200 if NEEDS[route] == OPEN else 401)
