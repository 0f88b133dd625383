"""One call: its ids, its attempts, its record."""

import asyncio
import hashlib

import anyio
import pytest

from tests.libs.plan.doubles import RUN_ID, FakePeer, Journal, Peers, done, failed
from tests.libs.plan.doubles import interpreter as quick
from weft.core import (
    Authority,
    Budget,
    Deadline,
    Interrupt,
    JsonObject,
    JsonValue,
    Path,
    Reason,
    Result,
    Usage,
)
from weft.events import AnyData, Event
from weft.loop import Task
from weft.plan import Call, Interpreter, Node, Plan, Sequence, StepPatience, message_id_of


def plan(root: Node) -> Plan:
    return Plan(id="p", goal="why is checkout slow?", root=root)


def two_steps() -> Plan:
    return plan(
        Sequence(
            id="s",
            steps=(Call(id="a", capability="a"), Call(id="b", capability="b", prompt="{input}")),
        )
    )


async def test_a_single_call_answers_and_leaves_its_record_to_the_end_of_the_run() -> None:
    peers, journal = Peers(answer=done("because")), Journal()

    outcome = await quick(peers, journal).run(plan(Call(id="reply", role="answer")))

    assert outcome.result.text == "because"
    assert journal.commits == []
    assert [write.path for write in outcome.unrecorded] == [("reply",)]
    assert [event.type for event in outcome.unrecorded[0].events] == ["plan.step.finished"]
    assert peers["answer"].tasks[0].prompt == "why is checkout slow?"


@pytest.mark.requirement("PLAN-11")
async def test_a_step_starts_only_after_what_it_reads_is_durable() -> None:
    journal = Journal()
    seen: list[bool] = []

    def second(_: Task) -> Result:
        seen.append(("s", "a") in journal.steps)
        return done("b")

    await quick(Peers(a=done("a"), b=second), journal).run(two_steps())

    assert seen == [True]


@pytest.mark.requirement("PLAN-12")
async def test_message_ids_derive_from_run_path_and_attempt() -> None:
    peers = Peers(a=FakePeer("a", [failed("queue_full", retryable=True), done()]), b=done())

    await quick(peers, Journal()).run(two_steps())

    assert [task.message_id for task in peers["a"].tasks] == [f"{RUN_ID}:s.a", f"{RUN_ID}:s.a~2"]
    assert peers["b"].tasks[0].message_id == f"{RUN_ID}:s.b"
    long = ("x" * 40, "y" * 41)
    digest = hashlib.sha256(".".join(long).encode()).hexdigest()
    assert message_id_of(RUN_ID, long, 1) == f"{RUN_ID}:{digest}"


@pytest.mark.requirement("PLAN-15")
async def test_a_message_whose_fate_is_unknown_is_sent_again_under_its_id() -> None:
    away, busy = failed("peer_unavailable", retryable=True), failed("queue_full", retryable=True)
    peers = Peers(a=FakePeer("a", [away, busy, away, done()]), b=done())
    plan = two_steps()
    first = plan.root
    assert isinstance(first, Sequence)
    patient = first.steps[0].model_copy(update={"retries": 5})
    root = first.model_copy(update={"steps": (patient, *first.steps[1:])})

    await quick(peers, Journal()).run(plan.model_copy(update={"root": root}))

    sent = [task.message_id for task in peers["a"].tasks]
    assert sent == [f"{RUN_ID}:s.a", f"{RUN_ID}:s.a", f"{RUN_ID}:s.a~2", f"{RUN_ID}:s.a~2"]


@pytest.mark.requirement("PLAN-10")
@pytest.mark.requirement("PLAN-13")
async def test_a_completed_step_never_runs_again() -> None:
    first, before = Journal(), Peers(a=done("one"), b=failed())
    await quick(before, first).run(two_steps())
    peers = Peers(a=done("another"), b=done("two"))

    outcome = await quick(peers, Journal(dict(first.steps))).run(two_steps())

    assert outcome.result.text == "two"
    assert peers["a"].tasks == []
    assert "one" in peers["b"].tasks[0].prompt
    assert peers["b"].tasks[0].message_id == before["b"].tasks[0].message_id


@pytest.mark.requirement("PLAN-10")
async def test_a_second_writer_adopts_the_first_ones_result() -> None:
    class Raced(Journal):
        async def record(self, path, outcome, events=()):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            if path == ("probe", "a"):
                return {"status": "completed", "text": "theirs", "peer": "other"}
            return await super().record(path, outcome, events)

    from weft.plan import Parallel  # noqa: PLC0415 - only here

    gate = anyio.Event()

    async def slow(_: Task) -> Result:
        await gate.wait()
        return done("b")

    def early(_: Task) -> Result:
        gate.set()
        return done("mine")

    tree = Parallel(
        id="probe", branches=(Call(id="a", capability="a"), Call(id="b", capability="b"))
    )
    with anyio.fail_after(5):
        outcome = await quick(Peers(a=early, b=slow), Raced()).run(plan(tree))

    assert outcome.result.data == {"a": "theirs", "b": "b"}


