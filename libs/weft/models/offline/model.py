"""The planner as a model: frame, match, bind, call, compose, label."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from weft.core import JsonObject, JsonValue, Message, ToolCall, ToolSpec, dumps
from weft.core.errors import ConfigError
from weft.language.cues import Reading
from weft.language.entities import Entity, entities
from weft.language.frame import CapabilityWords, frame_of
from weft.language.text import READ
from weft.models.base import (
    FREE,
    Capabilities,
    ModelChunk,
    ModelRequest,
    ModelResponse,
    ModelUsage,
)
from weft.models.chunks import CallIds, numbered, split
from weft.models.errors import NoApplicableToolError
from weft.models.offline.bind import Bound, Origins, bind
from weft.models.offline.compose import (
    ABSTAINS,
    NOT_ENGLISH,
    NOT_VALIDATED,
    NOT_WHOLLY_READ,
    Unbound,
    compose,
)
from weft.models.offline.fields import properties_of
from weft.models.offline.match import RESERVED, has_effects, is_about, is_named
from weft.models.offline.schema import ABSTAIN, fill
from weft.models.offline.turns import ASK, CurrentTurn, identity
from weft.models.registry import ModelProvider
from weft.models.stand_in import UNANSWERED

NAME = "offline:rules"
MAX_ROUNDS = 3
FINISH = "task_complete"
JUDGING = frozenset({"judge", "validate"})
ABSTAINING = frozenset({"argue", "code"})
"""Roles that rules cannot fill: debater and code writer."""

HOW_TO_SET = "Set OPENAI_API_KEY, or WEFT_MODEL to a model such as 'openai:gpt-4o'"

_CAPABILITIES = Capabilities(prices=FREE, structured=True, generated_by="rules")
_NOTHING_SPENT = ModelUsage(cost_usd=0.0)


@dataclass(frozen=True, slots=True)
class _Decision:
    calls: tuple[tuple[ToolSpec, Bound], ...]
    unbound: tuple[Unbound, ...]


class OfflineModel:
    """Equal requests get equal replies: there is no network, clock or chance in here."""

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def complete(self, request: ModelRequest) -> ModelResponse:
        turns = CurrentTurn.of(request)
        reading = Reading.of(turns.text)
        origins = _origins(request, turns, reading)
        role = request.metadata.get("role")
        if role in JUDGING and not request.output_schema:
            return _reply(f"{ABSTAIN}: {NOT_VALIDATED}")
        if role in ABSTAINING and not request.output_schema:
            # Words that only say so would pass for the work itself.
            raise NoApplicableToolError(f"{ABSTAINS} {HOW_TO_SET}")
        decision = _decide(request, turns, reading, origins)
        if decision.calls and turns.rounds < MAX_ROUNDS:
            return _calling(request, decision.calls)
        if (question := _question(request, turns, decision)) is not None:
            return _calling(request, (question,))
        return _closing(request, turns, reading, origins, decision.unbound)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        response = await self.complete(request)
        for chunk in split(response, response.message.content.splitlines(keepends=True)):
            yield chunk

    async def aclose(self) -> None:
        """Hold nothing open."""


def _origins(request: ModelRequest, turns: CurrentTurn, reading: Reading) -> Origins:
    return Origins(
        text=turns.text,
        entities=entities(reading),
        earlier=tuple(_earlier(turns)),
        metadata=request.metadata,
        results=turns.result_values(),
        answers=turns.answers,
    )


def _earlier(turns: CurrentTurn) -> Iterator[Entity]:
    """Yield what earlier requests name, oldest first; as much is read of all as of one."""
    left = READ
    read: list[str] = []
    for text in reversed(turns.earlier):
        read.append(text[:left])
        left -= len(read[-1])
        if not left:
            break
    for text in reversed(read):
        yield from entities(Reading.of(text))


def _decide(
    request: ModelRequest, turns: CurrentTurn, reading: Reading, origins: Origins
) -> _Decision:
    calls: list[tuple[ToolSpec, Bound]] = []
    unbound: list[Unbound] = []
    for tool in _offered(request):
        acts = has_effects(tool)
        if acts and not is_named(tool, reading):
            continue
        bound = bind(tool, origins.request_only() if acts else origins)
        fits = bound.typed or bound.given or is_about(tool, reading, reading.goals)
        if not (acts or fits):
            continue
        if bound.missing:
            if not any(tool.name == name for name, _ in turns.called):
                unbound.append(Unbound(tool.name, bound.missing))
        elif identity(tool.name, bound.arguments) not in turns.called:
            calls.append((tool, bound))
    return _Decision(tuple(calls), tuple(unbound))


def _offered(request: ModelRequest) -> Sequence[ToolSpec]:
    if request.tool_choice == "none":
        return ()
    if request.tool_choice in ("auto", "required"):
        return [tool for tool in request.tools if tool.name not in RESERVED]
    return [tool for tool in request.tools if tool.name == request.tool_choice]


def _question(
    request: ModelRequest, turns: CurrentTurn, decision: _Decision
) -> tuple[ToolSpec, Bound] | None:
    """Return a call of `ask_user` for the first missing argument that nobody was asked for."""
    asking = next((tool for tool in request.tools if tool.name == ASK), None)
    if asking is None or request.tool_choice == "none" or turns.rounds >= MAX_ROUNDS:
        return None
    for tool in decision.unbound:
        for argument in tool.missing:
            if f"{tool.tool}.{argument}" not in turns.answers:
                text = f"What should `{tool.tool}` get for its argument `{argument}`?"
                return asking, Bound({"question": text}, {}, (), typed=False)
    return None


def _calling(request: ModelRequest, chosen: Sequence[tuple[ToolSpec, Bound]]) -> ModelResponse:
    ids = CallIds(request, make=numbered)
    calls: list[ToolCall] = []
    sources: dict[str, JsonValue] = {}
    for tool, bound in chosen:
        call = ToolCall(id=ids.admit(None), name=tool.name, arguments=bound.arguments)
        calls.append(call)
        sources[call.id] = dict(bound.sources)
    message = Message(role="assistant", tool_calls=tuple(calls), metadata={"sources": sources})
    return _response(message)


def _closing(
    request: ModelRequest,
    turns: CurrentTurn,
    reading: Reading,
    origins: Origins,
    unbound: Sequence[Unbound],
) -> ModelResponse:
    something = bool(turns.outcomes or unbound)
    notes = _notes(request, reading)
    answer = compose(turns.outcomes, unbound, notes=notes) if something else ""
    if request.output_schema is not None:
        goal = frame_of(reading, *_vocabulary(request))
        filled = fill(request.output_schema, goal, origins, answer=answer, abstention=NOT_VALIDATED)
        if request.metadata.get("role") in ABSTAINING:
            filled |= _abstaining(request.output_schema)
        if not filled:
            # An object without a field may well be valid, and would say nothing.
            raise NoApplicableToolError(_nothing_fits(request, reading))
        return _reply(dumps(filled).decode())
    if not something:
        raise NoApplicableToolError(_nothing_fits(request, reading))
    if any(tool.name == FINISH for tool in request.tools) and request.tool_choice != "none":
        finish = next(tool for tool in request.tools if tool.name == FINISH)
        return _calling(request, [(finish, Bound({"summary": answer}, {}, (), typed=False))])
    return _reply(answer)


def _notes(request: ModelRequest, reading: Reading) -> Iterator[str]:
    """Yield for whom the rules stand in, and what of the request was not understood, and why."""
    if unanswered := request.metadata.get(UNANSWERED):
        yield f"The language model {unanswered}."
    if not reading.english:
        yield NOT_ENGLISH
    if reading.is_partial:
        yield _partly(reading)


def _partly(reading: Reading) -> str:
    return NOT_WHOLLY_READ.format(read=len(reading.text), whole=reading.whole)


def _vocabulary(request: ModelRequest) -> tuple[Sequence[str], Sequence[CapabilityWords]]:
    """Return the domains and capabilities that the caller named beside the request."""
    domains = request.metadata.get("domains")
    capabilities = request.metadata.get("capabilities")
    return (
        [str(domain) for domain in domains] if isinstance(domains, list) else [],
        [CapabilityWords.of(entry) for entry in capabilities if isinstance(entry, dict)]
        if isinstance(capabilities, list)
        else [],
    )


def _abstaining(schema: JsonObject) -> JsonObject:
    """Return what says in a schema's own fields that rules have no words to give."""
    fields = properties_of(schema)
    if fields.get("abstained", {}).get("type") != "boolean":
        return {}
    texts = [name for name, field in fields.items() if field.get("type") == "string"]
    return {**dict.fromkeys(texts, ABSTAINS), "abstained": True}


