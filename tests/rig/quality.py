"""Measures the ranking of the analysts, and of their fusion, on labelled incidents, in process.

    nice python -m tests.rig.quality DATA [--kept DIR] [--system NAME] [--cases] [--permuted]

DATA holds the sets by their names. Parsed rows are kept in `--kept`, so a change of a rule is
measured in seconds; after a change of a reader it is to be emptied. Beside the analysts stands a plain floor: three trivial rules, joined by rank.
"""

import argparse
import random
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from incidents import Bounds, LogLine, Span, Split, split
from incidents.anomalies import Anomaly, anomaly_report
from incidents.visibility import FileRow, seen_in_both
from services.log_analyst.analysis import findings as log_findings
from services.metrics_analyst.analysis import findings as metric_findings
from services.metrics_analyst.windows import cut
from services.trace_analyst.analysis import findings as trace_findings
from tests.rig.quality_cases import Trial, permuted, services, trials
from tests.rig.quality_floor import floor_ranking
from weft.core import Artifact, Claim, Coverage, FileCoverage, JsonObject, Result
from weft.report import Branch, Report, synthesize

SYSTEMS = ("nezha-trainticket", "nezha-onlineboutique", "petshop")
SOURCES = ("logs", "traces", "metrics")
_AT = (1, 3, 5)
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one trial: rankings by who made them, best first."""

    trial: str
    system: str
    truth: str
    fault: str
    rankings: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    named: str = ""
    """The cause that was named, if one was."""

    def rank(self, who: str) -> int | None:
        names = [name for name, _ in self.rankings.get(who, ())]
        return names.index(self.truth) + 1 if self.truth in names else None


def judge(trial: Trial) -> Verdict:
    """Run the pure rules over one trial."""
    made = {"logs": _logs(trial), "traces": _traces(trial), "metrics": _metrics(trial)}
    reports = {name: one for name, one in made.items() if one is not None}
    branches = {name: _branch(name, one) for name, one in reports.items()}
    report = synthesize(list(branches.values()))
    rankings = {name: _ranked(synthesize([branch])) for name, branch in branches.items()}
    rankings["fused"] = _ranked(report)
    rankings["floor"] = floor_ranking(trial)
    named = next((each.subject for each in report.suspects if each.is_cause), "")
    return Verdict(trial.name, trial.system, trial.truth, trial.fault, rankings, named)


def _logs(trial: Trial) -> JsonObject | None:
    rows = _logs_seen(trial)
    if not rows.incident or not rows.normal:
        return None
    return _report("logs", rows, log_findings(rows))


def _traces(trial: Trial) -> JsonObject | None:
    rows = _spans_seen(trial)
    if not rows.incident or not rows.normal:
        return None
    return _report("traces", rows, trace_findings(rows))


def _logs_seen(trial: Trial) -> Split[LogLine]:
    before, now = trial.baseline.logs, trial.incident.logs
    rows = split(before, now, lambda line: line.time, Bounds(trial.alert))
    return seen_in_both(rows, _files(now), _files(before), lambda line: line.time)


def _spans_seen(trial: Trial) -> Split[Span]:
    before, now = trial.baseline.spans, trial.incident.spans
    rows = split(before, now, lambda span: span.start, Bounds(trial.alert))
    return seen_in_both(rows, _files(now), _files(before), lambda span: span.end)


def _files(rows: Sequence[FileRow]) -> list[FileCoverage]:
    """Return the files that rows stand in, each read whole."""
    return [FileCoverage(name=name, rows=1) for name in dict.fromkeys(row.file for row in rows)]


def _metrics(trial: Trial) -> JsonObject | None:
    parts = cut(trial.baseline.series, trial.incident.series, Bounds(trial.alert))
    if not parts.times.incident or not parts.times.normal:
        return None
    calls: dict[str, set[str]] = {}
    for caller, called in trial.baseline.calls | trial.incident.calls:
        calls.setdefault(caller, set()).add(called)
    anomalies = metric_findings(parts, {name: frozenset(each) for name, each in calls.items()})
    return _report("metrics", parts.times, anomalies)


def _report(source: str, rows: Split[Row], anomalies: Sequence[Anomaly]) -> JsonObject:
    compared = len(rows.incident)
    coverage = Coverage(
        source=source,
        verdict="found" if any(one.departs for one in anomalies) else "nothing_unusual",
        window=rows.window,
        compared=compared,
    )
    return anomaly_report(anomalies, coverage=coverage)


def _claims(report: JsonObject) -> list[Claim]:
    stated = report["claims"]
    assert isinstance(stated, list)
    return [Claim.model_validate(each) for each in stated]


def _ranked(report: Report) -> list[tuple[str, float]]:
    return [(each.subject, each.score) for each in report.suspects]


def _branch(name: str, report: JsonObject) -> Branch:
    claims = tuple(
        claim.model_copy(update={"evidence_refs": tuple(f"a{x}" for x in claim.evidence_refs)})
        for claim in _claims(report)
    )
    artifact = Artifact(id="a", name=name, data=report)
    return Branch(name, name, Result(status="completed", claims=claims, artifacts=(artifact,)))


def _renamed(trial: Trial, seed: int) -> Trial:
    names = sorted(services(trial))
    tokens = [f"unit{n:03}" for n in range(len(names))]
    random.Random(seed).shuffle(tokens)  # noqa: S311 - any order does
    return permuted(trial, dict(zip(names, tokens, strict=True)))


def judged(data: Path, kept: Path, system: str, seed: int | None) -> list[Verdict]:
    rows = trials(data, system, kept)
    return [judge(trial if seed is None else _renamed(trial, seed)) for trial in rows]


def figures(verdicts: Sequence[Verdict], who: str) -> str:
    """Return AC@1, AC@3 and AC@5 of those trials that `who` had data for."""
    ranks = [each.rank(who) for each in verdicts if who in each.rankings]
    if not ranks:
        return f"{'-':^17}"
    shares = (sum(1 for rank in ranks if rank and rank <= k) / len(ranks) for k in _AT)
    return " ".join(f"{share:5.3f}" for share in shares)


def table(verdicts: Sequence[Verdict]) -> None:
    faulty = [each for each in verdicts if each.truth]
    who = (*SOURCES, "fused", "floor")
    print(f"{'':38}{'n':>3}  " + "  ".join(f"{name:^17}" for name in who))
    for title, rows in _groups(faulty):
        print(f"{title:38}{len(rows):3}  " + "  ".join(figures(rows, name) for name in who))


Rows = list[Verdict]


def _groups(faulty: Rows) -> list[tuple[str, Rows]]:
    """Return the whole, each system, each kind of fault, and what is left without each."""
    groups: list[tuple[str, Rows]] = []
    systems = list(dict.fromkeys(each.system for each in faulty))
    for system in systems:
        rows = [each for each in faulty if each.system == system]
        groups.append((system, rows))
        for fault in sorted({each.fault for each in rows}):
            groups.append((f"  {fault}", [each for each in rows if each.fault == fault]))
            groups.append((f"  without {fault}", [each for each in rows if each.fault != fault]))
    if len(systems) > 1:
        groups += [(f"without {x}", [one for one in faulty if one.system != x]) for x in systems]
    return [*groups, ("all", faulty)]


def named(verdicts: Sequence[Verdict]) -> None:
    """Say how often a cause was named, and how often rightly; of calm trials, each by its name."""
    for system in dict.fromkeys(each.system for each in verdicts):
        rows = [each for each in verdicts if each.system == system]
        causes = [each for each in rows if each.truth and each.named]
        right = sum(1 for each in causes if each.named == each.truth)
        faulty = sum(1 for each in rows if each.truth)
        calm = [each for each in rows if not each.truth]
        wrong = [f"{each.trial}: {each.named}" for each in calm if each.named]
        print(
            f"{system}: a cause named in {len(causes)} of {faulty} incidents, rightly in {right}; "
            f"in {len(wrong)} of {len(calm)} calm windows {wrong[:3] or ''}"
        )


def cases(verdicts: Sequence[Verdict]) -> None:
    """Show per trial where the truth stands, and what stands first."""
    for each in verdicts:
        places = [f"{who}:{each.rank(who) or '-'}" for who in (*SOURCES, "fused", "floor")]
        top = each.rankings["fused"][:3]
        shown = ", ".join(f"{name} {score:.3f}" for name, score in top)
        print(
            f"{each.trial:28} {each.fault:15} {each.truth[:30]:30} {' '.join(places):50} "
            f"{'!' if each.named else ' '} {shown}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "weft-quality")
    parser.add_argument("--system", action="append", choices=SYSTEMS)
    parser.add_argument("--cases", action="store_true", help="show each trial")
    parser.add_argument("--permuted", action="store_true", help="measure under other names too")
    chosen = parser.parse_args()
    runs: list[tuple[str, int | None]] = [("", None)]
    runs += [("under other names", 1), ("under yet others", 2)] if chosen.permuted else []
    for title, seed in runs:
        print(title)
        measure: Callable[[str], list[Verdict]] = partial(_measure, chosen.data, chosen.kept, seed)
        with ProcessPoolExecutor(2) as pool:
            found = pool.map(measure, chosen.system or SYSTEMS)
        verdicts = [verdict for rows in found for verdict in rows]
        if chosen.cases:
            cases(verdicts)
        table(verdicts)
        named(verdicts)


def _measure(data: Path, kept: Path, seed: int | None, system: str) -> list[Verdict]:
    return judged(data, kept, system, seed)


if __name__ == "__main__":
    main()