@pytest.mark.requirement("PLAN-14")
async def test_attempts_spent_before_a_crash_stay_spent() -> None:
    node = Call(id="a", capability="a", retries=1)
    busy = failed("queue_full", retryable=True)
    first = Journal()
    await quick(Peers(a=busy), first).run(plan(node))
    crashed: dict[Path, JsonObject] = {
        path: step for path, step in first.steps.items() if path == ("a", "~1")
    }
    peers = Peers(a=FakePeer("a", [busy]))

    outcome = await quick(peers, Journal(crashed)).run(plan(node))

    assert [task.message_id for task in peers["a"].tasks] == [f"{RUN_ID}:a~2"]
    assert outcome.result.status == "failed"


@pytest.mark.requirement("PLAN-14")
async def test_a_failure_is_not_a_recorded_result() -> None:
    journal = Journal()
    await quick(Peers(a=failed(), b=done()), journal).run(two_steps())

    assert ("s", "a") not in journal.steps


@pytest.mark.requirement("PLAN-15")
@pytest.mark.parametrize(
    ("reason", "effects", "attempts"),
    [
        (failed("peer_failed", retryable=True), "unknown", 1),
        (failed("peer_failed", retryable=True), "none", 3),
        (failed("peer_unavailable", retryable=True), "unknown", 3),
        (failed("peer_failed"), "none", 1),
        (failed("budget_exhausted", retryable=True), "none", 1),
        (failed("deadline_exceeded", retryable=True), "none", 1),
        (failed("model_unavailable", retryable=True), "none", 1),
        (failed("model_timeout", retryable=True), "none", 1),
        (failed("model_rate_limited", retryable=True), "none", 1),
    ],
)
async def test_a_new_attempt_needs_freedom_from_effects_or_a_report_of_nothing_done(
    reason: Result, effects: str, attempts: int
) -> None:
    peers = Peers(a=reason)
    peers.safe = effects == "none"

    outcome = await quick(peers, Journal()).run(plan(Call(id="a", capability="a")))

    assert len(peers["a"].tasks) == attempts
    assert outcome.result.status == "failed"


