"""A run as its client sees it: every field always there, null where nothing is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.checkpoint import Run
from weft.core import (
    SYSTEM_CLOCK,
    Budget,
    Clock,
    Interrupt,
    JsonObject,
    JsonValue,
    Parts,
    Result,
    data_of,
    rfc3339,
    text_of,
)
from weft.events import Envelope, preview
from weft.runs import RoutedRequest
from weft.server.parts import shown_part
from weft.service.problems import named

_USAGE = (
    "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cost_usd",
    "model_calls", "tool_calls", "unknown",
)  # fmt: skip
_STOP = {"completed": "complete", "failed": "error"}


@dataclass(frozen=True, slots=True)
class Details:
    """What a Run shows beside its own row."""

    report: JsonObject | None = None
    """What its `run.canceled` event says."""
    protocol: str | None = None
    """What the router chose."""


NO_DETAILS = Details()


def run_view(run: Run, *, details: Details = NO_DETAILS, clock: Clock = SYSTEM_CLOCK) -> JsonObject:
    """Return the Run as clients see it."""
    request, usage = RoutedRequest.model_validate(run.request), usage_of(run)
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "subject": run.subject,
        "status": run.status,
        "input_preview": preview(request.input) if request.input else None,
        "agent": request.agent,
        "protocol": details.protocol or request.protocol,
        "created_at": rfc3339(run.created_at),
        "started_at": _time(run.started_at),
        "ended_at": rfc3339(run.updated_at) if run.terminal else None,
        "output": _output(run),
        "success": run.status == "completed" if _at_rest(run) else None,
        "stop_reason": stop_reason(run),
        "error": error_of(run),
        "usage": usage,
        "budget": _budget(run.authority().budget, usage),
        "deadline": None if run.remaining_s is None else rfc3339(clock.now() + run.remaining_s),
        "interrupts": interrupts_of(run),
        "cancel": _cancel(run, details.report or {}),
        "last_seq": run.last_seq,
        "metadata": request.metadata,
        "trace_id": run.trace_id,
    }


def answer_view(run: Run) -> JsonObject:
    """Return the run as `POST /invoke` answers it."""
    usage = usage_of(run)
    return {
        "message": _text(run),
        "success": run.status == "completed",
        "stop_reason": stop_reason(run),
        "iterations": usage["model_calls"] if usage else None,
        "tool_calls": usage["tool_calls"] if usage else None,
        "duration_ms": duration_ms(run),
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "status": run.status,
        "usage": usage,
        "interrupts": interrupts_of(run),
        "error": error_of(run),
        "trace_id": run.trace_id,
    }


def usage_of(run: Run) -> JsonObject | None:
    """Return what the run spent; None until it has ended."""
    spent = (run.result or {}).get("usage")
    return shown_usage(spent) if isinstance(spent, dict) else None


def shown_usage(spent: JsonObject) -> JsonObject:
    """Return what was spent as clients see it; `unknown` tells that somebody did not say it all."""
    return {name: spent.get(name) for name in _USAGE}


def stop_reason(run: Run) -> str | None:
    """Return why the run stands still; None while it goes on."""
    if not _at_rest(run):
        return None
    if run.status not in _STOP:
        return run.status
    reason = (run.result or {}).get("stop_reason")
    return reason if isinstance(reason, str) else _STOP[run.status]


def duration_ms(run: Run) -> float | None:
    """Return the milliseconds from acceptance to the end; None before it."""
    return round((run.updated_at - run.created_at) * 1000, 3) if run.terminal else None


def error_of(run: Run) -> JsonObject | None:
    """Return why the run failed or expired, as a problem."""
    error = run.error
    if error is None and run.status == "expired":
        error = {"code": "deadline_exceeded", "message": "the run's time was over before it ended"}
    if error is None:
        return None
    code = str(error.get("code") or "internal")
    return {
        **named(code),
        "detail": error.get("message") or "",
        "instance": f"/v1/runs/{run.run_id}",
        "retryable": bool(error.get("retryable")),
        "trace_id": run.trace_id,
        "errors": _errors(run),
    }


def _errors(run: Run) -> list[JsonValue]:
    """Return why the run has the error, its own reason first: what, where in its tree, and who."""
    reasons = (run.result or {}).get("reasons")
    return [
        {
            "pointer": _pointer(reason.get("path")),
            "message": reason.get("message", ""),
            "code": reason.get("code"),
            "peer": reason.get("peer"),
        }
        for reason in (reasons if isinstance(reasons, list) else [run.error])
        if isinstance(reason, dict)
    ]


def _pointer(path: JsonValue) -> str:
    parts = path if isinstance(path, list) else []
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def interrupts_of(run: Run) -> list[JsonValue]:
    """Return the run's open interrupts."""
    return [asked_view(run, interrupt) for interrupt in run.interrupts]


