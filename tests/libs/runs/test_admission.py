"""What is accepted over any door: one record, one event, made in one place."""

from contextlib import aclosing

import pytest

from tests.libs.a2a.harness import agent, message
from tests.libs.server.door import ANA, finished, opened
from weft.checkpoint import ThreadKey, memory_checkpointer
from weft.core import LOCAL, Authority, Budget, Deadline, JsonObject, Part, new_run_id
from weft.loop import Agent
from weft.runs import AgentRequest, PeerRequest, RoutedRequest, StoredRequest, new_run
from weft.runs.admission import MAX_EVENT_INPUT
from weft.testing.models import ScriptedModel

WORDS = "why is it slow?"
REQUESTS: list[StoredRequest] = [
    RoutedRequest(input=WORDS),
    AgentRequest(prompt=WORDS),
    PeerRequest(parts=(Part(text="why is it slow?"),)),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=["goal", "prompt", "message"])
def test_what_is_asked_is_told_in_the_same_words_over_every_door(request_: StoredRequest) -> None:
    new = new_run(request_, Authority(LOCAL), run_id=new_run_id(), timeout_s=5)

    data = new.accepted.data.model_dump(mode="json")
    assert (data["input"], data["input_preview"], data["deadline_s"]) == (WORDS, WORDS, 5.0)
    assert new.operation == request_.operation
    assert new.request == request_.to_json()
    assert new.idem_key == new.run_id


@pytest.mark.parametrize("letter", ["a", "ü", "\u0007", "🧵"], ids=["a", "ue", "bell", "thread"])
def test_an_input_too_long_for_an_event_stays_with_the_run(letter: str) -> None:
    length = MAX_EVENT_INPUT
    for text in (letter * length, letter * (length // 8)):
        request = AgentRequest(prompt=text)
        new = new_run(request, Authority(LOCAL), run_id=new_run_id())
        shown = new.accepted.data.model_dump(mode="json")["input"]
        assert shown == (text if len(text) < length else None)
        assert new.request["prompt"] == text


def test_a_run_ends_by_the_earliest_of_what_its_caller_and_its_service_say() -> None:
    authority = Authority(LOCAL, Budget(seconds=7), Deadline.after(30))
    request = RoutedRequest(input=WORDS)

    sooner = new_run(request, authority, run_id=new_run_id(), timeout_s=2)
    later = new_run(request, authority, run_id=new_run_id(), timeout_s=3600)
    open_end = new_run(request, Authority(LOCAL), run_id=new_run_id())

    told = [new.accepted.data.model_dump(mode="json")["deadline_s"] for new in (sooner, later)]
    assert told == [2.0, 7.0]
    assert sooner.authority.remaining() == pytest.approx(2, abs=0.5)
    assert later.authority.remaining() == pytest.approx(7, abs=0.5)
    assert open_end.accepted.data.model_dump(mode="json")["deadline_s"] is None
    assert open_end.authority.remaining() is None


def test_the_same_request_with_another_budget_is_another() -> None:
    request, run_id = RoutedRequest(input=WORDS), new_run_id()
    hashes = {
        new_run(request, Authority(LOCAL, budget), run_id=run_id).body_hash
        for budget in (Budget(tokens=5), Budget(tokens=5), Budget(tokens=6))
    }

    assert len(hashes) == 2


async def test_three_doors_tell_the_same_of_what_they_accept() -> None:
    events: list[JsonObject] = []
    async with aclosing(memory_checkpointer()) as store, opened(store) as house:
        ana = await house.client("ana")
        run_id = (await ana.post("/v1/runs", json={"input": WORDS})).json()["run_id"]
        await finished(ana, run_id)
        [first, *_] = await store.runs.events(ANA, run_id)
        events.append(first.data)
    async with agent() as served:
        task = (await served.call("SendMessage", message(WORDS)))["result"]["task"]
        [first, *_] = await served.runs.checkpointer.runs.events(LOCAL, task["id"])
        events.append(first.data)
    async with aclosing(memory_checkpointer()) as store:
        lone = Agent(ScriptedModel(["it is not"]), checkpointer=store)
        await lone.arun(WORDS, thread_id="t")
        [run] = await store.runs.thread_runs(ThreadKey(LOCAL.tenant, LOCAL.subject, "t"))
        [first, *_] = await store.runs.events(LOCAL, run.run_id)
        events.append(first.data)

    assert [set(data) for data in events] == [set(events[0])] * 3
    assert [data["input"] for data in events] == [WORDS] * 3
    assert [data["input_preview"] for data in events] == [WORDS] * 3