@pytest.mark.parametrize("raised", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
async def test_a_peer_that_raises_anything_fails_its_own_step(raised: type[BaseException]) -> None:
    def answer(_: Task) -> Result:
        raise raised

    with anyio.fail_after(10):
        outcome = await quick(Peers(a=answer), Journal()).run(plan(Call(id="a", capability="a")))

    assert [reason.code for reason in outcome.result.reasons] == ["peer_failed"]


@pytest.mark.requirement("PLAN-29")
async def test_the_peer_is_picked_when_the_step_starts_and_another_after_a_failure() -> None:
    peers = Peers(b=done())

    def first(_: Task) -> Result:
        assert [target.capability for target in peers.targets] == ["a"]
        return failed("peer_unavailable", retryable=True) if len(peers.targets) < 2 else done()

    peers.by_name["a"] = FakePeer("a", [first, done()])

    await quick(peers, Journal()).run(two_steps())

    assert [(target.capability, target.tried) for target in peers.targets] == [
        ("a", frozenset()),
        ("a", frozenset({"a"})),
        ("b", frozenset()),
    ]


@pytest.mark.requirement("PLAN-16")
async def test_an_unknown_outcome_of_a_risky_call_asks_and_a_safe_one_fails() -> None:
    risky = plan(Call(id="a", capability="a", risk="medium"))
    journal = Journal()

    parked = await quick(Peers(a=failed("outcome_unknown")), journal).run(risky)
    safe = await quick(Peers(a=failed("outcome_unknown")), Journal()).run(
        plan(Call(id="a", capability="a"))
    )

    [question] = parked.result.interrupts
    assert (parked.result.status, question.reason) == ("interrupted", "outcome_unknown")
    assert question.options == ("retry", "accept", "fail")
    assert safe.result.reasons[0].code == "outcome_unknown"
    said: list[tuple[JsonValue, str, int]] = [
        ("accept", "completed", 0),
        ({"outcome": "accept"}, "completed", 0),
        ("fail", "failed", 0),
        ("retry", "completed", 1),
    ]
    for answer, status, attempts in said:
        peers = Peers(a=done())
        answered = Journal({("interrupt", question.id): {"answer": answer}})
        outcome = await quick(peers, answered).run(risky)
        assert (outcome.result.status, len(peers["a"].tasks)) == (status, attempts)


async def test_a_peers_question_keeps_its_id_and_its_answer_reaches_that_peer_only() -> None:
    asks = Result(
        status="interrupted", interrupts=(Interrupt(id="q1", reason="question", message="which?"),)
    )
    journal = Journal()
    first = await quick(Peers(a=asks, b=done()), journal).run(two_steps())
    peers = Peers(a=done(), b=done())
    answered = Journal({**journal.steps, ("interrupt", "q1"): {"answer": "eu"}})

    outcome = await quick(peers, answered).run(two_steps())

    assert [(each.id, each.path) for each in first.result.interrupts] == [("q1", ("s", "a"))]
    assert first.unrecorded == ()
    assert outcome.result.ok
    assert peers["a"].tasks[0].answers == {"q1": "eu"}
    assert peers["b"].tasks[0].answers == {}


@pytest.mark.requirement("PLAN-22")
async def test_a_nested_peers_events_are_forwarded_as_they_arrive() -> None:
    told = Event(type="agent.think", path=("inner",), data=AnyData())
    peers = Peers(
        a=FakePeer("agent-a", [failed("queue_full", retryable=True), done()], events=[told]),
        b=failed(),
    )
    journal = Journal()

    outcome = await quick(peers, journal).run(two_steps())

    seen = [(event.type, event.path) for event in journal.events]
    assert seen == [
        ("plan.step.started", ("s", "a")),
        ("agent.think", ("s", "a", "inner")),
        ("plan.step.retried", ("s", "a")),
        ("plan.step.started", ("s", "a")),
        ("agent.think", ("s", "a", "inner")),
        ("plan.step.finished", ("s", "a")),
        ("plan.step.started", ("s", "b")),
    ]
    [last] = outcome.unrecorded
    assert [(event.type, event.path) for event in last.events] == [
        ("plan.step.failed", ("s", "b")),
        ("plan.step.failed", ("s",)),
    ]
    assert journal.events[5].data.model_dump()["attempt"] == 2
    assert journal.events[5].data.model_dump()["peer"] == "agent-a"


@pytest.mark.requirement("PLAN-23")
async def test_usage_counts_failed_attempts_and_what_is_unknown_stays_so() -> None:
    lost = failed("queue_full", retryable=True).model_copy(update={"usage": Usage(total_tokens=5)})
    peers = Peers(
        a=FakePeer("a", [lost, done(usage=Usage(total_tokens=7))]),
        b=done(usage=Usage(unknown=True)),
    )

    outcome = await quick(peers, Journal()).run(two_steps())

    assert outcome.result.usage == Usage(total_tokens=12, unknown=True)


async def test_a_peer_that_raises_fails_its_step_without_its_words() -> None:
    def broken(_: Task) -> Result:
        raise RuntimeError("secret token")

    outcome = await quick(Peers(a=broken), Journal()).run(plan(Call(id="a", capability="a")))

    [reason] = outcome.result.reasons
    assert reason == Reason(
        code="peer_failed", message="the peer raised an unexpected error", path=("a",), peer="a"
    )


async def test_a_step_over_its_time_stops_its_peer() -> None:
    async def forever(_: Task) -> Result:
        await anyio.sleep_forever()
        return done()

    peers = Peers(a=forever)
    with anyio.fail_after(5):
        outcome = await quick(peers, Journal()).run(plan(Call(id="a", capability="a", timeout=0.3)))

    assert outcome.result.reasons[0].code == "deadline_exceeded"
    assert peers["a"].runs[0].canceled == "deadline exceeded"


@pytest.mark.requirement("PLAN-17")
async def test_cancel_stops_open_peers_starts_nothing_and_reports_every_call() -> None:
    interpreter: Interpreter
    started = anyio.Event()

    async def forever(_: Task) -> Result:
        started.set()
        await anyio.sleep_forever()
        return done()

    peers, journal = Peers(a=done(), b=forever, c=done()), Journal()
    steps = tuple(Call(id=name, capability=name) for name in "abc")
    interpreter = quick(peers, journal)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(interpreter.run, plan(Sequence(id="s", steps=steps)))
            await started.wait()
            group.cancel_scope.cancel()

    assert peers["b"].runs[0].canceled is not None
    assert peers["c"].tasks == []
    peers_told = interpreter.report["peers"]
    assert peers_told == [
        {"path": ["s", "a"], "agent": "a", "task_id": None, "outcome": "done"},
        {"path": ["s", "b"], "agent": "b", "task_id": None, "outcome": "canceled"},
        {"path": ["s", "c"], "agent": None, "task_id": None, "outcome": "not_started"},
    ]
    assert journal.types()[-1] == "plan.step.canceled"


@pytest.mark.requirement("PLAN-17")
async def test_cancel_from_outside_lets_run_return() -> None:
    started, stopped = anyio.Event(), anyio.Event()

    async def until_told(_: Task) -> Result:
        started.set()
        await stopped.wait()
        return Result(status="canceled")

    class Polite(FakePeer):
        def start(self, task: Task):  # type: ignore[no-untyped-def]  # noqa: ANN202
            run = super().start(task)
            tell = run.cancel

            async def cancel(reason: str = "", *, grace_s: float = 5.0):  # type: ignore[no-untyped-def]  # noqa: ANN202
                stopped.set()
                return await tell(reason, grace_s=grace_s)

            run.cancel = cancel  # type: ignore[method-assign]
            return run

    peers = Peers(a=Polite("a", [until_told]), b=done())
    interpreter = quick(peers, Journal())
    found = []

    async def run() -> None:
        found.append(await interpreter.run(two_steps()))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await started.wait()
            await interpreter.cancel("enough")

    assert found[0].result.status == "canceled"
    assert peers["a"].runs[0].canceled == "enough"
    assert peers["b"].tasks == []


@pytest.mark.requirement("PLAN-3")
async def test_an_unbound_predicate_or_peer_fails_before_the_first_step() -> None:
    from weft.plan import Loop, Predicate  # noqa: PLC0415 - only here

    first = Call(id="a", capability="a")
    loop = Loop(id="l", body=Call(id="b", capability="b"), max=2, until=Predicate(predicate="ok"))
    stranger = Call(id="c", peer="nobody")
    for tree in (loop, stranger):
        peers = Peers(a=done(), b=done())
        outcome = await quick(peers, Journal()).run(plan(Sequence(id="s", steps=(first, tree))))
        assert outcome.result.reasons[0].code == "unbound_name"
        assert peers["a"].tasks == []


async def test_the_authority_reaches_the_peer_with_one_hop_less() -> None:
    peers = Peers(a=done())
    deadline = Deadline.after(60)

    await quick(peers, Journal()).run(
        plan(Call(id="a", capability="a", grants=("x",), arguments={"n": 1})),
        Authority(deadline=deadline, budget=Budget(hops=8, tokens=10), depth=2),
    )

    [task] = peers["a"].tasks
    assert (task.authority.budget.hops, task.authority.budget.tokens) == (7, 10)
    # No service lies between yet: only a call to another one adds to the depth.
    assert task.authority.depth == 2
    assert task.authority.deadline == deadline
    assert [grant.name for grant in task.grants] == ["x"]
    assert (task.arguments, task.path) == ({"n": 1}, ("a",))


@pytest.mark.parametrize(
    "odd",
    [Result(status="canceled"), Result(status="skipped"), Result(status="interrupted")],
    ids=lambda each: each.status,
)
async def test_an_end_that_only_the_run_may_come_to_is_a_failure_of_its_step(odd: Result) -> None:
    outcome = await quick(Peers(a=odd), Journal()).run(plan(Call(id="a", capability="a")))

    assert outcome.result.status == "failed"
    assert outcome.result.reasons[0].code == "peer_failed"


async def test_a_budget_of_seconds_is_a_deadline_and_a_late_run_says_so_for_itself() -> None:
    async def forever(_: Task) -> Result:
        await anyio.sleep_forever()
        return done()

    node = Call(id="a", capability="a")
    with anyio.fail_after(5):
        spent = await quick(Peers(a=forever), Journal()).run(
            plan(node), Authority(budget=Budget(seconds=0.01))
        )
        late = await quick(Peers(a=forever), Journal()).run(
            plan(node), Authority(deadline=Deadline.after(0.01))
        )

    assert [reason.path for reason in spent.result.reasons] == [("a",)]
    assert [(reason.code, reason.path) for reason in late.result.reasons] == [
        ("deadline_exceeded", ()),
        ("deadline_exceeded", ("a",)),
    ]


async def test_attempts_are_spaced_ever_further_and_the_event_says_so() -> None:
    journal = Journal()
    peers = Peers(a=failed("queue_full", retryable=True))

    await Interpreter(peers, journal, pace=StepPatience(0.001, 0)).run(
        plan(Call(id="a", capability="a"))
    )

    retried = [event.data.model_dump() for event in journal.events if "retried" in event.type]
    assert [(each["attempt"], each["delay_seconds"]) for each in retried] == [
        (2, 0.001),
        (3, 0.002),
    ]


@pytest.mark.requirement("PLAN-23")
async def test_the_world_is_told_what_all_attempts_of_a_lost_step_took() -> None:
    tired = failed("peer_unavailable", retryable=True).model_copy(
        update={"usage": Usage(total_tokens=5, model_calls=1)}
    )
    journal = Journal()

    outcome = await quick(Peers(a=tired), journal).run(plan(Call(id="a", capability="a")))

    [end] = [event for write in outcome.unrecorded for event in write.events]
    assert end.type == "plan.step.failed"
    assert end.data.to_json()["usage"] == outcome.result.usage.to_json()
    assert outcome.result.usage.model_calls == 3
