"""Tools and requests for tests of the planner."""

import json
from collections.abc import Mapping, Sequence

from weft.core import JsonObject, Message, ToolSpec
from weft.models import ModelRequest, ModelResponse, get_model

MODEL = get_model("offline:")
TEXT: JsonObject = {"type": "string"}
WHOLE: JsonObject = {"type": "integer"}


def tool(
    name: str,
    description: str = "",
    *labels: str,
    idempotent: bool = False,
    optional: Sequence[str] = (),
    **properties: JsonObject,
) -> ToolSpec:
    schema: JsonObject = {
        "type": "object",
        "properties": {**properties},
        "required": [name for name in properties if name not in optional],
    }
    return ToolSpec(
        name=name,
        description=description,
        parameters=schema,
        labels=frozenset(labels),
        idempotent=idempotent,
    )


LOGS = tool("analyze_logs", "Analyze the logs of an incident.", "read", data=TEXT)
LATENCY = tool("get_latency", "Latency of one service.", service=TEXT, window_minutes=WHOLE)
RESTART = tool("restart_service", "Restart a service.", "write", service=TEXT)
PAGE = tool("page_oncall", "Page the on-call engineer.", idempotent=True, service=TEXT)
LISTED = tool("list_incidents", "List incidents of a service.", idempotent=True, service=TEXT)
WEATHER = tool("get_weather", "Weather in a city.", city=TEXT)
ASK = tool("ask_user", "Ask the user a question.", question=TEXT)
FINISH = tool("task_complete", "Say that the task is complete.", summary=TEXT)
ALL = (LOGS, LATENCY, RESTART, PAGE, LISTED, WEATHER)


def asked(
    text: str,
    *tools: ToolSpec,
    metadata: JsonObject | None = None,
    schema: JsonObject | None = None,
) -> ModelRequest:
    return ModelRequest(
        messages=(Message.system("You analyse."), Message.user(text)),
        tools=tools,
        metadata=metadata or {},
        output_schema=schema,
    )


async def after(request: ModelRequest, results: Mapping[str, str]) -> ModelRequest:
    """Return the next request: the reply to `request`, and a result for each of its calls."""
    reply = (await MODEL.complete(request)).message
    told = [
        Message.tool(results.get(call.name, '{"summary": "nothing"}'), call=call)
        for call in reply.tool_calls
    ]
    return request.model_copy(update={"messages": (*request.messages, reply, *told)})


async def answer(request: ModelRequest, results: Mapping[str, str]) -> str:
    for _ in range(5):
        reply = await MODEL.complete(request)
        if not reply.message.tool_calls:
            return reply.message.content
        request = await after(request, results)
    raise AssertionError("the planner never came to an answer")


def called(reply: ModelResponse) -> dict[str, JsonObject]:
    return {call.name: call.arguments for call in reply.message.tool_calls}


REPORT = json.dumps(
    {
        "summary": "2 of 9 services changed",
        "findings": [
            {"text": "cache misses rose", "severity": "low", "score": 0.99},
            {"text": "pool exhausted", "severity": "critical", "score": 0.2},
            {"text": "retries rose", "severity": "low", "score": 0.995},
        ],
        "claims": [],
        "problems": [{"file": "a.log", "problem": "line 3 is cut"}],
    }
)
