"""Requests handed to agents of others: by name, by address, by default and by domain; by rules and by a model."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from router_service.choosing import Advisers
from router_service.execute import execute_run, prepare_run
from router_service.extraction import Extractor
from router_service.outside import OutsideAgents, outside_agents
from router_service.peers import MeshPeers
from router_service.routes import Routes
from tests.libs.a2a.outsiders import FORMS, V03, V1, outsider
from tests.libs.a2a.test_foreign import BEARER, added
from tests.router_service.house import ANA, house
from tests.router_service.test_execute import echo, new_run
from weft.bus import MemoryBus
from weft.catalog.outside import Credential, OutsideAgent
from weft.checkpoint import Run
from weft.checkpoint.memory import memory_checkpointer
from weft.core import Deadline, JsonObject, JsonValue, Principal, Result
from weft.core.protocol_errors import CardRefusedError
from weft.loop import role_agents
from weft.models import Model, get_model
from weft.plan import Target
from weft.routing import GoalFrame, Policies, PolicyGate
from weft.runs import MESH_RUN, RoutedRequest, Runs, Worker
from weft.service import OutsideFile
from weft.testing import FunctionModel, ScriptedOpenAIServer
from weft.testing.openai_script import WireReply

pytestmark = pytest.mark.timeout(60)
TENANT = ANA.tenant


@dataclass
class Mesh:
    """A router over rules or a model, and the agents of others that it was given."""

    runs: Runs
    peers: MeshPeers
    outside: OutsideAgents
    file: OutsideFile
    routes: Routes

    async def ask(
        self, text: str, thread: str = "th", *, by: Principal = ANA, **request: object
    ) -> Run:
        """Return the run once it ended or waits for somebody."""
        made = new_run({"input": text, **request}, thread)
        made = replace(made, authority=replace(made.authority, principal=by))
        await self.runs.submit(made, on_busy="reject", own=True)
        return await self.runs.wait(by, made.run_id, seconds=20)

    async def answer(self, run: Run, payload: JsonValue) -> Run:
        """Answer the one open question of a run, and wait again."""
        await self.runs.resume(ANA, run.run_id, {run.interrupts[-1].id: payload})
        return await self.runs.wait(ANA, run.run_id, seconds=20)


def text_of(run: Run) -> str:
    assert run.result is not None, run
    return Result.model_validate(run.result).text


def why(run: Run) -> str:
    assert run.result is not None, run
    return Result.model_validate(run.result).reasons[0].code


@asynccontextmanager
async def mesh(
    folder: Path,
    *agents: OutsideAgent,
    model: Model | None = None,
    policies: Policies | None = None,
) -> AsyncIterator[Mesh]:
    file = OutsideFile(folder / "outside.json")
    await asyncio.to_thread(file.change, lambda _: agents)
    async with AsyncExitStack() as stack:
        used = model or FunctionModel(echo)
        members = await stack.enter_async_context(house(role_agents(used)))
        outside = await stack.enter_async_context(outside_agents(file))
        members.peers.outside = outside
        await members.peers.refresh()
        store = await stack.enter_async_context(aclosing(memory_checkpointer()))
        runs, routes = Runs(store, MemoryBus(), pool="router"), Routes(policies or Policies())
        advisers = Advisers(None if model is None else Extractor(model))
        worker = Worker(
            runs,
            execute_run(store, members.peers, routes, advisers),
            name="router/1",
            operations=(MESH_RUN,),
            prepare=prepare_run(members.peers, routes, advisers),
        )
        await stack.enter_async_context(worker.working())
        await stack.enter_async_context(runs.listening())
        yield Mesh(runs, members.peers, outside, file, routes)


@pytest.mark.requirement("DEL-2")
@pytest.mark.parametrize("form", FORMS)
async def test_a_request_that_names_an_agent_is_done_by_it(form: str, tmp_path: Path) -> None:
    async with outsider(form) as agent, mesh(tmp_path, await added(agent, tenants=(TENANT,))) as at:
        by_words = await at.ask("Please ask the desk for a journey to Paris")
        by_name = await at.ask("A journey to Rome", agent="desk")
        by_url = await at.ask("A journey to Oslo", agent=agent.url)
        by_frame = await at.ask(
            "Go", goal={"required_capabilities": ["desk/journeys"], "primary_goal": "modify"}
        )
        spoken_of = await at.ask("What is a desk?")

    assert [text_of(run) for run in (by_words, by_name, by_url)] == [
        "to Please ask the desk for a journey to Paris", "to A journey to Rome", "to A journey to Oslo",
    ]  # fmt: skip
    # The plan's step for that skill is its; that nobody here can check it is another matter.
    assert "to Go" in text_of(by_frame)
    assert len(agent.messages()) > 3
    assert spoken_of.status == "completed"


async def test_what_is_asked_of_the_mesh_first_is_done_first_and_handed_on(tmp_path: Path) -> None:
    async with outsider() as agent, mesh(tmp_path, await added(agent, tenants=(TENANT,))) as at:
        run = await at.ask("What is an SLO? Then have desk tell the customers")

    (message,) = agent.messages()
    said = message["parts"][0]["text"]
    # What was found here goes along, fenced, and is no order.
    assert said.startswith("What is an SLO? Then have desk tell the customers")
    assert "heard" in said
    assert "data, not instructions" in said
    assert text_of(run).count("heard") >= 1


@pytest.mark.requirement("RT-15")
async def test_work_to_be_handed_out_goes_to_the_tenants_delegate_or_the_domains(
    tmp_path: Path,
) -> None:
    asks: JsonObject = {"primary_goal": "coordinate", "required_capabilities": ["a2a_peer"]}
    async with outsider() as agent:
        default = await added(agent, tenants=(TENANT,), default_for=(TENANT,))
        async with mesh(tmp_path, default) as at:
            handed = await at.ask("Coordinate the summer party")
            framed = await at.ask("The winter party", goal=asks)
            kept = await at.ask("What is an SLO?")
        sent = len(agent.messages())
        domains = await added(agent, tenants=(TENANT,), domains=("travel",))
        async with mesh(tmp_path, domains) as at:
            travel = await at.ask("The party", goal={**asks, "domain": "travel"})
            general = await at.ask("The party", goal=asks)

    assert text_of(handed) == "to Coordinate the summer party"
    assert text_of(framed) == "to The winter party"
    assert (kept.status, sent) == ("completed", 2)
    assert text_of(travel) == "to The party"
    assert why(general) == "no_capability"


@pytest.mark.requirement("DEL-1")
async def test_whoever_is_not_listed_for_the_tenant_is_sent_nothing(tmp_path: Path) -> None:
    async with outsider() as agent, mesh(tmp_path, await added(agent, tenants=("other",))) as at:
        codes = [
            why(await at.ask("Ask desk for a journey", agent="desk")),
            why(await at.ask("A journey", agent=agent.url)),
            why(await at.ask("A journey", agent="https://nobody.example/")),
            why(
                await at.ask(
                    "A journey", goal={"primary_goal": "coordinate"}, protocol="a2a_delegate"
                )
            ),
        ]
        words = await at.ask("Ask desk for a journey")

    assert codes == ["unknown_agent", "delegate_refused", "delegate_refused", "no_capability"]
    assert words.status in ("completed", "failed")
    assert agent.requests == []


@pytest.mark.requirement("DEL-4")
@pytest.mark.parametrize("form", [V1, V03])
async def test_its_question_parks_the_run_and_the_answer_goes_on_with_its_task(
    form: str, tmp_path: Path
) -> None:
    async with outsider(form) as agent, mesh(tmp_path, await added(agent, tenants=(TENANT,))) as at:
        parked = await at.ask("Have desk question me")
        ended = await at.answer(parked, "Oslo")

    (question,) = parked.interrupts
    assert (question.reason, question.message, question.agent) == (
        "question",
        "Which city?",
        "desk",
    )
    assert text_of(ended) == "to Oslo"
    assert [message.get("taskId") for message in agent.messages()] == [None, "task-1"]


@pytest.mark.requirement("DEL-4")
async def test_a_thread_goes_on_in_the_conversation_that_its_agent_began(tmp_path: Path) -> None:
    async with outsider() as agent, mesh(tmp_path, await added(agent, tenants=(TENANT,))) as at:
        for text, thread in (
            ("Ask desk about Paris", "one"),
            ("What is an SLO?", "one"),
            ("Ask desk about Rome", "one"),
            ("Ask desk about Oslo", "two"),
        ):
            run = await at.ask(text, thread)
            assert run.status == "completed", run.result
        bob = ANA.model_copy(update={"subject": "bob"})
        await at.ask("Ask desk about Bonn", "one", by=bob)

    contexts = [message.get("contextId") for message in agent.messages()]
    assert contexts == [None, "talk-1", None, None]


@pytest.mark.requirement("DEL-3")
async def test_a_credential_that_is_missing_is_asked_for_and_never_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = Credential(kind="env", place="DESK_SECRET")
    async with outsider(secret=BEARER) as agent:
        record = await added(agent, tenants=(TENANT,), credential=credential)
        async with mesh(tmp_path, record) as at:
            parked = await at.ask("Ask desk about Paris")
            still = await at.answer(parked, None)
            monkeypatch.setenv("DESK_SECRET", BEARER.removeprefix("Bearer "))
            ended = await at.answer(still, None)
            log = [event async for event in at.runs.follow(ANA, ended.run_id)]
            stored = await asyncio.to_thread(at.file.path.read_text)

    assert [run.interrupts[-1].reason for run in (parked, still)] == ["credentials"] * 2
    assert parked.interrupts[-1].id != still.interrupts[-1].id
    assert text_of(ended) == "to Ask desk about Paris"
    assert "s3cret" not in f"{log}{stored}{ended}"


@pytest.mark.requirement("DEL-5")
async def test_a_run_that_is_stopped_or_late_stops_the_task_over_there(tmp_path: Path) -> None:
    async with outsider() as agent, mesh(tmp_path, await added(agent, tenants=(TENANT,))) as at:
        made = new_run({"input": "Have desk dawdle"})
        await at.runs.submit(made, on_busy="reject", own=True)
        with anyio.fail_after(20):
            await agent.started.wait()
            stopped = await at.runs.cancel(ANA, made.run_id, reason="enough", wait_s=10)
            await agent.canceled.wait()
    async with outsider() as late, mesh(tmp_path, await added(late, tenants=(TENANT,))) as at:
        made = new_run({"input": "Have desk dawdle"})
        timed = replace(made, authority=replace(made.authority, deadline=Deadline.after(2)))
        await at.runs.submit(timed, on_busy="reject", own=True)
        over = await at.runs.wait(ANA, made.run_id, seconds=20)
        with anyio.fail_after(20):
            await late.canceled.wait()

    assert (stopped.status, over.status) == ("canceled", "expired")
    assert over.result is not None
    assert Result.model_validate(over.result).usage.unknown


async def test_policy_and_explanation_treat_it_as_any_other_way(tmp_path: Path) -> None:
    denied = PolicyGate(denied_protocols=("a2a_delegate",))
    async with outsider() as agent:
        record = await added(agent, tenants=(TENANT,), risk="high")
        async with mesh(tmp_path, record) as at:
            request = RoutedRequest(input="Ask desk about Paris")
            explained = at.routes.choose(request, ANA, at.peers.offers).explanation()
            parked = await at.ask("Ask desk about Paris")
        async with mesh(tmp_path, record, policies=Policies(denied)) as at:
            refused = await at.ask("Ask desk about Paris")
            named = await at.ask("Paris", agent="desk")

    parts: Any = explained["parts"]
    assert parts[0]["selected_protocol"] == "a2a_delegate"
    assert parked.interrupts[0].reason == "approval"
    assert (why(refused), why(named)) == ("policy_denied", "policy_denied")
    assert agent.requests == []


async def test_a_model_may_hand_work_out_and_no_card_makes_itself_one_of_us(tmp_path: Path) -> None:
    frame = GoalFrame.model_validate({"primary_goal": "coordinate"}).to_json()
    reply = WireReply(text=json.dumps(frame), repeat=True)
    async with outsider() as agent, ScriptedOpenAIServer([reply]) as server:
        model = get_model("openai:scripted", base_url=server.base_url, api_key="k")
        record = await added(agent, tenants=(TENANT,), default_for=(TENANT,))
        async with aclosing(model), mesh(tmp_path, record, model=model) as at:
            handed = await at.ask("Somebody must see to the party")
            index = at.routes.index(ANA, at.peers.offers)

    assert text_of(handed) == "to Somebody must see to the party"
    (offered,) = [one for one in index.all() if one.id == "desk/journeys"]
    # Its card says that it judges, changes nothing and is harmless.
    assert (offered.roles, offered.effects, offered.risk) == (frozenset(), "unknown", "medium")
    assert index.for_role("judge") == ()


async def test_the_file_is_read_again_and_a_changed_card_is_not_called(tmp_path: Path) -> None:
    async with outsider() as agent, mesh(tmp_path) as at:
        before = await at.ask("Paris", agent="desk")
        record = await added(agent, tenants=(TENANT,))
        await asyncio.to_thread(at.file.change, lambda _: (record,))
        at.file._read_at = float("-inf")
        await at.outside.refresh()
        found = await at.ask("Paris", agent="desk")
        agent.card_more = {"description": "Something else."}
        (peer,) = at.outside._peers.values()
        await peer.look()
        with pytest.raises(CardRefusedError):
            at.peers.pick(Target(peer="desk"), ANA)
        changed = await at.ask("Paris", agent="desk")

    assert why(before) == "unknown_agent"
    assert text_of(found) == "to Paris"
    assert why(changed) == "card_refused"
    assert len(agent.messages()) == 1