def _nothing_fits(request: ModelRequest, reading: Reading) -> str:
    tools = [tool for tool in request.tools if tool.name not in RESERVED]
    can = "; ".join(_described(tool) for tool in tools)
    offers = f"its tools can do this: {can}" if can else "it has no tools"
    read = f"{_partly(reading)} " if reading.is_partial else ""
    if unanswered := request.metadata.get(UNANSWERED):
        return f"{unanswered}, and for rules no tool fits the request; {offers}. {read}".rstrip()
    return (
        f"no language model is configured and no tool fits the request; {offers}. {read}"
        f"{HOW_TO_SET}, for other questions"
    )


def _described(tool: ToolSpec) -> str:
    first = next(iter(tool.description.splitlines()), "").rstrip(".")
    return f"{tool.name}: {first}" if first else tool.name


def _reply(text: str) -> ModelResponse:
    return _response(Message.assistant(text))


def _response(message: Message) -> ModelResponse:
    return ModelResponse(
        message=message,
        usage=_NOTHING_SPENT,
        stop_reason="tool_calls" if message.tool_calls else "stop",
        model=NAME,
        generated_by="rules",
    )


def open_offline(rest: str, **model_kwargs: object) -> OfflineModel:
    """Open the planner; there is one only, called `offline:` or `offline:rules`.

    Raises:
        ConfigError: something else was asked for.
    """
    if rest not in ("", "rules"):
        raise ConfigError(f"offline: has one model, 'offline:rules', got 'offline:{rest}'")
    if model_kwargs:
        raise ConfigError(f"offline: takes no options, got {', '.join(sorted(model_kwargs))}")
    return OfflineModel()


PROVIDER = ModelProvider(open=open_offline, default_model="rules")
