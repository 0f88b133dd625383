"""What is wrong at one place in the source."""

from dataclasses import dataclass
from typing import Literal

from weft.core import JsonObject

Severity = Literal["critical", "high", "medium", "low"]
STRENGTH: dict[Severity, float] = {"critical": 0.95, "high": 0.7, "medium": 0.3, "low": 0.0}
"""How much a finding alone speaks for its service being the cause; a nit does not at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault with its exact place, file names relative to the source directory."""

    rule: str
    file: str
    line: int
    end_line: int
    service: str
    severity: Severity
    message: str
    advice: str
    snippet: str = ""

    @property
    def strength(self) -> float:
        return STRENGTH[self.severity]

    def to_json(self) -> JsonObject:
        return {
            "rule": self.rule,
            "file": self.file,
            "line": self.line,
            "end_line": self.end_line,
            "snippet": self.snippet,
            "service": self.service,
            "severity": self.severity,
            "message": self.message,
        }
