"""Effects: once each, under a stable key, asking where nobody knows."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from weft.checkpoint.effects import EffectCall, EffectOutcome, Intent
from weft.core import Authority, Deadline, JsonValue, Principal, ToolCall
from weft.core.errors import EffectUnrecordedError, StoreUnavailableError
from weft.events import Event
from weft.runs import LocalJournal
from weft.tools import (
    NOT_DONE,
    UNKNOWN,
    CallLimits,
    EffectHost,
    EffectNotDone,
    InterruptRaised,
    Reconciled,
    Tool,
    ToolContext,
    ToolExecution,
    call_tool,
    done,
    tool,
    validated,
)
from weft.tools.effects import Effect


@dataclass
class Ledger:
    """A run's journal, with what it was told and what the outside did."""

    told: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    raising: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = LocalJournal(thread_id="t1", tell=self.hear)

    def hear(self, event: Event) -> None:
        data = event.data.model_dump()
        self.told.append(" ".join(map(str, (event.type, data["attempt"], data.get("outcome", "")))))

    def pay(self, **options: Any) -> Tool:  # noqa: ANN401 - the decorator's own options
        @tool(**{"idempotent": True, **options})
        async def pay(context: ToolContext, amount: float, to: str = "shop") -> str:
            self.told.append("body")
            self.keys.append(context.idempotency_key)
            self.attempts.append(context.attempt)
            if self.raising:
                raise self.raising.pop(0)
            return f"paid {amount:g} to {to}"

        return pay

    async def call(
        self,
        used: Tool,
        arguments: Mapping[str, JsonValue],
        **context: Any,  # noqa: ANN401
    ) -> ToolExecution:
        call = ToolCall(id="c1", name=used.name, arguments=dict(arguments))
        return await call_tool(used, call, ToolContext(**context), journal=self.journal)

    async def crash_in(self, used: Tool, arguments: Mapping[str, JsonValue]) -> None:
        """Leave the key as a dead owner does: begun, its outcome unknown."""
        self.raising.append(OSError("connection reset"))
        lost = await self.call(used, arguments)
        assert lost.outcome == "unknown"
        self.told.clear()


@pytest.mark.requirement("FX-2")
@pytest.mark.requirement("FX-3")
async def test_intent_stands_before_the_body_and_outcome_before_the_answer() -> None:
    ledger = Ledger()

    paid = await ledger.call(ledger.pay(), {"amount": 5})

    assert (paid.content, paid.outcome, paid.replayed) == ("paid 5 to shop", "ok", False)
    assert ledger.told == [
        "agent.effect.intended 1 ",
        "body",
        "agent.effect.settled 1 done",
    ]


@pytest.mark.requirement("FX-13")
async def test_the_same_call_again_gets_the_recorded_result() -> None:
    ledger = Ledger()
    pay = ledger.pay()

    first = await ledger.call(pay, {"amount": 5})
    again = await ledger.call(pay, {"amount": 5})

    assert (again.content, again.replayed) == (first.content, True)
    assert ledger.told.count("body") == 1
    assert ledger.keys[0] is not None
    assert len(ledger.keys[0]) == 64


@pytest.mark.requirement("FX-5")
async def test_keys_ignore_order_defaults_and_number_forms_but_count_every_byte() -> None:
    ledger = Ledger()
    pay = ledger.pay()

    await ledger.call(pay, {"amount": 100, "to": "shop"})
    await ledger.call(pay, {"to": "shop", "amount": 100.0})
    await ledger.call(pay, {"amount": "100"})
    assert ledger.told.count("body") == 1

    await ledger.call(pay, {"amount": 100, "to": "shop "})
    await ledger.call(pay, {"amount": 101})
    assert ledger.told.count("body") == 3


async def test_a_key_of_ones_own_replaces_the_arguments() -> None:
    ledger = Ledger()
    by_name = ledger.pay(key="to")

    await ledger.call(by_name, {"amount": 1})
    again = await ledger.call(by_name, {"amount": 2})

    assert again.content == "paid 1 to shop"
    by_function = ledger.pay(name="pay_too", key=lambda arguments: arguments["amount"])
    await ledger.call(by_function, {"amount": 1, "to": "a"})
    assert (await ledger.call(by_function, {"amount": 1, "to": "b"})).replayed


