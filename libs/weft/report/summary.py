"""The report's words: the answer first, with what each source saw, then the rest.

Every sentence is fixed text or quotes a claim, a recorded value or a reason.
"""

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from weft.core import LEAST_STRENGTH, ClaimKind, dumps
from weft.loop import MODEL_REPLACED
from weft.report.grounding import Branch
from weft.report.model import Contradiction, Evidence, Finding, Gap, Report
from weft.report.suspects import is_suspected

MAX_VALUE = 200
MAX_EVIDENCE = 3
"""Lines of evidence per source."""
NO_MODEL = "No language model was used: rules chose the tools and joined what they found."
_LEAD: dict[ClaimKind, str] = {
    "cause": "Most likely cause",
    "symptom": "Main symptom",
    "fact": "Main finding",
    "recommendation": "Recommendation",
}
_MOST_LISTED = 5
SUSPECTS, WEAK_SUSPECTS = "Other suspects:", "Weak suspects:"


def summarize(report: Report, branches: Sequence[Branch], *, goal: str) -> str:
    """Return what a person reads first: the cause if one is named, else what there is to say.

    `report` is whole but for its summary.
    """
    suspected = _suspected(report)
    cause = next((finding for finding in suspected if finding.kind == "cause"), None)
    top = cause if cause or _compares(report) else next(iter(report.findings), None)
    said = _Said()
    if top is None:
        lines = [*_opening(report, branches, goal)]
    else:
        lines = [*_top(top, branches)]
        said.admits(top)
    lines += _normal_times(report)
    rest = [
        finding
        for finding in suspected
        if finding is not top and _departs(finding) and said.admits(finding)
    ]
    lines += _listed(rest, SUSPECTS if cause else WEAK_SUSPECTS)
    others = [
        finding for finding in report.findings if finding is not top and not is_suspected(finding)
    ]
    seen = [
        finding
        for finding in others
        if finding.kind != "recommendation" and _departs(finding) and said.admits(finding)
    ]
    lines += _listed(seen, "Also seen:")
    advice = [
        finding for finding in others if finding.kind == "recommendation" and said.admits(finding)
    ]
    lines += _listed(advice, "Recommended:")
    lines += _disputes(report.contradictions)
    lines += _missing(report.gaps)
    lines += _label(branches)
    return "\n".join(lines)


def _suspected(report: Report) -> list[Finding]:
    """Return the findings that say of a subject that it is the cause, the most suspected first."""
    places = {suspect.subject: place for place, suspect in enumerate(report.suspects)}
    suspected = [finding for finding in report.findings if is_suspected(finding)]
    return sorted(suspected, key=lambda finding: places.get(finding.subject, len(places)))


def _departs(finding: Finding) -> bool:
    """Tell whether more is said of its subject than where it ranks."""
    return finding.kind != "symptom" or any(
        claim.strength >= LEAST_STRENGTH for claim in finding.claims
    )


class _Said:
    """What was quoted so far: a finding that only quotes it again is not told twice."""

    def __init__(self) -> None:
        self._refs: set[tuple[str, str]] = set()

    def admits(self, finding: Finding) -> bool:
        """Tell whether the finding says anything new, and take it as said."""
        quoted = {
            (evidence.branch, evidence.ref)
            for evidence in finding.evidence
            if isinstance(evidence.value, str | dict)
            and _value(evidence.value) in finding.statement
        }
        new = not quoted or not quoted <= self._refs
        self._refs |= {(evidence.branch, evidence.ref) for evidence in finding.evidence}
        return new


def _compares(report: Report) -> bool:
    """Tell whether data was looked at, so that there is something to say of it first."""
    return any(coverage.is_read for coverage in report.coverage)


def _label(branches: Sequence[Branch]) -> Iterator[str]:
    """Say it where no branch asked a language model: rules join what rules found."""
    if branches and all(branch.result.generated_by == "rules" for branch in branches):
        yield ""
        yield NO_MODEL
    yield from _replaced(branches)


def _replaced(branches: Sequence[Branch]) -> Iterator[str]:
    """Say whose language model did not answer, and why, each reason once."""
    peers: dict[str, list[str]] = {}
    for branch in branches:
        for reason in branch.result.reasons:
            if reason.code == MODEL_REPLACED:
                peers.setdefault(reason.message, []).append(branch.peer or branch.id)
    if peers:
        yield ""
        yield "Language models that did not answer:"
    for message, names in peers.items():
        yield f"  - {_names(names)}: {_sentence(message)}"


