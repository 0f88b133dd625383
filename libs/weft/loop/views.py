"""A run's events as whoever watches it in its own process gets them.

A view has the members of the event's data that bear its own names. Calls and their results, of
which an event tells a log less than all, are taken whole.
"""

from collections.abc import Mapping
from dataclasses import fields

from weft.events import AnyData, Data, Event
from weft.loop import stream
from weft.tools.events import End, StartData

EFFECTS = frozenset({"agent.effect.intended", "agent.effect.settled"})
_OF_CHILDREN = EFFECTS | {"agent.tool.progress"}
"""What is shown of agents that are tools; the rest of theirs is not this run's own."""
_VIEWS: Mapping[str, type[stream.LoopEvent]] = {
    "agent.think": stream.ThinkEvent,
    "agent.model.chunk": stream.ModelChunkEvent,
    "agent.model.completed": stream.ModelCompleteEvent,
    "agent.model.retry": stream.ModelRetryEvent,
    "agent.tool.started": stream.ToolStartEvent,
    "agent.tool.progress": stream.ToolProgressEvent,
    "agent.tool.completed": stream.ToolCompleteEvent,
    "agent.effect.intended": stream.EffectIntendedEvent,
    "agent.effect.settled": stream.EffectSettledEvent,
    "agent.reflect": stream.ReflectEvent,
    "agent.interrupt": stream.InterruptEvent,
    "agent.terminate": stream.TerminateEvent,
}
_NAMES: Mapping[str, tuple[str, ...]] = {
    kind: tuple(
        field.name
        for field in fields(view)
        if field.name not in stream.LoopEvent.__dataclass_fields__
    )
    for kind, view in _VIEWS.items()
}


def view_of(event: Event) -> stream.LoopEvent | None:
    """Return the typed event that shows `event`; None for what has none."""
    view = _VIEWS.get(event.type)
    if view is None or (event.path and event.type not in _OF_CHILDREN):
        return None
    if isinstance(event.data, AnyData) and event.type not in EFFECTS:
        # A tool may tell what it likes; this is none of ours.
        return None
    members = {
        name: getattr(event.data, name) for name in _NAMES[event.type] if hasattr(event.data, name)
    }
    return view(path=event.path, **{**members, **_whole(event.data)})


def _whole(data: Data) -> Mapping[str, object]:
    """Return what a call's events tell in this process under names of their own."""
    match data:
        case StartData(call=call) if call is not None:
            return {"arguments": call.arguments}
        case End(execution=execution, error=error):
            return {
                "result": "" if execution is None else execution.content,
                "structured": None if execution is None else execution.structured,
                "error": None if error is None else error.message,
                "outcome": "ok" if error is None else error.code,
            }
        case _:
            return {}