async def test_tenants_and_threads_of_other_subjects_share_no_effect() -> None:
    ledger = Ledger()
    pay = ledger.pay(scope="thread")

    for tenant, subject in (("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")):
        who = Authority(Principal(tenant=tenant, subject=subject))
        await ledger.call(pay, {"amount": 1}, authority=who)

    assert len(set(ledger.keys)) == len(ledger.keys) == 3


def _leaving_key(_: object) -> JsonValue:
    sys.exit(3)


def _broken_key(_: object) -> JsonValue:
    raise LookupError("no order yet")


@pytest.mark.requirement("FX-16")
@pytest.mark.parametrize(
    ("amount", "options", "why"),
    [
        ("nan", {}, "finite number"),
        ("inf", {}, "finite number"),
        (1, {"key": lambda _: 2**53 + 1}, "no effect key"),
        (1, {"key": _broken_key}, "no effect key"),
        (1, {"key": _leaving_key}, "no effect key: SystemExit"),
    ],
)
async def test_a_key_that_cannot_be_formed_is_an_error_and_runs_no_body(
    amount: JsonValue, options: dict[str, Any], why: str
) -> None:
    ledger = Ledger()

    failed = await ledger.call(ledger.pay(**options), {"amount": amount})

    assert failed.outcome == "error"
    assert why in failed.content
    assert ledger.told == []


