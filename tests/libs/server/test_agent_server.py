"""One agent behind HTTP in two lines: its own runs, threads, questions and keys."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT
from tests.libs.server.door import Bounded
from weft import Agent
from weft.core.errors import ConfigError
from weft.models import ModelRequest
from weft.server import AgentServer
from weft.testing import FunctionModel, ScriptedModel, call
from weft.tools.builtin import ask_user

ANA, BOB = "ana-has-this-key-alone", "bob-has-this-key-alone"
Client = Callable[[str], httpx.AsyncClient]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@asynccontextmanager
async def serving(agent: Agent) -> AsyncIterator[Client]:
    """Yield what makes clients of a server that Ana and Bob may ask."""
    async with AgentServer(agent, api_key={"ana": ANA, "bob": BOB}).opened() as app:
        yield lambda key: httpx.AsyncClient(
            transport=Bounded(app), base_url="http://localhost", headers=bearer(key)
        )


def counting(request: ModelRequest) -> str:
    """Say how many messages of a conversation there were, and the last of them."""
    texts = [message.content for message in request.messages if message.role == "user"]
    return f"{len(texts)}: {texts[-1]}"


async def posted(client: httpx.AsyncClient, path: str, **body: object) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    run: dict[str, Any] = answer.json()
    return run


async def test_an_agent_answers_over_the_front_doors_routes_and_knows_its_thread() -> None:
    async with serving(Agent(FunctionModel(counting))) as clients, clients(ANA) as ana:
        first = await posted(ana, "/invoke", prompt="one", thread_id="t")
        second = await posted(ana, "/invoke", prompt="two", thread_id="t")
        run = (await ana.get(f"/v1/runs/{second['run_id']}")).json()
        stream = await ana.post("/stream", json={"prompt": "three", "thread_id": "t"})

    assert [first["message"], second["message"]] == ["1: one", "2: two"]
    assert (run["status"], run["output"]["text"]) == ("completed", "2: two")
    assert "3: three" in stream.text


@pytest.mark.requirement("SRV-2")
async def test_two_keys_never_read_each_others_threads_of_one_name() -> None:
    async with (
        serving(Agent(FunctionModel(counting))) as clients,
        clients(ANA) as ana,
        clients(BOB) as bob,
    ):
        mine = await posted(ana, "/invoke", prompt="my secret", thread_id="same")
        theirs = await posted(bob, "/invoke", prompt="what was said?", thread_id="same")
        thread = (await bob.get("/threads/same")).text
        foreign = await bob.get(f"/v1/runs/{mine['run_id']}")

    assert theirs["message"] == "1: what was said?"
    assert "secret" not in thread
    assert foreign.status_code == 404


@pytest.mark.requirement("SRV-5")
async def test_an_agent_that_fails_gives_a_failed_run_on_every_route() -> None:
    def broken(_: ModelRequest) -> str:
        raise RuntimeError("SELECT secret FROM prompts")

    async with serving(Agent(FunctionModel(broken))) as clients, clients(ANA) as ana:
        invoked = await posted(ana, "/invoke", prompt="x")
        waited = await ana.post("/v1/runs", json={"prompt": "x"}, headers={"prefer": "wait=5"})
        on_thread = await ana.post(
            "/v1/threads/t/runs", json={"prompt": "x"}, headers={"prefer": "wait=5"}
        )
        streamed = await ana.post("/stream", json={"prompt": "x"})
        followed = await ana.post(
            "/v1/runs", json={"prompt": "x"}, headers={"accept": "text/event-stream"}
        )

    for run in (invoked, waited.json(), on_thread.json()):
        assert (run["status"], run["success"]) == ("failed", False)
        assert run["error"]["code"]
    for stream in (streamed, followed):
        assert stream.headers["content-type"] == "text/event-stream"
        assert "the agent failed because of a bug" in stream.text
    texts = [str(invoked), waited.text, on_thread.text, streamed.text, followed.text]
    assert [text for text in texts if "secret" in text] == []


async def test_a_question_of_the_agent_is_answered_over_http() -> None:
    model = ScriptedModel([call("ask_user", question="How much?"), "paid"])
    async with serving(Agent(model, [ask_user])) as clients, clients(ANA) as ana:
        asked = await posted(ana, "/invoke", prompt="Pay")
        (interrupt,) = asked["interrupts"]
        answer = {"interrupt_id": interrupt["id"], "payload": "three"}
        ended = await ana.post(
            f"/v1/runs/{asked['run_id']}/resume",
            json={"responses": [answer]},
            headers={"prefer": "wait=5"},
        )

    assert asked["status"] == "interrupted"
    assert (ended.json()["status"], ended.json()["output"]["text"]) == ("completed", "paid")


@pytest.mark.requirement("CLI-5")
async def test_a_run_of_the_agent_is_walked_again_without_its_model() -> None:
    model = ScriptedModel(["One.", "Two."])
    async with serving(Agent(model, system_prompt="Count.")) as clients, clients(ANA) as ana:
        await posted(ana, "/invoke", prompt="one", thread_id="t")
        second = await posted(ana, "/invoke", prompt="two", thread_id="t")
        path = f"/v1/runs/{second['run_id']}/replay"
        again = (await ana.get(path)).json()
        async with clients(BOB) as bob:
            of_another = await bob.get(path)

    model.assert_exhausted()
    assert (again["same"], again["agents"][0]["turns"]) == (True, 1), again
    assert of_another.status_code == 404


async def test_what_belongs_to_a_mesh_is_not_there() -> None:
    async with serving(Agent(FunctionModel(counting))) as clients, clients(ANA) as ana:
        explained = await ana.post("/v1/explain", json={"input": "x"})
        other = await ana.post("/v1/runs", json={"prompt": "x", "agent": "somebody"})
        protocol = await posted(ana, "/invoke", prompt="x", protocol="react")

    assert explained.status_code == 404
    assert other.json()["code"] == "unknown_agent"
    assert protocol["error"]["code"] == "not_found"


async def test_runs_are_as_durable_as_the_agents_checkpointer(tmp_path: Path) -> None:
    agent = Agent(FunctionModel(counting), checkpointer=f"sqlite:{tmp_path / 'agent.db'}")
    async with serving(agent) as clients, clients(ANA) as ana:
        first = await posted(ana, "/invoke", prompt="one", thread_id="t")

    async with serving(agent) as clients, clients(ANA) as ana:
        run = (await ana.get(f"/v1/runs/{first['run_id']}")).json()
        second = await posted(ana, "/invoke", prompt="two", thread_id="t")
    await agent.aclose()

    assert run["output"]["text"] == "1: one"
    assert second["message"] == "2: two"


def test_who_gives_no_key_is_heard_by_this_machine_only() -> None:
    with pytest.raises(ConfigError, match="needs an api_key"):
        AgentServer(Agent(FunctionModel(counting))).run("0.0.0.0")  # noqa: S104 - it is refused


@pytest.mark.parametrize("keys", ["short", {"ana": ANA, "bob": "short"}, {"ana": ANA, "bob": ANA}])
def test_a_key_that_can_be_guessed_or_stands_for_two_is_refused(
    keys: str | dict[str, str],
) -> None:
    with pytest.raises(ConfigError):
        AgentServer(Agent(FunctionModel(counting)), api_key=keys)


@pytest.mark.timeout(60)
def test_the_agent_of_the_readme_is_served(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (program,) = (block for block in blocks if "AgentServer" in block)
    (tmp_path / "program.py").write_text(program.replace("port=8000", "port=0"))
    paths = os.pathsep.join((str(ROOT / "libs"), str(ROOT / "proto")))
    with subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths, "WEFT_MODEL": "offline:"},
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        key, url = (process.stdout.readline().split()[-1] for _ in range(2))
        try:
            body = {"prompt": "Greet name=Ada"}
            answer = httpx.post(f"{url}/invoke", json=body, headers=bearer(key))
            stranger = httpx.post(f"{url}/invoke", json=body)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(20)

    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert "Hello, Ada!" in answer.json()["message"]
    assert (stranger.status_code, code) == (401, 0)
