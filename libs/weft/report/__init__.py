"""What several findings say together: claims, agreement, grounding, and the report of them."""

from weft.report.grounding import Branch
from weft.report.model import Agreement, Contradiction, Evidence, Finding, Gap, Report, Side
from weft.report.synthesis import synthesize

__all__ = [
    "Agreement",
    "Branch",
    "Contradiction",
    "Evidence",
    "Finding",
    "Gap",
    "Report",
    "Side",
    "synthesize",
]
