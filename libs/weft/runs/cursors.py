"""Where a reader of a run's log stands: one rule for every stream that can be resumed."""

from weft.checkpoint import Run
from weft.core.edge_errors import InvalidCursorError
from weft.core.numbers import whole_number

MAX_CURSOR = 2**53


def event_number(value: str, what: str) -> int:
    """Return an event number.

    Raises:
        InvalidCursorError: It is no integer from 0 to 2^53.
    """
    number = whole_number(value, least=0, most=MAX_CURSOR)
    if number is None:
        raise InvalidCursorError(f"{what} must be an integer from 0 to 2^53")
    return number


def cursor_in(run: Run, value: str, what: str = "the cursor") -> int:
    """Return the number behind which a reader of `run` goes on.

    Raises:
        InvalidCursorError: It is no event number, or one that the living run has not reached.
    """
    after = event_number(value, what)
    if after > run.last_seq and not run.terminal:
        raise InvalidCursorError(f"the run has {run.last_seq} events so far, not {after}")
    return after


def told_all(run: Run, after: int) -> bool:
    """Tell whether nothing will ever come behind number `after`."""
    return run.terminal and after >= run.last_seq
