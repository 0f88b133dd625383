"""What several findings say together: claims, agreement, grounding, and the report of them."""

from weft.report.grounding import Branch, stated
from weft.report.model import (
    Agreement,
    Contradiction,
    Evidence,
    Explanation,
    Finding,
    Gap,
    Report,
    Side,
    Suspect,
)
from weft.report.reading import NO_DATA, is_partial, no_data, read_or_failed
from weft.report.synthesis import synthesize

__all__ = [
    "NO_DATA",
    "Agreement",
    "Branch",
    "Contradiction",
    "Evidence",
    "Explanation",
    "Finding",
    "Gap",
    "Report",
    "Side",
    "Suspect",
    "is_partial",
    "no_data",
    "read_or_failed",
    "stated",
    "synthesize",
]
