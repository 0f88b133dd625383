"""What a call was granted: tools of its peer, whose uses are steps of the run."""

import anyio
import pytest

from tests.libs.plan.doubles import FakePeer, Journal, Peers, done, failed, interpreter
from weft.catalog import Capability
from weft.core import (
    Artifact,
    Authority,
    Budget,
    Interrupt,
    JsonObject,
    Path,
    Principal,
    Result,
    Usage,
    coverage_in,
)
from weft.loop import Agent, Task
from weft.plan import Call, Plan, PlanOutcome
from weft.plan.calls.grants import tool_names
from weft.testing.models import ScriptedModel, call

ANA = Principal(tenant="t", subject="ana", scopes=frozenset({"agents:*"}))
NO_LIMIT = Budget()
LOGS = Capability(id="log.analyze", description="Reads logs.", effects="none")
PAYS = Capability(id="order.charge", description="Charges.", risk="medium")


class Mesh(Peers):
    """Peers by name, and an agent over a model that plays every role."""

    def __init__(self, agent: Agent, **peers: FakePeer | Result) -> None:
        super().__init__(**peers)
        self.by_name["answer"] = agent  # type: ignore[assignment] # a peer is a peer
        self.offered = {"log.analyze": LOGS, "order.charge": PAYS}


def granting(*grants: str, **fields: object) -> Plan:
    root = Call.model_validate({"id": "reply", "role": "answer", "grants": grants, **fields})
    return Plan(id="p", goal="why is checkout slow?", root=root)


async def walked(
    mesh: Mesh, plan: Plan, journal: Journal | None = None, budget: Budget = NO_LIMIT
) -> PlanOutcome:
    authority = Authority(ANA, budget)
    with anyio.fail_after(5):
        walk = interpreter(mesh, journal or Journal())
        return await walk.run(plan, authority, metadata={"data": "/d"})


@pytest.mark.requirement("PLAN-22")
async def test_a_use_reaches_the_peer_as_a_step_of_the_run_on_the_callers_behalf() -> None:
    model = ScriptedModel([call("log_analyze", task="look at checkout"), "the pool is full"])
    mesh = Mesh(Agent(model), **{"log.analyze": done("pool 20 of 20")})
    journal = Journal()

    outcome = await walked(mesh, granting("log.analyze"), journal)

    [task] = mesh["log.analyze"].tasks
    assert outcome.result.text == "the pool is full"
    assert (task.prompt, task.capability, task.authority.principal) == (
        "look at checkout", "log.analyze", ANA,
    )  # fmt: skip
    assert (task.metadata, task.path) == ({"data": "/d"}, ("reply", "call_1"))
    assert Result.model_validate(journal.steps[("reply", "call_1")]).text == "pool 20 of 20"
    assert ("reply", "call_1") in journal.commits
    steps = [(event.type, event.path) for event in journal.events if "plan.step" in event.type]
    assert ("plan.step.started", ("reply", "call_1")) in steps
    assert ("plan.step.finished", ("reply", "call_1")) in steps
    assert model.requests[1].messages[-1].content == "pool 20 of 20"


async def test_a_model_is_told_what_each_grant_does_and_may_call_nothing_else() -> None:
    model = ScriptedModel([call("order_charge", task="all"), "done"])
    mesh = Mesh(Agent(model), **{"log.analyze": done(), "order.charge": done()})

    await walked(mesh, granting("log.analyze"))

    [offered] = model.requests[0].tools
    assert (offered.name, offered.description, offered.labels) == (
        "log_analyze", "Reads logs.", frozenset({"read"}),
    )  # fmt: skip
    assert mesh["order.charge"].tasks == []
    assert "unknown tool 'order_charge'" in model.requests[1].messages[-1].content


@pytest.mark.requirement("PLAN-10", "PLAN-13")
async def test_a_second_walk_asks_nobody_again() -> None:
    first = ScriptedModel([call("log_analyze", task="look")])
    mesh = Mesh(Agent(first), **{"log.analyze": done("pool 20 of 20")})
    journal = Journal()
    await walked(mesh, granting("log.analyze", retries=0), journal)
    # The process died before it could write down what the tool brought.
    kept: dict[Path, JsonObject] = {
        path: outcome
        for path, outcome in journal.steps.items()
        if path not in {("reply", "execute#1"), ("reply",), ("reply", "~1")}
    }

    later = ScriptedModel(["the pool is full"])
    again = Mesh(Agent(later), **{"log.analyze": done("never asked")})
    outcome = await walked(again, granting("log.analyze"), Journal(kept))

    assert outcome.result.text == "the pool is full"
    assert again["log.analyze"].tasks == []
    assert later.requests[0].messages[-1].content == "pool 20 of 20"


