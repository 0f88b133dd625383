"""A2A served over runs."""

from weft.a2a.server.app import A2AServer
from weft.a2a.server.callers import Authenticator
from weft.a2a.server.executor import execute_task, replay_task
from weft.a2a.server.key_callers import KeyCallers
from weft.a2a.server.tasks import TaskLimits

__all__ = [
    "A2AServer",
    "Authenticator",
    "KeyCallers",
    "TaskLimits",
    "execute_task",
    "replay_task",
]
