"""What the work of a run is written through: its log, its steps and its effects."""

from weft.runs.journal.contract import Journal
from weft.runs.journal.durable import RunJournal
from weft.runs.journal.event_log import Sink, discard
from weft.runs.journal.local import LocalJournal
from weft.runs.journal.nested import NestedJournal

__all__ = ["Journal", "LocalJournal", "NestedJournal", "RunJournal", "Sink", "discard"]