class Refused(Exception):  # noqa: N818 - what a client library would call it
    """An answer of HTTP status `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


@pytest.mark.requirement("FX-6")
@pytest.mark.parametrize(
    "error", [Refused(503), Refused(409), EffectNotDone("sold out"), ConnectionRefusedError()]
)
async def test_what_was_surely_not_done_runs_again_under_the_same_key(error: Exception) -> None:
    ledger = Ledger(raising=[error])
    pay = ledger.pay()

    failed = await ledger.call(pay, {"amount": 5})
    paid = await ledger.call(pay, {"amount": 5})
    replay = await ledger.call(pay, {"amount": 5})

    assert (failed.outcome, paid.outcome, replay.replayed) == ("not_done", "ok", True)
    assert (len(set(ledger.keys)), ledger.attempts) == (1, [1, 2])
    assert ledger.told == [
        "agent.effect.intended 1 ",
        "body",
        "agent.effect.settled 1 not_done",
        "agent.effect.intended 2 ",
        "body",
        "agent.effect.settled 2 done",
    ]


async def test_a_declared_exception_is_not_done_and_any_other_unknown() -> None:
    ledger = Ledger(raising=[KeyError("x"), Refused(500)])
    pay = ledger.pay(not_done_on=KeyError)

    assert (await ledger.call(pay, {"amount": 5})).outcome == "not_done"
    assert (await ledger.call(pay, {"amount": 5})).outcome == "unknown"
    assert ledger.told[-1] == "agent.effect.settled 2 unknown"


async def test_a_tool_that_passes_its_key_runs_again_where_the_outcome_is_unknown() -> None:
    ledger = Ledger()
    pay = ledger.pay(passes_key=True)
    await ledger.crash_in(pay, {"amount": 5})

    paid = await ledger.call(pay, {"amount": 5})

    assert paid.outcome == "ok"
    assert len(ledger.keys) == 2
    assert len(set(ledger.keys)) == 1


@pytest.mark.requirement("FX-8")
@pytest.mark.parametrize(
    ("found", "content", "bodies"),
    [(done("paid before"), "paid before", 0), (NOT_DONE, "paid 5 to shop", 1)],
)
async def test_reconcile_decides_without_a_person(
    found: Reconciled, content: str, bodies: int
) -> None:
    ledger = Ledger()
    asked: list[tuple[str, dict[str, JsonValue]]] = []

    def reconcile(key: str, arguments: dict[str, JsonValue]) -> Reconciled:
        asked.append((key, arguments))
        return found

    pay = ledger.pay(reconcile=reconcile)
    await ledger.crash_in(pay, {"amount": 5})

    cleared = await ledger.call(pay, {"amount": 5})

    assert asked == [(ledger.keys[0], {"amount": 5.0, "to": "shop"})]
    assert (cleared.content, ledger.told.count("body")) == (content, bodies)


async def _fails(_key: str, _arguments: object) -> Reconciled:
    raise TimeoutError


@pytest.mark.requirement("FX-8")
@pytest.mark.parametrize("reconcile", [None, lambda _key, _arguments: UNKNOWN, _fails])
async def test_without_certainty_the_run_asks_under_one_id_and_takes_the_answer(
    reconcile: Any,  # noqa: ANN401 - any of the forms a tool may give
) -> None:
    answers: dict[str, JsonValue] = {}

    async def asked(ledger: Ledger, pay: Tool) -> str:
        with pytest.raises(InterruptRaised) as caught:
            await ledger.call(pay, {"amount": 5}, answers=answers)
        interrupt = caught.value.interrupt
        assert interrupt.reason == "effect_unknown"
        assert interrupt.options == ("done", "not_done", "abandon")
        return interrupt.id

    ledger = Ledger()
    pay = ledger.pay(reconcile=reconcile)
    await ledger.crash_in(pay, {"amount": 5})
    first = await asked(ledger, pay)
    assert first == await asked(ledger, pay)
    assert ledger.told.count("body") == 0

    answers[first] = "abandon"
    given_up = await ledger.call(pay, {"amount": 5}, answers=answers)
    assert given_up.outcome == "unknown"
    assert ledger.told.count("body") == 0

    answers[first] = {"outcome": "not_done"}
    ledger.raising.append(OSError("reset again"))
    assert (await ledger.call(pay, {"amount": 5}, answers=answers)).outcome == "unknown"
    second = await asked(ledger, pay)
    assert second != first

    answers[second] = {"outcome": "done", "value": "receipt 7"}
    settled = await ledger.call(pay, {"amount": 5}, answers=answers)
    assert (settled.content, settled.replayed) == ("receipt 7", True)


class Away(LocalJournal):
    """A journal whose database is away."""

    async def intend(
        self, call: EffectCall, *, again: bool = False, events: Sequence[Event] = ()
    ) -> Intent:
        raise StoreUnavailableError(f"no database for {call.tool}, {again}, {len(events)} events")


@pytest.mark.requirement("FX-10")
async def test_without_an_intent_no_body_runs_and_the_run_hears_of_it() -> None:
    ledger = Ledger()
    ledger.journal = Away()

    with pytest.raises(StoreUnavailableError) as caught:
        await ledger.call(ledger.pay(), {"amount": 5})

    assert caught.value.code == "store_unavailable"
    assert ledger.told == []


class Flaky(LocalJournal):
    """A journal that loses its database for two writes of an outcome."""

    failures = 2

    async def settle(
        self, key: str, attempt: int, outcome: EffectOutcome, *, events: Sequence[Event] = ()
    ) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("the database cannot be reached")
        await super().settle(key, attempt, outcome, events=events)


@pytest.mark.requirement("FX-11")
async def test_an_outcome_not_stored_by_the_deadline_ends_as_unrecorded() -> None:
    ledger = Ledger()
    ledger.journal = journal = Flaky()
    journal.failures = 1_000_000

    with anyio.fail_after(5):
        async with EffectHost() as host:
            effect = Effect(
                ledger.pay(),
                validated(ledger.pay(), ToolCall(id="1", name="pay", arguments={"amount": 5})),
                ToolContext(authority=Authority(deadline=Deadline.after(0.2))),
                journal=journal,
            )
            with pytest.raises(EffectUnrecordedError) as caught:
                await effect.perform(host, timeout_s=5)

    assert caught.value.code == "effect_unrecorded"
    assert ledger.told == ["body"]
    assert journal.failures < 1_000_000 - 2


@pytest.mark.requirement("FX-11")
async def test_storing_an_outcome_is_tried_again() -> None:
    ledger = Ledger()
    ledger.journal = Flaky()

    paid = await ledger.call(ledger.pay(), {"amount": 5})

    assert (paid.outcome, ledger.told.count("body")) == ("ok", 1)


async def test_a_result_without_json_form_is_done_and_an_error_ever_after() -> None:
    ledger = Ledger()

    @tool(idempotent=True)
    async def odd() -> object:
        ledger.told.append("body")
        return object()

    first, second = await ledger.call(odd, {}), await ledger.call(odd, {})

    assert (first.outcome, second.outcome, second.replayed) == ("error", "error", True)
    assert ledger.told.count("body") == 1


@dataclass
class Slow:
    """A tool whose body waits to be released."""

    begun: anyio.Event = field(default_factory=anyio.Event)
    release: anyio.Event = field(default_factory=anyio.Event)
    bodies: int = 0

    def tool(self) -> Tool:
        @tool(idempotent=True, timeout=5)
        async def slow() -> str:
            self.bodies += 1
            self.begun.set()
            await self.release.wait()
            return "done at last"

        return slow


async def test_a_timeout_lets_the_effect_go_on_in_its_host() -> None:
    slow, journal = Slow(), LocalJournal()
    used = replace(slow.tool(), timeout=0.05)
    call = ToolCall(id="1", name="slow")

    with anyio.fail_after(5):
        async with EffectHost() as host:
            late = await call_tool(used, call, ToolContext(), journal=journal, host=host)
            slow.release.set()
        again = await call_tool(used, call, ToolContext(), journal=journal)

    assert late.outcome == "timeout"
    assert late.error is not None
    assert late.error.startswith("timed out after 0.05 s; the effect goes on")
    assert (again.content, again.replayed, slow.bodies) == ("done at last", True, 1)


class Held(LocalJournal):
    """A journal whose intents wait to be let through."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.through = anyio.Event(), anyio.Event()

    async def intend(
        self, call: EffectCall, *, again: bool = False, events: Sequence[Event] = ()
    ) -> Intent:
        self.asked.set()
        await self.through.wait()
        return await super().intend(call, again=again, events=events)