@pytest.mark.requirement("PLAN-12")
async def test_a_use_whose_outcome_was_not_written_down_is_sent_again_as_the_same_message() -> None:
    def mesh(model: ScriptedModel) -> Mesh:
        return Mesh(Agent(model), **{"order.charge": done("charged")})

    before, after = mesh(ScriptedModel([call("order_charge", task="o-17")])), Journal()
    await walked(before, granting("order.charge", retries=0), after)
    kept: dict[Path, JsonObject] = {("reply", "think#1"): after.steps[("reply", "think#1")]}

    resumed = mesh(ScriptedModel(["charged it"]))
    outcome = await walked(resumed, granting("order.charge"), Journal(kept))

    [sent], [repeated] = before["order.charge"].tasks, resumed["order.charge"].tasks
    assert outcome.result.text == "charged it"
    assert sent.message_id == repeated.message_id


@pytest.mark.requirement("PLAN-23")
async def test_what_a_use_spends_is_its_callers_and_its_budget_is_too() -> None:
    spent = Usage(prompt_tokens=30, completion_tokens=10, total_tokens=40, model_calls=2)
    plan, budget = granting("log.analyze"), Budget(tokens=100_000, hops=2)

    def mesh(usage: Usage) -> Mesh:
        model = ScriptedModel([call("log_analyze", task="look"), "done"])
        return Mesh(Agent(model), **{"log.analyze": done(usage=usage)})

    free = await walked(mesh(Usage()), plan, budget=budget)
    used = mesh(spent)
    outcome = await walked(used, plan, budget=budget)

    [task] = used["log.analyze"].tasks
    assert outcome.result.usage.total_tokens == free.result.usage.total_tokens + 40
    assert outcome.result.usage.model_calls == 4
    assert task.authority.budget.tokens is not None
    assert task.authority.budget.tokens < 100_000
    assert task.authority.budget.hops == 0


async def test_a_use_without_a_hop_left_is_an_error_of_the_tool() -> None:
    model = ScriptedModel([call("log_analyze", task="look"), "nobody could look"])
    mesh = Mesh(Agent(model), **{"log.analyze": done()})

    outcome = await walked(mesh, granting("log.analyze"), budget=Budget(hops=1))

    assert mesh["log.analyze"].tasks == []
    assert "no hop is left" in model.requests[1].messages[-1].content
    assert outcome.result.ok


@pytest.mark.requirement("PLAN-31")
async def test_uses_count_as_calls_of_the_plan() -> None:
    model = ScriptedModel([[call("log_analyze", task=str(n)) for n in range(4)], "two were enough"])
    mesh = Mesh(Agent(model), **{"log.analyze": done()})

    await walked(mesh, granting("log.analyze"), budget=Budget(calls=3))

    assert len(mesh["log.analyze"].tasks) <= 3
    said = [each.content for each in model.requests[-1].messages if each.role == "tool"]
    assert any("nothing left of calls" in each for each in said)


async def test_a_failed_use_is_an_error_with_its_reason_never_an_empty_result() -> None:
    model = ScriptedModel([call("log_analyze", task="look"), "no luck"])
    mesh = Mesh(Agent(model), **{"log.analyze": failed("model_unavailable")})

    await walked(mesh, granting("log.analyze"))

    said = model.requests[1].messages[-1].content
    assert said.startswith("Error: ")
    assert "log.analyze: it is model_unavailable" in said


async def test_a_peers_question_is_the_runs_and_the_answer_reaches_that_peer_alone() -> None:
    question = Interrupt(id="q1", reason="question", message="Which one?", path=("deep",))
    asks = FakePeer("logs", [Result(status="interrupted", interrupts=(question,))])
    model = ScriptedModel([call("log_analyze", task="look")])
    journal = Journal()
    parked = await walked(
        Mesh(Agent(model), **{"log.analyze": asks}), granting("log.analyze"), journal
    )
    [asked] = parked.result.interrupts

    answered: dict[Path, JsonObject] = {
        **journal.steps,
        ("interrupt", "q1"): {"answer": "the blue one"},
    }
    goes_on = FakePeer("logs", [done("blue it is")])
    later = ScriptedModel(["it is blue"])
    outcome = await walked(
        Mesh(Agent(later), **{"log.analyze": goes_on}), granting("log.analyze"), Journal(answered)
    )

    assert (parked.result.status, asked.id) == ("interrupted", "q1")
    assert asked.path == ("reply", "call_1", "deep")
    assert outcome.result.text == "it is blue"
    [task] = goes_on.tasks
    assert task.answers == {"q1": "the blue one"}
    assert task.message_id == asks.tasks[0].message_id


