"""`weft eval rca`: drives the mesh over labelled incidents and says how often it was right.

The labels are read here, by the judge, and never sent to the mesh.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError, model_validator

from weft.cli.answer import Answer
from weft.cli.ask import Goal, ask
from weft.cli.client import Gateway
from weft.cli.text import one_line
from weft.core import Record
from weft.core.errors import ConfigError

GOAL = "Diagnose the incident"
LABELS = "labels.json"


class Label(Record):
    """What is true of a case."""

    root_cause_service: str | None
    """None where there was no fault: then no cause is the right answer."""

    @model_validator(mode="before")
    @classmethod
    def _of_node(cls, values: object) -> object:
        """Take the node of a `root_cause` too: not every set of incidents is of services."""
        if isinstance(values, dict) and isinstance(values.get("root_cause"), dict):
            return {"root_cause_service": values["root_cause"].get("node"), **values}
        return values


_LABELS = TypeAdapter(dict[str, Label])


@dataclass(frozen=True, slots=True)
class CaseRank:
    """Where the true service stands in one case's ranking."""

    case: str
    truth: str | None
    rank: int | None
    """None where it is not in the ranking, or the run failed."""
    first: str
    cause: str | None
    """The service that was named as the cause, if any was."""
    status: str
    seconds: float


async def evaluate(gateway: Gateway, directory: Path) -> list[CaseRank]:
    """Ask the mesh about every labelled case below `directory` and return the verdicts.

    Raises:
        ConfigError: There are no labelled cases.
        UnreachableError: The gateway does not answer.
    """
    directory = await asyncio.to_thread(directory.resolve)
    truths, missing = await asyncio.to_thread(_truths, directory)
    for case in missing:
        sys.stderr.write(f"{case:<8} left out: it has no case.json\n")
    verdicts = []
    for case, truth in truths.items():
        began = time.monotonic()
        answer = await ask(gateway, Goal(GOAL, data=directory / case), quiet=True)
        verdict = _judge(case, truth, answer, time.monotonic() - began)
        verdicts.append(verdict)
        sys.stderr.write(_row(verdict) + "\n")
    return verdicts


def _truths(directory: Path) -> tuple[dict[str, str | None], list[str]]:
    """Return the true service of each case, and the labelled cases that are not there.

    Raises:
        ConfigError: There are no labels, or none of their cases is there.
    """
    try:
        labels = _LABELS.validate_json((directory / LABELS).read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"{directory} holds no readable {LABELS}") from error
    present = {name for name in labels if (directory / name / "case.json").is_file()}
    if not present:
        raise ConfigError(f"{directory} holds none of the cases its {LABELS} names")
    truths = {name: labels[name].root_cause_service for name in sorted(present)}
    return truths, sorted(set(labels) - present)


def ranking(answer: Answer) -> list[str]:
    """Return the suspected services, most suspected first, each once."""
    if answer.report is None:
        return []
    return [suspect.subject for suspect in answer.report.suspects]


def cause(answer: Answer) -> str | None:
    """Return the service that is named as the cause, or None where suspects are weak."""
    suspects = () if answer.report is None else answer.report.suspects
    return next((suspect.subject for suspect in suspects if suspect.is_cause), None)


def accuracy(verdicts: Sequence[CaseRank], k: int) -> float:
    """Return AC@k: the share of the faults whose true service is among the first `k`."""
    faulty = [verdict for verdict in verdicts if verdict.truth is not None]
    hits = sum(1 for verdict in faulty if verdict.rank is not None and verdict.rank <= k)
    return hits / len(faulty) if faulty else 0.0


@dataclass(frozen=True, slots=True)
class Naming:
    """How often a cause was named, and how often rightly."""

    named: int
    rightly: int
    calm: int
    """In so many cases without a fault one was named."""


def naming(verdicts: Sequence[CaseRank]) -> Naming:
    """Count the causes that were named, of faults and where there was none."""
    causes = [verdict for verdict in verdicts if verdict.cause is not None]
    faults = [verdict for verdict in causes if verdict.truth is not None]
    rightly = sum(1 for verdict in faults if verdict.cause == verdict.truth)
    return Naming(len(faults), rightly, len(causes) - len(faults))


def summary(verdicts: Sequence[CaseRank]) -> str:
    """Return the figures as text."""
    figures = "  ".join(f"AC@{k} {accuracy(verdicts, k):.2f}" for k in (1, 3, 5))
    unfinished = sum(1 for verdict in verdicts if verdict.status != "completed")
    seconds = sum(verdict.seconds for verdict in verdicts)
    faults = sum(1 for verdict in verdicts if verdict.truth is not None)
    calm = len(verdicts) - faults
    count = naming(verdicts)
    words = f"cause named in {count.named} of {faults}, rightly in {count.rightly}"
    words += f", without a fault in {count.calm} of {calm}" if calm else ""
    return (
        f"{len(verdicts)} cases  {figures}  {words}  not completed: {unfinished}  {seconds:.1f} s"
    )


def _judge(case: str, truth: str | None, answer: Answer, seconds: float) -> CaseRank:
    ranked = ranking(answer)
    # Sources write one name in different cases.
    names, true = [name.casefold() for name in ranked], (truth or "").casefold()
    rank = names.index(true) + 1 if true in names else None
    first = ranked[0] if ranked else "-"
    return CaseRank(case, truth, rank, first, cause(answer), answer.status, seconds)


def _row(verdict: CaseRank) -> str:
    rank = "-" if verdict.rank is None else str(verdict.rank)
    named = "named" if verdict.cause is not None else "weak"
    return (
        f"{verdict.case:<8} rank {rank:>2}  true {verdict.truth or '-':<32} "
        f"first {one_line(verdict.first):<32} {named:<5} {one_line(verdict.status)} "
        f"{verdict.seconds:.1f} s"
    )