async def test_a_call_canceled_before_its_intent_stands_starts_no_body() -> None:
    slow, journal = Slow(), Held()
    slow.release.set()
    call = ToolCall(id="1", name="slow")

    with anyio.fail_after(5):
        async with EffectHost() as host:
            async with anyio.create_task_group() as group:

                async def one() -> None:
                    await call_tool(slow.tool(), call, ToolContext(), journal=journal, host=host)

                group.start_soon(one)
                await journal.asked.wait()
                group.cancel_scope.cancel()
            journal.through.set()
    assert slow.bodies == 0

    again = await call_tool(slow.tool(), call, ToolContext(), journal=journal)
    assert (again.outcome, slow.bodies) == ("ok", 1)


async def test_a_canceled_call_lets_the_effect_end_within_its_grace() -> None:
    slow, journal = Slow(), LocalJournal()
    call = ToolCall(id="1", name="slow")

    async def run() -> None:
        async with EffectHost() as host:
            await call_tool(slow.tool(), call, ToolContext(), journal=journal, host=host)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await slow.begun.wait()
            group.cancel_scope.cancel()
            slow.release.set()
    replay = await call_tool(slow.tool(), call, ToolContext(), journal=journal)

    assert (replay.content, slow.bodies) == ("done at last", 1)


async def test_an_effect_that_outlasts_its_grace_is_unknown() -> None:
    slow, journal = Slow(), LocalJournal()
    limits = CallLimits()
    used = replace(slow.tool(), timeout=0.05)
    call = ToolCall(id="1", name="slow")

    with anyio.fail_after(5):
        await call_tool(used, call, ToolContext(), journal=journal, limits=limits)
        with pytest.raises(InterruptRaised):
            await call_tool(used, call, ToolContext(), journal=journal, limits=limits)

    assert slow.bodies == 1


async def test_calls_at_once_share_the_one_outcome() -> None:
    slow, journal = Slow(), LocalJournal()
    made: list[str] = []

    async def one() -> None:
        call = ToolCall(id="1", name="slow")
        made.append((await call_tool(slow.tool(), call, ToolContext(), journal=journal)).content)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(one)
            await slow.begun.wait()
            slow.release.set()

    assert (made, slow.bodies) == (["done at last"] * 5, 1)