@pytest.mark.requirement("PLAN-17")
async def test_a_cancelled_run_stops_the_peer_in_use_and_reports_it() -> None:
    begun = anyio.Event()

    async def endless(_: Task) -> Result:
        begun.set()
        await anyio.sleep_forever()
        return done()

    model = ScriptedModel([call("log_analyze", task="look")])
    mesh = Mesh(Agent(model), **{"log.analyze": FakePeer("logs", [endless])})
    walk = interpreter(mesh, Journal())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(walk.run, granting("log.analyze"), Authority(ANA))
            await begun.wait()
            await walk.cancel("enough")

    assert mesh["log.analyze"].runs[0].canceled is not None
    peers = walk.report["peers"]
    assert isinstance(peers, list)
    assert {
        "path": ["reply", "call_1"],
        "agent": "logs",
        "task_id": None,
        "outcome": "canceled",
    } in peers


async def test_no_name_of_a_skill_has_a_meaning_to_the_loop_or_is_taken_twice() -> None:
    names = tool_names(("a.b", "a/b", "task_complete", "submit", "☃", "x" * 90))

    assert names == ("a_b", "a_b_2", "task_complete_skill", "submit_skill", "skill", "x" * 60)


def asks(tool: str, name: str = "ab" * 16) -> Result:
    use = Interrupt(
        id=name,
        reason="grant",
        message="use it",
        metadata={"tool": tool, "arguments": {"task": "look"}},
    )
    return Result(status="interrupted", interrupts=(use,))


@pytest.mark.requirement("PLAN-10")
async def test_what_a_peer_elsewhere_asks_for_is_used_here_once_and_handed_to_it() -> None:
    spent = Usage(total_tokens=40)
    model = ScriptedModel([])

    def mesh() -> Mesh:
        found = Mesh(Agent(model), **{"log.analyze": done("pool 20 of 20", usage=spent)})
        found.by_name["answer"] = FakePeer("far", [asks("log_analyze"), done("it is full")])
        return found

    first, journal = mesh(), Journal()
    outcome = await walked(first, granting("log.analyze"), journal)
    kept: dict[Path, JsonObject] = {("reply", "ab" * 16): journal.steps[("reply", "ab" * 16)]}
    second = mesh()
    again = await walked(second, granting("log.analyze"), Journal(kept))

    assert (outcome.result.text, outcome.result.usage) == ("it is full", spent)
    assert first["answer"].tasks[1].answers == {"ab" * 16: {"result": "pool 20 of 20"}}
    assert again.result.text == "it is full"
    assert second["answer"].tasks[1].answers == first["answer"].tasks[1].answers
    assert second["log.analyze"].tasks == []


async def test_a_peer_elsewhere_gets_an_error_for_what_it_was_not_granted_and_an_end() -> None:
    mesh = Mesh(Agent(ScriptedModel([])), **{"order.charge": done()})
    mesh.by_name["answer"] = FakePeer("far", [asks("order_charge")])

    outcome = await walked(mesh, granting("log.analyze", retries=0))

    [answer] = mesh["answer"].tasks[1].answers.values()
    assert isinstance(answer, dict)
    assert str(answer["error"]).startswith("unknown tool 'order_charge'")
    assert mesh["order.charge"].tasks == []
    assert outcome.result.reasons[0].code == "loop_exhausted"


@pytest.mark.requirement("DIAG-30")
async def test_whoever_uses_a_source_is_told_what_it_read() -> None:
    coverage: JsonObject = {"source": "logs", "verdict": "not_read", "reason": "there are none"}
    read = Artifact(id="coverage", name="coverage", data={"coverage": coverage})
    model = ScriptedModel([call("log_analyze", task="look"), "There are no logs."])
    mesh = Mesh(Agent(model), **{"log.analyze": done("nothing", artifacts=(read,))})

    outcome = await walked(mesh, granting("log.analyze"))

    assert '"verdict": "not_read"' in model.requests[1].messages[-1].content
    [kept] = coverage_in(outcome.result)
    assert (kept.source, kept.reason) == ("logs", "there are none")
