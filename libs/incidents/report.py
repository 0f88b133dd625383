"""What every analysis hands back: its findings, what follows from them, and what could not be read.

It is bounded whatever an analysis found, and says what was left out.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from incidents.names import MOST_NAME
from incidents.problems import FileProblem
from incidents.text import bounded
from weft.core import Coverage
from weft.core.record import JsonObject, dumps
from weft.core.result import Claim

__all__ = ["Conclusion", "report"]

MOST_BYTES = 48_000
MOST_FINDINGS = 40
_MOST_PROBLEMS = 50
_SIZES = ((600, 100), (300, 25), (MOST_NAME, 1))
"""How long texts may be, and how many examples there may be of one thing: ever fewer."""


class Reported(Protocol):
    """One finding, of whatever kind."""

    def to_json(self) -> JsonObject: ...


class Conclusion(NamedTuple):
    """What findings say together; a claim names those it rests on by `#/findings/<index>`."""

    summary: str
    claims: Sequence[Claim]


F = TypeVar("F", bound=Reported)


def report(
    findings: Sequence[F],
    conclude: Callable[[Sequence[F]], Conclusion],
    coverage: Coverage,
    problems: Sequence[FileProblem] = (),
) -> JsonObject:
    """Return the findings, best first, what `conclude` makes of those shown, and what was read.

    In at most `MOST_BYTES`: long texts are cut first, then examples left out, and only then the
    weakest findings: that something is told at length does not make it matter less.
    """
    read: JsonObject = {"coverage": coverage.to_json()}
    sizes = [(min(len(findings), MOST_FINDINGS), *size) for size in _SIZES]
    while True:
        most, width, examples = sizes.pop(0)
        whole = _laid_out(findings, most, conclude, problems)
        result = bounded(whole, width, examples) | bounded(read, *_SIZES[1])
        if len(dumps(result)) <= MOST_BYTES or not most:
            return result
        if not sizes:
            sizes.append((most * 3 // 4, width, examples))


def _laid_out(
    findings: Sequence[F],
    most: int,
    conclude: Callable[[Sequence[F]], Conclusion],
    problems: Sequence[FileProblem],
) -> JsonObject:
    shown = findings[:most]
    summary, claims = conclude(shown)
    whole: JsonObject = {
        "summary": summary,
        "findings": [finding.to_json() for finding in shown],
        "problems": [problem.to_json() for problem in problems[:_MOST_PROBLEMS]],
        "claims": [claim.to_json() for claim in claims],
    }
    if len(findings) > most:
        whole["findings_left_out"] = len(findings) - most
    if len(problems) > _MOST_PROBLEMS:
        whole["problems_left_out"] = len(problems) - _MOST_PROBLEMS
    return whole
