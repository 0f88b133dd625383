"""Durable runs, threads and effects: backends behind contracts."""

from importlib import import_module
from typing import TYPE_CHECKING

from weft.checkpoint.backlog import Backlog, Share
from weft.checkpoint.base import (
    LEASE_SECONDS,
    TERMINAL,
    Accepted,
    Claimed,
    Durability,
    Ending,
    Erasing,
    Held,
    LogState,
    NewRun,
    OnBusy,
    Prepare,
    Renewal,
    Run,
    RunStatus,
    RunStore,
    TerminalStatus,
    Thread,
    ThreadKey,
    ThreadStore,
    Turn,
)
from weft.checkpoint.book import BookEntry, OutcomeBook
from weft.checkpoint.checkpointer import Checkpointer
from weft.checkpoint.effects import EffectCall, EffectOutcome, EffectScope, EffectStore, Intent
from weft.checkpoint.faults import Faults
from weft.checkpoint.inbound import Inbound, Received, entry_path
from weft.checkpoint.index import Page, Pruned, RunFilter, RunIndex, ThreadSummary
from weft.checkpoint.steps import Recorded, StepWrite
from weft.checkpoint.text import keepable
from weft.checkpoint.urls import get_checkpointer

if TYPE_CHECKING:
    from weft.checkpoint.memory import memory_checkpointer
    from weft.checkpoint.postgres import postgres_checkpointer
    from weft.checkpoint.sqlite import sqlite_checkpointer

__all__ = [
    "LEASE_SECONDS",
    "TERMINAL",
    "Accepted",
    "Backlog",
    "BookEntry",
    "Checkpointer",
    "Claimed",
    "Durability",
    "EffectCall",
    "EffectOutcome",
    "EffectScope",
    "EffectStore",
    "Ending",
    "Erasing",
    "Faults",
    "Held",
    "Inbound",
    "Intent",
    "LogState",
    "NewRun",
    "OnBusy",
    "OutcomeBook",
    "Page",
    "Prepare",
    "Pruned",
    "Received",
    "Recorded",
    "Renewal",
    "Run",
    "RunFilter",
    "RunIndex",
    "RunStatus",
    "RunStore",
    "Share",
    "StepWrite",
    "TerminalStatus",
    "Thread",
    "ThreadKey",
    "ThreadStore",
    "ThreadSummary",
    "Turn",
    "entry_path",
    "get_checkpointer",
    "keepable",
    "memory_checkpointer",
    "postgres_checkpointer",
    "sqlite_checkpointer",
]

_FACTORIES = {
    "memory_checkpointer": "weft.checkpoint.memory",
    "postgres_checkpointer": "weft.checkpoint.postgres",
    "sqlite_checkpointer": "weft.checkpoint.sqlite",
}


def __getattr__(name: str) -> object:
    """Import a backend when its factory is first asked for."""
    if name not in _FACTORIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    factory: object = getattr(import_module(_FACTORIES[name]), name)
    return factory
