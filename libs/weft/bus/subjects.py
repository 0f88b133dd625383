"""The one place that builds NATS subjects, from server-made hex ids only."""

from weft.core import HEX_ID, RunId, name_digest


def work(pool: str) -> str:
    """Return the doorbell of the workers of `pool`, a configured name."""
    return f"weft.work.{name_digest(pool)}"


def cancel(pool: str, run_id: RunId) -> str:
    return f"weft.cancel.{name_digest(pool)}.{_token(run_id)}"


def run(tenant: str, run_id: RunId) -> str:
    """Return where one run's committed events are published."""
    return f"weft.run.{name_digest(tenant)}.{_token(run_id)}"


def all_runs() -> str:
    return "weft.run.*.*"


def task(service: str, run_id: RunId) -> str:
    """Return where a specialist's replicas hear of its tasks' events."""
    return f"weft.task.{name_digest(service)}.{_token(run_id)}"


def all_tasks(service: str) -> str:
    return f"weft.task.{name_digest(service)}.*"


def all_cancels(pool: str) -> str:
    return f"weft.cancel.{name_digest(pool)}.*"


def run_of(subject: str) -> RunId | None:
    """Return the run a subject built here speaks of, its last token; None if it is not one of ours.

    Whoever may publish can name any subject, so what was heard is never trusted to be well formed.
    """
    token = subject.rpartition(".")[2]
    return RunId(token) if HEX_ID.fullmatch(token) else None


def _token(value: str) -> str:
    if HEX_ID.fullmatch(value) is None:
        raise ValueError(f"a subject token must be 16 to 64 hex digits, got {value[:80]!r}")
    return value