def _opening(report: Report, branches: Sequence[Branch], goal: str) -> Iterator[str]:
    """Say that all is as usual only of what was held against normal times."""
    held = [coverage for coverage in report.coverage if coverage.compared]
    if not held:
        alone = [
            coverage.reason for coverage in report.coverage if coverage.verdict == "not_compared"
        ]
        read = [coverage.source for coverage in report.coverage if coverage.is_read]
        if alone:
            yield f"Nothing was compared: {_sentence('; '.join(dict.fromkeys(alone)))}"
        elif read:
            yield f"Nothing was compared: only {_names(read)} was read."
        elif report.coverage:
            yield "No data was read, so there is nothing to say of it."
        else:
            yield from _inconclusive(branches, goal)
        return
    seen = ", ".join(f"{coverage.source} ({coverage.compared:,} rows)" for coverage in held)
    rest = [coverage.source for coverage in report.coverage if not coverage.is_read]
    unread = f" Not read: {', '.join(rest)}." if rest else ""
    if any(coverage.verdict == "found" for coverage in held):
        words = f"No sign of an incident is clear enough to name a cause in {seen}"
        yield f"{words}: what differs from normal follows, weak as it is.{unread}"
    else:
        yield f"No sign of an incident: nothing differs from normal in {seen}.{unread}"


def _normal_times(report: Report) -> Iterator[str]:
    """Say what the incident was held against, where that is no recording of its own."""
    sources: dict[str, list[str]] = {}
    for coverage in report.coverage:
        if coverage.compared and coverage.normal_times:
            sources.setdefault(coverage.normal_times, []).append(coverage.source)
    for words, names in sources.items():
        yield f"Normal times: {words} ({_names(names)})."


def _inconclusive(branches: Sequence[Branch], goal: str) -> Iterator[str]:
    about = f" on '{_short(goal)}'" if goal else ""
    looked = ", ".join(_branch_name(branch.id, branch.peer) for branch in branches)
    yield f"Inconclusive{about}: nobody found anything. Asked: {looked}."


def _top(top: Finding, branches: Sequence[Branch]) -> Iterator[str]:
    contested = ", contested" if top.contradicted else ""
    yield f"{_LEAD[top.kind]}{contested}: {_sentence(top.statement)}"
    yield f"{_support(top, branches)} (score {top.score:.2f})."
    for peer in top.supporters:
        yield from _seen_by(peer, top)


def _support(top: Finding, branches: Sequence[Branch]) -> str:
    peer_count = len(dict.fromkeys(branch.peer for branch in branches))
    if len(top.supporters) > 1:
        return f"{len(top.supporters)} of {peer_count} sources agree: {_names(top.supporters)}"
    if peer_count > 1:
        return f"One of {peer_count} sources says so: {top.supporters[0]}"
    return f"According to {top.supporters[0]}"


def _seen_by(peer: str, finding: Finding) -> Iterator[str]:
    mine = [evidence for evidence in finding.evidence if evidence.peer == peer]
    if not mine:
        yield f"  - {peer}: no recorded evidence"
    for evidence in mine[:MAX_EVIDENCE]:
        yield f"  - {peer}: {_shown(evidence)}"
    if len(mine) > MAX_EVIDENCE:
        yield f"  - {peer}: and {len(mine) - MAX_EVIDENCE} more"


def _shown(evidence: Evidence) -> str:
    place = evidence.ref.partition("#")[2]
    return f"{_value(evidence.value)} [{evidence.tool}{' ' if place else ''}{place}]"


def _listed(findings: Sequence[Finding], title: str) -> Iterator[str]:
    if findings:
        yield ""
        yield title
    for finding in findings[:_MOST_LISTED]:
        contested = ", contested" if finding.contradicted else ""
        who = f"{_names(finding.supporters)}, {finding.score:.2f}{contested}"
        yield f"  - {_sentence(finding.statement)} ({who})"
    if len(findings) > _MOST_LISTED:
        yield f"  - and {len(findings) - _MOST_LISTED} weaker"


def _disputes(contradictions: Sequence[Contradiction]) -> Iterator[str]:
    if contradictions:
        yield ""
        yield "Sources disagree:"
    for contradiction in contradictions:
        about = f"{contradiction.subject} {contradiction.predicate}".strip()
        yield f"  - {about or 'the same statement'}:"
        for side in contradiction.sides:
            seen = "; ".join(_shown(evidence) for evidence in side.evidence[:MAX_EVIDENCE])
            rests = f"Seen: {seen}" if seen else "No recorded evidence"
            yield f"      {_names(side.supporters)}: {_sentence(side.statement)} {rests}"


def _missing(gaps: Sequence[Gap]) -> Iterator[str]:
    if gaps:
        yield ""
        yield "Not covered:"
    for gap in gaps:
        yield f"  - {_branch_name(gap.branch, gap.peer or '')}: {gap.message} ({gap.code})"


def _branch_name(branch: str, peer: str) -> str:
    return f"{branch} ({peer})" if peer and peer != branch else branch


def _value(value: JsonValue) -> str:
    if isinstance(value, dict):
        words = value.get("text") or value.get("message")
        value = words if isinstance(words, str) else value
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict) and value and not any(map(_deep, value.values())):
        return _short(", ".join(f"{key} {_value(item)}" for key, item in value.items()))
    return _short(dumps(value).decode())


def _deep(value: JsonValue) -> bool:
    return isinstance(value, dict | list)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= MAX_VALUE else words[: MAX_VALUE - 1] + "…"


def _sentence(text: str) -> str:
    words = " ".join(text.split())
    return words if words.endswith((".", "!", "?", "…")) else words + "."


def _names(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