def event_view(event: Envelope) -> JsonObject:
    """Return the envelope as JSON; `origin` stands on adopted events only."""
    view: JsonObject = {
        "v": event.v,
        "run_id": event.run_id,
        "seq": event.seq,
        "type": event.type,
        "ts": event.ts,
        "tenant": event.tenant,
        "thread_id": event.thread_id,
        "path": list(event.path),
        "agent": event.agent,
        "trace_id": event.trace_id,
        "span_id": event.span_id,
        "data": event.data,
    }
    if event.origin is not None:
        view["origin"] = event.origin.to_json()
    return view


def thread_status(runs: Sequence[Run]) -> tuple[str, str | None]:
    """Return `idle`, `busy` or `interrupted`, and the run that makes it so."""
    active = [run for run in runs if not run.terminal]
    for run in active:
        if run.status == "interrupted":
            return "interrupted", run.run_id
    return ("busy", active[-1].run_id) if active else ("idle", None)


def _at_rest(run: Run) -> bool:
    return run.terminal or run.status == "interrupted"


def _text(run: Run) -> str:
    return text_of(_answer(run))


def _answer(run: Run) -> Parts:
    return Result.answer_in(run.result or {})


def _output(run: Run) -> JsonObject | None:
    if run.result is None or run.pruned:
        return None
    parts = _answer(run)
    if not parts and run.status != "completed":
        return None
    shown: list[JsonValue] = [shown_part(part) for part in parts]
    return {"text": text_of(parts), "parts": shown, "data": data_of(parts)}


def _budget(budget: Budget, usage: JsonObject | None) -> JsonObject:
    limit: JsonObject = {
        "tokens": budget.tokens, "cost_usd": budget.cost_usd, "calls": budget.calls
    }  # fmt: skip
    remaining: JsonObject = {"tokens": None, "cost_usd": None, "calls": None}
    for name, spent in (("tokens", "total_tokens"), ("cost_usd", "cost_usd")):
        allowed, used = limit.get(name), (usage or {}).get(spent)
        if isinstance(allowed, int | float) and isinstance(used, int | float):
            remaining[name] = max(allowed - used, 0)
    return {"limit": limit, "remaining": remaining}


def asked_view(run: Run, interrupt: Interrupt, *, thread: bool = True) -> JsonObject:
    """Return an open question; `thread` tells which thread it belongs to."""
    return {
        "id": interrupt.id,
        "run_id": run.run_id,
        "thread_id": run.thread_id if thread else None,
        "reason": interrupt.reason,
        "message": interrupt.message,
        "path": list(interrupt.path),
        "agent": interrupt.agent,
        "asked_by": run.subject,
        "tool_call_id": interrupt.tool_call_id,
        "response_schema": interrupt.response_schema,
        "options": list(interrupt.options),
        "url": interrupt.url,
        "approver_scope": interrupt.approver_scope,
        "expires_at": rfc3339(run.updated_at + interrupt.expires_in),
        "metadata": interrupt.metadata,
        "status": "open",
        "created_at": rfc3339(run.updated_at),
        "resolved_at": None,
        "resolved_by": None,
    }


def _cancel(run: Run, report: JsonObject) -> JsonObject | None:
    if run.cancel is None:
        return None
    fields = {**run.cancel, **report}
    at = fields.get("at")
    return {
        "requested_by": fields.get("requested_by"),
        "reason": fields.get("reason"),
        "requested_at": rfc3339(at) if isinstance(at, int | float) else None,
        "finished_at": rfc3339(run.updated_at) if run.terminal else None,
        "peers": fields.get("peers"),
        "effects": fields.get("effects"),
        "rolled_back": fields.get("rolled_back"),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
