"""From the loop's typed events to the mesh's, and back for what tools tell."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from weft.events import Envelope, ErrorData, Event, hidden, preview
from weft.loop import events as told
from weft.loop import stream
from weft.tools import events as tools

RESULT_LENGTH = 4096
"""A longer result is not repeated in an event: the preview stands there, the artifact has it."""


def bus_events(event: stream.LoopEvent) -> Iterator[Event]:
    """Yield what the mesh is told of `event`."""
    return _MAKERS[type(event)](event)


def typed_event(event: Event) -> stream.LoopEvent | None:
    """Return what a tool told as a typed event; None for what has no typed form."""
    match event:
        case tools.ToolProgress(data=data):
            return stream.ToolProgressEvent(
                tool_name=data.tool_name,
                tool_call_id=data.tool_call_id,
                span_id=data.span_id,
                progress=data.progress,
                total=data.total,
                message=data.message,
            )
        case tools.EffectIntended(data=data):
            return stream.EffectIntendedEvent(
                key=data.key, tool_name=data.tool_name, attempt=data.attempt
            )
        case tools.EffectSettled(data=data):
            return stream.EffectSettledEvent(
                key=data.key,
                tool_name=data.tool_name,
                attempt=data.attempt,
                outcome=data.outcome,
            )
        case _:
            return None


def effect_event(envelope: Envelope) -> Event | None:
    """Return a committed effect event as its own record; None for any other."""
    if envelope.type == "agent.effect.intended":
        return tools.EffectIntended.model_validate({"data": envelope.data})
    if envelope.type == "agent.effect.settled":
        return tools.EffectSettled.model_validate({"data": envelope.data})
    return None


def _thought(event: stream.ThinkEvent) -> Iterator[Event]:
    yield told.AgentThought(
        data=told.ThoughtData(
            iteration=event.iteration,
            reasoning_preview=preview(event.reasoning),
            has_tool_calls=bool(event.tool_calls),
            tool_call_count=len(event.tool_calls),
        )
    )


def _chunked(event: stream.ModelChunkEvent) -> Iterator[Event]:
    chunk = told.Chunk(content=event.content, reasoning=event.reasoning, done=event.done)
    yield told.ModelChunked(data=chunk)


def _completed(event: stream.ModelCompleteEvent) -> Iterator[Event]:
    yield told.ModelCompleted(
        data=told.ModelCall(
            model=event.model,
            content_preview=preview(event.content),
            tool_call_count=event.tool_call_count,
            stop_reason=event.stop_reason,
            usage=event.usage,
            duration_ms=event.duration_ms,
            generated_by=event.generated_by,
        )
    )
    yield told.TokensUsed(
        data=told.Tokens(
            prompt_tokens=event.usage.prompt_tokens,
            completion_tokens=event.usage.completion_tokens,
            total_tokens=event.usage.total_tokens,
        )
    )


def _retried(event: stream.ModelRetryEvent) -> Iterator[Event]:
    yield told.ModelRetried(
        data=told.ModelRetryData(
            attempt=event.attempt,
            max_retries=event.max_retries,
            delay_seconds=event.delay_seconds,
            reason=event.reason,
            status_code=event.status_code,
        )
    )


def _started(event: stream.ToolStartEvent) -> Iterator[Event]:
    start = tools.StartData(
        tool_name=event.tool_name,
        tool_call_id=event.tool_call_id,
        span_id=event.span_id,
        arg_keys=tuple(event.arguments),
        arguments=hidden(event.arguments),
    )
    yield tools.ToolStarted(span_id=event.span_id, data=start)


def _ended(event: stream.ToolCompleteEvent) -> Iterator[Event]:
    short = len(event.result) <= RESULT_LENGTH
    whole = event.result if event.structured is None else event.structured
    error = None
    if event.error is not None:
        error = ErrorData(code=event.outcome, message=event.error)
    end = tools.End(
        tool_name=event.tool_name,
        tool_call_id=event.tool_call_id,
        span_id=event.span_id,
        success=error is None,
        duration_ms=event.duration_ms,
        output_preview=preview(event.result),
        result=whole if short and error is None else None,
        error=error,
        replayed=event.replayed,
    )
    yield tools.ToolCompleted(span_id=event.span_id, data=end)


def _reflected(event: stream.ReflectEvent) -> Iterator[Event]:
    yield told.AgentReflected(
        data=told.Assessed(
            iteration=event.iteration,
            assessment=event.assessment,
            confidence_delta=event.confidence_delta,
            new_confidence=event.new_confidence,
            novelty=event.novelty,
            guidance_preview=preview(event.guidance),
        )
    )


def _interrupted(event: stream.InterruptEvent) -> Iterator[Event]:
    yield told.AgentInterrupted(
        data=told.InterruptData(
            interrupt_id=event.interrupt_id,
            reason=event.reason,
            question_preview=preview(event.question),
            options=event.options,
            tool_call_id=event.tool_call_id,
        )
    )


def _terminated(event: stream.TerminateEvent) -> Iterator[Event]:
    yield told.AgentTerminated(
        data=told.Termination(
            reason=event.reason,
            explanation=event.explanation,
            iterations_used=event.iterations_used,
            final_confidence=event.final_confidence,
            total_tool_calls=event.total_tool_calls,
            final_message_preview=preview(event.final_message),
            usage=event.usage,
            total_tokens=event.usage.total_tokens,
            error=event.error,
        )
    )


# Each maker takes its own event class; a mapping cannot say so.
_MAKERS: Mapping[type[stream.LoopEvent], Callable[[Any], Iterator[Event]]] = {
    stream.ThinkEvent: _thought,
    stream.ModelChunkEvent: _chunked,
    stream.ModelCompleteEvent: _completed,
    stream.ModelRetryEvent: _retried,
    stream.ToolStartEvent: _started,
    stream.ToolCompleteEvent: _ended,
    stream.ReflectEvent: _reflected,
    stream.InterruptEvent: _interrupted,
    stream.TerminateEvent: _terminated,
}
