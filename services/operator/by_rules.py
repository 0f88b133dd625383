"""The operator's rules as a model: each next call follows from what the one before it brought."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from services.operator.actions import ACTIONS, Action
from services.operator.tools import ASK, SAID_DONE, SUGGEST, UNKNOWN_EFFECT
from weft.core import JsonObject, Message, ToolCall, loads, name_digest
from weft.models import Capabilities, ModelChunk, ModelRequest, ModelResponse, ModelUsage
from weft.models.base import FREE
from weft.models.chunks import split

__all__ = ["ByRules"]

_CAPABILITIES = Capabilities(prices=FREE, generated_by="rules")
_FREE_OF_CHARGE = ModelUsage(cost_usd=0.0)
_NOTHING = "Nothing was looked at, so nothing is proposed."


@dataclass(frozen=True, slots=True)
class ByRules:
    """Carries out `action`, which was approved; without one, what was suggested, once it is."""

    action: Action | None = None

    @property
    def name(self) -> str:
        return "offline:operator"

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def complete(self, request: ModelRequest) -> ModelResponse:
        last = request.messages[-1]
        offered = {spec.name for spec in request.tools}
        brought = _brought(last) if last.role == "tool" else None
        if brought is None:
            return _said("") if self.action is None else _calling(self.action.kind, self.action)
        if (again := _unsettled(request.messages)) is not None:
            return _reply(Message.assistant(tool_calls=(again,)))
        action = _action_in(brought)
        if last.name == SUGGEST and action is not None and ASK in offered:
            why = brought.get("why", "")
            return _reply(
                Message.assistant(
                    tool_calls=(_call(ASK, {"action": action.to_json(), "why": why}),)
                )
            )
        if last.name == ASK and action is not None:
            return _calling(action.kind, action)
        return _said(_words(last, brought))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        for chunk in split(await self.complete(request)):
            yield chunk

    async def aclose(self) -> None:
        """Hold nothing open."""


def _brought(message: Message) -> JsonObject:
    """Return what a call brought; of one that failed, why."""
    try:
        value = loads(message.content)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"text": message.content}


def _words(last: Message, brought: JsonObject) -> str:
    words = str(brought.get("words") or brought.get("refusal") or brought.get("text"))
    acted = last.name in ACTIONS and not last.content.startswith("Error:")
    # What the tool itself says of an action has what was seen of it.
    return f"{SAID_DONE}: {words}" if acted and "after" not in brought else words


def _unsettled(messages: Sequence[Message]) -> ToolCall | None:
    """Return the call of an effect of which nobody knows whether it took place, to be made again.

    That repeats nothing: the ledger has the target asked first, and then a person. A second such
    answer is theirs.
    """
    last = messages[-1]
    if UNKNOWN_EFFECT not in last.content or not last.content.startswith("Error:"):
        return None
    calls = [call for message in messages for call in message.tool_calls if call.name == last.name]
    if len(calls) != 1:
        return None
    return ToolCall(id=f"{calls[0].id}_again", name=calls[0].name, arguments=calls[0].arguments)


def _action_in(brought: JsonObject) -> Action | None:
    action = brought.get("action")
    return Action.model_validate(action) if isinstance(action, dict) else None


def _calling(name: str, action: Action) -> ModelResponse:
    return _reply(Message.assistant(tool_calls=(_call(name, action.arguments()),)))


def _call(name: str, arguments: JsonObject) -> ToolCall:
    return ToolCall(id=f"call_{name_digest(name)[:20]}", name=name, arguments=arguments)


def _said(text: str) -> ModelResponse:
    return _reply(Message.assistant(text or _NOTHING))


def _reply(message: Message) -> ModelResponse:
    return ModelResponse(
        message=message,
        usage=_FREE_OF_CHARGE,
        stop_reason="tool_calls" if message.tool_calls else "stop",
        model="offline:operator",
        generated_by="rules",
    )
