"""Values for the contracts of databases: who asks, what is asked, how it ends."""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import TypeVar

from weft.checkpoint import (
    Checkpointer,
    Claimed,
    EffectCall,
    Ending,
    Faults,
    Held,
    NewRun,
    Run,
    StepWrite,
    TerminalStatus,
    ThreadKey,
)
from weft.core import (
    Authority,
    Deadline,
    Interrupt,
    JsonObject,
    Principal,
    Result,
    new_id,
    new_run_id,
)
from weft.core.errors import StoreUnavailableError, WeftError
from weft.events import (
    Acceptance,
    Cancellation,
    Completion,
    ErrorData,
    Event,
    Expiry,
    Output,
    RunAccepted,
    RunCanceled,
    RunCompleted,
    RunExpired,
    RunFailed,
    RunFailure,
)

ALICE = Principal(tenant="acme", subject="alice", scopes=frozenset({"runs:read", "runs:write"}))
BOB = Principal(tenant="acme", subject="bob")
NAMESAKE = Principal(tenant="other", subject="alice")
"""Another tenant's subject of the same name."""
RUNS = frozenset({"run"})
"""The operation of `new_run`."""
STEP = Event(type="plan.step.finished")

T = TypeVar("T")


class ScriptedFaults(Faults):
    """Fails the next commit that keeps something, before or after it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self._before = False
        self._after = False

    def lose_next_commit(self) -> None:
        self._before = True

    def lose_next_acknowledgement(self) -> None:
        self._after = True

    def before_commit(self) -> None:
        if self._before:
            self._before = False
            raise StoreUnavailableError("the commit was lost")

    def after_commit(self) -> None:
        if self._after:
            self._after = False
            raise StoreUnavailableError("the acknowledgement was lost")


def new_run(
    thread_id: str | None = None,
    *,
    principal: Principal = ALICE,
    key: str | None = None,
    timeout_s: float | None = None,
    request: JsonObject | None = None,
) -> NewRun:
    """Return a request in a thread of its own."""
    return NewRun(
        run_id=new_run_id(),
        authority=Authority(
            principal, deadline=None if timeout_s is None else Deadline.after(timeout_s)
        ),
        operation="run",
        idem_key=key or new_id(),
        body_hash="hash",
        thread_id=thread_id or new_id(),
        request=request or {"prompt": "hello"},
        accepted=RunAccepted(data=Acceptance(subject=principal.subject, input="hello")),
    )


async def started(checkpointer: Checkpointer, new: NewRun | None = None) -> Claimed:
    """Accept and claim a run in one commit."""
    accepted = await checkpointer.runs.accept(new or new_run(), on_busy="enqueue", owner="one")
    assert accepted.claimed is not None
    return accepted.claimed


async def running(checkpointer: Checkpointer, new: NewRun | None = None) -> Held:
    return (await started(checkpointer, new)).held


def ending(status: TerminalStatus = "completed", *steps: StepWrite) -> Ending:
    """Return an end of a run with its terminal event."""
    events: dict[TerminalStatus, Event] = {
        "completed": RunCompleted(data=Completion(output=Output(text="done"))),
        "failed": RunFailed(data=RunFailure(error=ErrorData(code="broken", message="it broke"))),
        "canceled": RunCanceled(data=Cancellation(report={})),
        "expired": RunExpired(data=Expiry(cause="deadline")),
    }
    result = Result(status="completed", text="done").to_json()
    return Ending(status=status, result=result, steps=steps, events=(events[status],))


def step(name: str = "collect", text: str = "found") -> StepWrite:
    return StepWrite((name,), {"text": text}, (STEP,))


def question(**changes: float | str) -> Interrupt:
    return Interrupt.model_validate(
        {"id": new_id(), "reason": "question", "message": "really?", **changes}
    )


def effect(key: str | None = None) -> EffectCall:
    return EffectCall(
        key=key or new_id(),
        tenant=ALICE.tenant,
        scope="tenant",
        scope_id=ALICE.tenant,
        tool="pay",
        args_hash="hash",
        arguments={"amount": 100},
    )


def thread_of(run: Run) -> ThreadKey:
    return ThreadKey(run.tenant, run.subject, run.thread_id)


def timeless(run: Run) -> Run:
    """Return the run without what changes as time passes."""
    return replace(run, remaining_s=None)


async def all_of(calls: Iterable[Coroutine[object, object, T]]) -> list[T | WeftError]:
    """Make the calls at once; return what each returned or raised."""

    async def outcome(call: Coroutine[object, object, T]) -> T | WeftError:
        try:
            return await call
        except WeftError as error:
            return error

    return list(await asyncio.gather(*[outcome(call) for call in calls]))
