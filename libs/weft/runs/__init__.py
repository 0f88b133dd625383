"""The durable run: asked for, admitted, owned, journalled, interrupted, resumed, cancelled, ended."""

from weft.runs.admission import new_run
from weft.runs.conversation import history_before, history_of, thread_of, turn_of
from weft.runs.cursors import cursor_in, event_number, told_all
from weft.runs.hub import Hub, Listener
from weft.runs.journal import Journal, LocalJournal, NestedJournal, RunJournal
from weft.runs.outcome import PLAN_STEP, Execute, RunOutcome
from weft.runs.owned import OwnedRun
from weft.runs.pruning import KEEP_DAYS, Pruner
from weft.runs.publisher import EventPublisher, Publisher, TaskPublisher
from weft.runs.requests import (
    A2A_SEND,
    AGENT_RUN,
    MESH_RUN,
    AgentRequest,
    Operation,
    PeerRequest,
    RoutedRequest,
    StoredRequest,
)
from weft.runs.runs import POLL_SECONDS, Runs
from weft.runs.sole_owner import SoleOwner
from weft.runs.worker import Worker

__all__ = [
    "A2A_SEND",
    "AGENT_RUN",
    "KEEP_DAYS",
    "MESH_RUN",
    "PLAN_STEP",
    "POLL_SECONDS",
    "AgentRequest",
    "EventPublisher",
    "Execute",
    "Hub",
    "Journal",
    "Listener",
    "LocalJournal",
    "NestedJournal",
    "Operation",
    "OwnedRun",
    "PeerRequest",
    "Pruner",
    "Publisher",
    "RoutedRequest",
    "RunJournal",
    "RunOutcome",
    "Runs",
    "SoleOwner",
    "StoredRequest",
    "TaskPublisher",
    "Worker",
    "cursor_in",
    "event_number",
    "history_before",
    "history_of",
    "new_run",
    "thread_of",
    "told_all",
    "turn_of",
]
