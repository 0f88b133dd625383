"""What a caller may ask of an agent's run, checked before anything starts."""

from typing import TypedDict

from weft.core import Budget, JsonObject, Principal, dumps
from weft.core.errors import InputError
from weft.core.storable import storable, storable_json

THREAD_ID_LENGTH = 128


class RunOptions(TypedDict, total=False):
    """The arguments of `run`, `arun` and `run_sync` besides the prompt."""

    thread_id: str | None
    """The conversation to go on with; None starts one that is not kept."""
    metadata: JsonObject | None
    run_id: str | None
    budget: Budget | None
    deadline: float | None
    """Seconds from now."""
    principal: Principal | None


KNOWN = frozenset(RunOptions.__annotations__)


def checked(prompt: object, options: RunOptions) -> None:
    """Refuse what no run can be made of.

    Raises:
        InputError: The prompt is empty, the thread id empty or too long, or metadata no JSON.
        TypeError: An argument is unknown.
    """
    for name in options:
        if name not in KNOWN:
            raise TypeError(f"run() has no argument {name!r}; it takes {', '.join(sorted(KNOWN))}")
    if not isinstance(prompt, str) or not prompt.strip():
        raise InputError("prompt must be a text that is not empty", field="prompt")
    thread_id = options.get("thread_id")
    if thread_id is not None and not 0 < len(thread_id) <= THREAD_ID_LENGTH:
        problem = f"thread_id must have 1 to {THREAD_ID_LENGTH} characters, got {len(thread_id)}"
        raise InputError(problem, field="thread_id")
    metadata = options.get("metadata")
    if metadata is not None and not _is_json_object(metadata):
        raise InputError("metadata must be a JSON object with text keys", field="metadata")


def kept(prompt: str, options: RunOptions) -> tuple[str, RunOptions]:
    """Return prompt and metadata such that every database can keep them."""
    metadata = options.get("metadata")
    if metadata is None:
        return storable(prompt), options
    cleaned = {storable(name): storable_json(value) for name, value in metadata.items()}
    return storable(prompt), {**options, "metadata": cleaned}


def _is_json_object(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    try:
        dumps(storable_json(value))
    except TypeError:
        return False
    return True
