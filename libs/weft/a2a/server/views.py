"""A run as A2A shows it: task, state, status and the updates of a stream."""

from collections.abc import Sequence

from weft.a2a.server.growing import Growing
from weft.a2a.wire import extensions
from weft.a2a.wire.models import TaskState
from weft.a2a.wire.outcomes import artifacts_of, metadata_of, question_parts
from weft.a2a.wire.parts import to_wire
from weft.checkpoint import Run
from weft.core import JsonObject, JsonValue, Parts, Result, parts_of, rfc3339
from weft.events import Envelope

Extensions = frozenset[str]

_STATES: dict[str, TaskState] = {
    "queued": "TASK_STATE_SUBMITTED",
    "running": "TASK_STATE_WORKING",
    "canceling": "TASK_STATE_WORKING",
    "completed": "TASK_STATE_COMPLETED",
    "canceled": "TASK_STATE_CANCELED",
    "failed": "TASK_STATE_FAILED",
    "expired": "TASK_STATE_FAILED",
}
SHOWN: dict[str, TaskState] = {
    "run.started": "TASK_STATE_WORKING",
    "run.resumed": "TASK_STATE_WORKING",
    "run.canceling": "TASK_STATE_WORKING",
}
"""The events that show as an update of their own, terminal and interrupting ones aside."""


def state_of(run: Run) -> TaskState:
    if run.status == "interrupted":
        credentials = any(question.reason == "credentials" for question in run.interrupts)
        return "TASK_STATE_AUTH_REQUIRED" if credentials else "TASK_STATE_INPUT_REQUIRED"
    if run.status == "failed" and (run.error or {}).get("code") == "policy_denied":
        return "TASK_STATE_REJECTED"
    return _STATES[run.status]


def task_of(
    run: Run,
    active: Extensions,
    *,
    history: Sequence[JsonObject] = (),
    report: JsonObject | None = None,
) -> JsonObject:
    """Return the task as it is now, with these of its messages."""
    shown: JsonObject = {
        "id": run.run_id,
        "contextId": run.thread_id,
        "status": status_of(run, active),
    }
    result = result_in(run)
    if result is not None and (artifacts := artifacts_of(result, run.run_id)):
        shown["artifacts"] = [*artifacts]
    if history:
        shown["history"] = [*history]
    if metadata := metadata_for(run, result, active, report=report):
        shown["metadata"] = metadata
    return shown


def submitted(run: Run, history: Sequence[JsonObject]) -> JsonObject:
    """Return the task as it was when it was accepted: the first thing on a send's stream."""
    status: JsonObject = {
        "state": "TASK_STATE_SUBMITTED",
        "timestamp": rfc3339(run.created_at),
    }
    task: JsonObject = {"id": run.run_id, "contextId": run.thread_id, "status": status}
    if history:
        task["history"] = [*history]
    return task


def status_of(run: Run, active: Extensions) -> JsonObject:
    status: JsonObject = {"state": state_of(run), "timestamp": rfc3339(run.updated_at)}
    parts: Parts = ()
    if run.status == "interrupted":
        parts = question_parts(run.interrupts, extended=extensions.INTERRUPT in active)
    elif run.status == "failed":
        parts = parts_of(str((run.error or {}).get("message") or "the task failed"))
    elif run.status == "expired":
        parts = parts_of("the task's time was over before it ended")
    if parts:
        status["message"] = {
            "messageId": question_id(run, run.last_seq),
            "role": "ROLE_AGENT",
            "taskId": run.run_id,
            "contextId": run.thread_id,
            "parts": to_wire(parts),
        }
    return status


def question_id(run: Run, seq: int) -> str:
    """Return the id of the message that the task's status has since event `seq`."""
    return f"{run.run_id}-{seq}"


def metadata_for(
    run: Run, result: Result | None, active: Extensions, *, report: JsonObject | None = None
) -> JsonObject:
    """Return what the extensions in force add to a terminal state."""
    metadata: JsonObject = {"reason": "expired"} if run.status == "expired" else {}
    if result is not None and active:
        whole = metadata_of(result)
        if extensions.BUDGET in active:
            metadata["usage"] = whole["usage"]
        if extensions.EVENTS in active:
            metadata["result"] = whole["result"]
    if report is not None and extensions.CANCELLATION in active:
        metadata["outcomes"] = _outcomes(report)
    return metadata


def result_in(run: Run) -> Result | None:
    """Return the result of an ended run, or None."""
    return None if run.result is None else Result.model_validate(run.result)


def working(
    run: Run, state: TaskState, ts: str, *, message: JsonObject | None = None
) -> JsonObject:
    """Return an update that shows `state`, and what was said with it."""
    said: JsonObject = {} if message is None else {"message": message}
    return _update(run, {"state": state, "timestamp": ts, **said})


def artifact_update(run: Run, update: JsonObject) -> JsonObject:
    """Return the update that shows the artifact, or the chunk, in `update`."""
    return {"artifactUpdate": {"taskId": run.run_id, "contextId": run.thread_id, **update}}


def settled(
    run: Run, active: Extensions, growing: Growing, report: JsonObject | None
) -> list[JsonObject]:
    """Return the updates of a run that ended or waits: its artifacts, then its status."""
    result = result_in(run)
    shown: list[JsonObject] = []
    if result is not None:
        rest = growing.rest(artifacts_of(result, run.run_id))
        shown = [artifact_update(run, update) for update in rest]
    last = _update(run, status_of(run, active))
    if metadata := metadata_for(run, result, active, report=report):
        update_body = last["statusUpdate"]
        if isinstance(update_body, dict):
            update_body["metadata"] = metadata
    return [*shown, last]


def report_in(event: Envelope) -> JsonObject | None:
    """Return the report of a cancelled run's terminal event."""
    report = event.data.get("report") if event.type == "run.canceled" else None
    return report if isinstance(report, dict) else None


def _update(run: Run, status: JsonObject) -> JsonObject:
    return {"statusUpdate": {"taskId": run.run_id, "contextId": run.thread_id, "status": status}}


def _outcomes(report: JsonObject) -> list[JsonValue]:
    listed = (report.get(name) for name in ("peers", "effects"))
    return [entry for part in listed if isinstance(part, list) for entry in part]
