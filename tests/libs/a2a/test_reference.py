"""The reference SDK on the other end: its client at our server, our client at its handler.

The SDK's own HTTP routes need a package that is not installed here; its request handler and
messages, which is all that shows on the wire, stand behind a route of this test.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import orjson
import pytest
from a2a.client import Client, ClientConfig, ClientFactory
from a2a.helpers import new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.context import ServerCallContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    CancelTaskRequest,
    GetTaskRequest,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskState,
)
from a2a.utils.errors import TaskNotCancelableError, TaskNotFoundError
from a2a.utils.proto_utils import to_stream_response
from google.protobuf.json_format import MessageToDict, ParseDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.libs.a2a.harness import (
    ScriptedPeer,
    ScriptedRun,
    Served,
    a_task,
    agent,
    bound_socket,
    serving,
)
from weft.a2a.client import A2AClient, open_session
from weft.a2a.events import ArtifactUpdated
from weft.core import Artifact, Claim, Interrupt, Result
from weft.events import Event


@asynccontextmanager
async def reference_client(served: Served, *, streaming: bool = True) -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=10) as http:
        factory = ClientFactory(ClientConfig(streaming=streaming, httpx_client=http))
        yield await factory.create_from_url(served.url)


def request(text: str, task_id: str | None = None) -> SendMessageRequest:
    sent = new_text_message(text, role=Role.ROLE_USER)
    if task_id:
        sent.task_id = task_id
    return SendMessageRequest(message=sent)


async def rich(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    if run.task.prompt == "wait":
        await run.go.wait()
    if run.task.prompt == "ask" and not run.task.answers:
        asked = Interrupt(id="q", reason="question", message="Which one?")
        yield Result(status="interrupted", interrupts=(asked,))
        return
    yield Result(
        status="completed",
        text=f"echo: {run.task.prompt}",
        claims=(Claim(text="c"),),
        artifacts=(Artifact(id="call-1", data={"rows": [1, 2]}),),
    )


@pytest.mark.parametrize("streaming", [True, False])
async def test_the_reference_client_reads_our_answers(streaming: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async with (
        agent(ScriptedPeer(rich)) as served,
        reference_client(served, streaming=streaming) as client,
    ):
        told = [each async for each in client.send_message(request("hello"))]
        task_id = told[0].task.id
        task = await client.get_task(GetTaskRequest(id=task_id))

    kinds = [each.WhichOneof("payload") for each in told]
    assert kinds[0] == "task"
    if streaming:
        assert kinds[-1] == "status_update"
        assert told[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
        assert {*kinds} == {"task", "status_update", "artifact_update"}
    assert task.status.state == TaskState.TASK_STATE_COMPLETED
    assert [part.text for part in task.artifacts[0].parts if part.HasField("text")] == [
        "echo: hello"
    ]
    assert MessageToDict(task.artifacts[1].parts[0].data) == {"rows": [1, 2]}
    assert task.history[0].parts[0].text == "hello"


async def test_the_reference_client_answers_our_questions() -> None:
    async with agent(ScriptedPeer(rich)) as served, reference_client(served) as client:
        told = [each async for each in client.send_message(request("ask"))]
        task_id = told[0].task.id
        more = [each async for each in client.send_message(request("this one", task_id))]

    asked = told[-1].status_update.status
    assert asked.state == TaskState.TASK_STATE_INPUT_REQUIRED
    assert asked.message.parts[0].text == "Which one?"
    assert more[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def test_the_reference_client_cancels_and_reads_our_errors() -> None:
    async with agent(ScriptedPeer(rich)) as served, reference_client(served) as client:
        stream = aiter(client.send_message(request("wait")))
        task_id = (await anext(stream)).task.id
        subscription = aiter(client.subscribe(SubscribeToTaskRequest(id=task_id)))
        assert (await anext(subscription)).task.id == task_id
        with anyio.fail_after(5):
            canceled = await client.cancel_task(CancelTaskRequest(id=task_id))
            rest = [each async for each in stream]
            followed = [each async for each in subscription]
        with pytest.raises(TaskNotCancelableError):
            await client.cancel_task(CancelTaskRequest(id=task_id))
        with pytest.raises(TaskNotFoundError):
            await client.get_task(GetTaskRequest(id="0" * 32))

    assert canceled.status.state == TaskState.TASK_STATE_CANCELED
    for told in (rest, followed):
        assert told[-1].status_update.status.state == TaskState.TASK_STATE_CANCELED


class Teller(AgentExecutor):
    """An agent written for the SDK."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.task_id
        assert context.context_id
        await event_queue.enqueue_event(
            Task(id=context.task_id, context_id=context.context_id, status={"state": 1})
        )
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        await updater.start_work()
        text = context.get_user_input()
        if text == "ask":
            asked = updater.new_agent_message([Part(text="Which one?")])
            await updater.requires_input(asked)
            return
        await updater.add_artifact([Part(text="said ")], artifact_id="a", append=False)
        await updater.add_artifact([Part(text=text)], artifact_id="a", append=True)
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        raise NotImplementedError


def reference_app(url: str) -> Starlette:
    card = AgentCard(
        name="teller",
        description="Tells.",
        version="1",
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="1.0")
        ],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="t", name="t", description="t", tags=["t"])],
    )
    handler = DefaultRequestHandler(Teller(), InMemoryTaskStore(), card)

    async def show(_: Request) -> Response:
        return JSONResponse(MessageToDict(card))

    async def stream(params: dict[str, object], call_id: str) -> AsyncGenerator[bytes, None]:
        sent = ParseDict(params, SendMessageRequest())
        async for event in handler.on_message_send_stream(sent, ServerCallContext()):
            shown: StreamResponse = to_stream_response(event)
            answer = {"jsonrpc": "2.0", "id": call_id, "result": MessageToDict(shown)}
            yield b"data: " + orjson.dumps(answer) + b"\r\n\r\n"

    async def call(received: Request) -> Response:
        body = await received.json()
        assert body["method"] == "SendStreamingMessage"
        return StreamingResponse(stream(body["params"], body["id"]), media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/.well-known/agent-card.json", show),
            Route("/", call, methods=["POST"]),
        ]
    )


@asynccontextmanager
async def our_client() -> AsyncIterator[A2AClient]:
    bound = bound_socket()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
    async with serving(reference_app(url), bound), open_session() as session:
        yield await A2AClient.connect(url, session, service="teller")


async def test_our_client_reads_an_answer_of_the_reference_agent() -> None:
    async with our_client() as client:
        result = await client.start(a_task("hello"))

    assert result.ok
    assert result.text == "said hello"
    assert result.usage.unknown


async def test_our_client_tells_of_an_artifact_of_the_reference_agent_as_it_grows() -> None:
    async with our_client() as client:
        run = client.start(a_task("hello"))
        events = [event async for event in run]
        result = await run

    chunks = [event.data for event in events if isinstance(event, ArtifactUpdated)]
    assert [(each.artifact.text, each.append) for each in chunks] == [
        ("said ", False), ("hello", True),
    ]  # fmt: skip
    assert result.artifacts[0].text == "said hello"


async def test_our_client_reads_a_question_of_the_reference_agent() -> None:
    async with our_client() as client:
        result = await client.start(a_task("ask"))

    assert result.status == "interrupted"
    assert result.interrupts[0].message == "Which one?"
