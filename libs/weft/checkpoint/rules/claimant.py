"""Who claims runs: by which name, of which operations, and with which first step."""

from typing import NamedTuple

from weft.checkpoint.base import Prepare
from weft.checkpoint.rules.log import StepText, refuse_terminal
from weft.checkpoint.rules.rows import run_of
from weft.checkpoint.tables import RunRow
from weft.checkpoint.text import encode, encode_events
from weft.core.errors import InputError


class Claimant(NamedTuple):
    """An owner on its way to runs."""

    owner: str
    operations: frozenset[str]
    prepare: Prepare | None = None

    def first_step(self, row: RunRow, now: float) -> StepText | None:
        """Return the step that is written with the claim of `row`; None if none can be."""
        step = None if self.prepare is None else self.prepare(run_of(row, now))
        if step is None:
            return None
        try:
            refuse_terminal([event.type for event in step.events])
            return StepText(encode(step.path), step.outcome, encode_events(step.events))
        except InputError:
            # The owner makes it once more, and hears of it where it can end the run.
            return None
