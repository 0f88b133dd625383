"""From source to ranked findings and the claims that rest on them."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from incidents import (
    EVERYTHING,
    Conclusion,
    DataRoots,
    FileProblem,
    Inquiry,
    folded,
    guarded,
    report,
)
from services.code_analyst.blocking import blocking_calls
from services.code_analyst.findings import Finding
from services.code_analyst.handling import leaked_handles, swallowed_errors
from services.code_analyst.lint import linted
from services.code_analyst.names import Names, names_of
from services.code_analyst.source import Module, parsed
from services.code_analyst.source_tree import SourceTree, source_tree
from services.code_analyst.timeouts import missing_timeouts
from weft.core import Claim, Coverage, FileCoverage, JsonObject

_Rule = Callable[[Sequence[Names]], Iterator[Finding]]
_MOST_CAUSES, _MOST_FACTS = 5, 12
_MOST_SURE = 0.97
_BESIDE = 0.25
"""How much a further finding of a service adds to its strongest one."""
_SAME = (
    frozenset({"blocking-call-in-async", "missing-timeout"}),
    frozenset({"swallowed-error", "BLE001"}),
    frozenset({"leaked-handle", "SIM115"}),
)
"""Rules that say the same of one line."""


def analyze(roots: DataRoots, data: str, inquiry: Inquiry = EVERYTHING) -> JsonObject:  # noqa: ARG001 - source has no times, and is read whole
    """Read the source that belongs to an incident."""
    tree = source_tree(roots, data)
    modules, unread = parsed(tree.files)
    faults, unruled = faults_in(modules)
    lint, unlinted = linted(modules)
    findings = ranked([*faults, *lint])
    return report(
        findings,
        partial(_concluded, tree.name, len(modules)),
        _coverage(tree, modules, unread, found=bool(findings)),
        [*tree.problems, *unread, *unruled, *unlinted],
    )


def _coverage(
    tree: SourceTree, modules: Sequence[Module], unread: Sequence[FileProblem], *, found: bool
) -> Coverage:
    """Return what was read; source has no normal times, so that nothing stands out proves nothing."""
    files = [
        *(FileCoverage(name=one.file, format="Python", rows=len(one.lines)) for one in modules),
        *(FileCoverage(name=problem.file, reason=str(problem)) for problem in unread),
    ]
    base = Coverage(source="code", verdict="found", files=folded(files))
    if not modules:
        why = next((str(problem) for problem in (*unread, *tree.problems)), "there is no source")
        return base.model_copy(update={"verdict": "not_read", "reason": why})
    if not found:
        why = "nothing stands out, and source has no normal times to compare it with"
        return base.model_copy(update={"verdict": "not_compared", "reason": why})
    return base


def faults_in(modules: Sequence[Module]) -> tuple[list[Finding], list[FileProblem]]:
    """Return what reading the code shows; a file that a rule fails on costs that rule there only."""
    problems: list[FileProblem] = []
    named: list[Names] = []
    for module in modules:
        with guarded(_telling(problems, module.file)):
            named.append(names_of(module))
    findings = _ruled(blocking_calls, named, problems) + _ruled(missing_timeouts, named, problems)
    for names in named:
        for rule in (swallowed_errors, leaked_handles):
            with guarded(_telling(problems, names.module.file)):
                findings += list(rule(names))
    return findings, problems


def _ruled(rule: _Rule, named: Sequence[Names], problems: list[FileProblem]) -> list[Finding]:
    """Apply a rule to all modules together; where one of them breaks it, to each alone."""
    findings: list[Finding] = []
    broken: list[str] = []
    with guarded(broken.append):
        findings = list(rule(named))
    if broken and len(named) == 1:
        problems.append(FileProblem(named[0].module.file, broken[0]))
    elif broken:
        for names in named:
            findings += _ruled(rule, [names], problems)
    return findings


def _telling(problems: list[FileProblem], file: str) -> Callable[[str], None]:
    return lambda problem: problems.append(FileProblem(file, problem))


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by severity, one finding per place and kind of fault: the earliest given one."""
    chosen: dict[tuple[str, int, object], Finding] = {}
    for finding in findings:
        kind = next((kind for kind in _SAME if finding.rule in kind), finding.rule)
        chosen.setdefault((finding.file, finding.line, kind), finding)
    return sorted(chosen.values(), key=lambda one: (-one.strength, one.file, one.line, one.rule))


def _concluded(source: str, files: int, shown: Sequence[Finding]) -> Conclusion:
    return Conclusion(_summary(shown, files, source), [*_causes(shown), *_facts(shown)])


def _summary(shown: Sequence[Finding], files: int, source: str) -> str:
    if not files:
        return "There is no source code to read, so nothing is claimed."
    if not shown:
        return f"Nothing stands out in {files} Python files below {source}."
    first = shown[0]
    return (
        f"{len(shown)} findings in {files} Python files below {source}; first "
        f"{first.file}:{first.line} ({first.service}): {first.message}."
    )


def _causes(shown: Sequence[Finding]) -> list[Claim]:
    """Advise on each service that has more than nits, the likeliest cause first.

    Source says of no time and no harm, so it names no cause: it supports one that others name.
    """
    by_service: dict[str, list[int]] = defaultdict(list)
    for at, finding in enumerate(shown):
        if finding.strength:
            by_service[finding.service].append(at)
    claims = [_cause(service, places, shown) for service, places in by_service.items()]
    claims.sort(key=lambda claim: (-claim.strength, claim.subject))
    return claims[:_MOST_CAUSES]


def _cause(service: str, places: Sequence[int], shown: Sequence[Finding]) -> Claim:
    first = shown[places[0]]
    doubt = (1 - first.strength) * math.prod(1 - _BESIDE * shown[at].strength for at in places[1:])
    return Claim(
        text=f"{service}: {first.file}:{first.line}: {first.message}",
        type="tool_match",
        kind="recommendation",
        strength=round(min(1 - doubt, _MOST_SURE), 3),
        evidence_refs=tuple(f"#/findings/{at}" for at in places[:5]),
        subject=service,
        predicate="root_cause",
        value=first.rule,
    )


def _facts(shown: Sequence[Finding]) -> list[Claim]:
    facts: list[Claim] = []
    advice: dict[tuple[str, str], Claim] = {}
    for at, finding in enumerate(shown[:_MOST_FACTS]):
        place, refs = f"{finding.file}:{finding.line}", (f"#/findings/{at}",)
        facts.append(
            Claim(
                text=f"{place}: {finding.message}",
                type="tool_match",
                evidence_refs=refs,
                subject=finding.service,
                predicate=finding.rule,
                value=place,
            )
        )
        if finding.strength:
            made = Claim(
                text=f"{finding.service}, {place}: {finding.advice}",
                kind="recommendation",
                strength=finding.strength,
                evidence_refs=refs,
                subject=finding.service,
                predicate="fix",
                value=place,
            )
            advice.setdefault((finding.service, finding.rule), made)
    return [*facts, *advice.values()]
