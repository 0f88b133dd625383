"""The durable run: admitted, owned, journalled, interrupted, resumed, cancelled."""

from weft.runs.hub import Hub, Listener
from weft.runs.outcome import Execute, Outcome
from weft.runs.runs import POLL_SECONDS, Runs
from weft.runs.worker import Worker

__all__ = ["POLL_SECONDS", "Execute", "Hub", "Listener", "Outcome", "Runs", "Worker"]
