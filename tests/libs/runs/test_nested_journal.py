"""The journal that a peer inside a step writes to."""

from tests.libs.plan.doubles import Journal, Peers, done
from weft.checkpoint import EffectCall, EffectOutcome
from weft.core import Result
from weft.events import AnyData, Event
from weft.loop import Task
from weft.plan import Call, Interpreter, Plan, Sequence
from weft.runs import NestedJournal


async def test_what_a_peer_records_stands_below_its_step_and_meets_nobody_elses() -> None:
    async def works(task: Task) -> Result:
        assert task.journal is not None
        seen.append(dict(task.journal.steps))
        await task.journal.record(("think#1",), {"by": task.capability})
        return done()

    seen: list[object] = []
    journal = Journal()
    steps = tuple(Call(id=name, capability=name) for name in "ab")

    await Interpreter(Peers(a=works, b=works), journal).run(
        Plan(id="p", goal="g", root=Sequence(id="s", steps=steps))
    )

    assert seen == [{}, {}]
    assert journal.steps[("s", "a", "think#1")] == {"by": "a"}
    assert journal.steps[("s", "b", "think#1")] == {"by": "b"}


async def test_events_and_effects_are_told_with_the_place_of_the_step() -> None:
    outer = Journal()
    inner = NestedJournal(outer, ("s", "a"))
    call = EffectCall("k", "t", "run", "r", "mail", "h", {}, path=("send",))

    inner.emit(Event(type="agent.think", path=("x",), data=AnyData()))
    intent = await inner.intend(call, events=(Event(type="agent.effect.intended"),))
    outcome = EffectOutcome("done", value=1)
    await inner.settle("k", intent.attempt, outcome, events=(Event(type="agent.effect.settled"),))
    await inner.flush()

    assert [event.path for event in outer.events] == [("s", "a", "x"), ("s", "a"), ("s", "a")]
    found = await inner.find_effect("k")
    assert found is not None
    assert found.outcome == outcome
    await inner.doubt("other", 1)
    assert (inner.run_id, inner.held) == (outer.run_id, outer.held)
