"""The durable run: admitted, owned, journalled, interrupted, resumed, cancelled."""

from weft.runs.cursors import cursor_in, event_number, told_all
from weft.runs.hub import Hub, Listener
from weft.runs.operations import A2A_SEND, AGENT_RUN, MESH_RUN
from weft.runs.outcome import PLAN_STEP, Execute, RunOutcome
from weft.runs.publisher import EventPublisher, Publisher, TaskPublisher
from weft.runs.runs import POLL_SECONDS, Runs
from weft.runs.worker import Worker

__all__ = [
    "A2A_SEND",
    "AGENT_RUN",
    "MESH_RUN",
    "PLAN_STEP",
    "POLL_SECONDS",
    "EventPublisher",
    "Execute",
    "Hub",
    "Listener",
    "Publisher",
    "RunOutcome",
    "Runs",
    "TaskPublisher",
    "Worker",
    "cursor_in",
    "event_number",
    "told_all",
]
