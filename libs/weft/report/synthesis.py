"""Make one report out of what several branches found; pure rules, no model."""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.core import Claim, ClaimKind, Reason, Result, unchecked
from weft.reasoning.gsar import Judged, judge
from weft.report import agreement
from weft.report.answering import asked_of, opening_lines
from weft.report.grounding import Branch, Made, claims_of
from weft.report.model import Agreement, Contradiction, Evidence, Finding, Gap, Report, Side
from weft.report.reading import NOTHING_FOUND, gaps_in
from weft.report.summary import summarize
from weft.report.suspects import is_cause, suspects


@dataclass(frozen=True, slots=True)
class _Group:
    side: list[Made]
    """The claims that carry the finding."""
    others: list[list[Made]]
    contradicted: bool

    @property
    def first_seen(self) -> int:
        return min(made.order for side in (self.side, *self.others) for made in side)


def synthesize(branches: Sequence[Branch], *, goal: str = "", asked_again: bool = False) -> Report:
    """Return the report over `branches`, equal for equal branches whatever order they ended in.

    `asked_again`: what they still contradict each other in survived another look.
    """
    done = [branch for branch in branches if branch.result.ok]
    claims = claims_of(done)
    groups = _grouped(claims)
    ranked = sorted(((_finding(group), group) for group in groups), key=_rank)
    findings = tuple(
        finding.model_copy(update={"rank": place})
        for place, (finding, _) in enumerate(ranked, start=1)
    )
    judgement = judge(_judged(groups), contradiction_survived=asked_again)
    gaps = _gaps(branches, groups)
    contradictions = tuple(
        _contradiction(finding, group) for finding, group in ranked if group.contradicted
    )
    coverage = tuple(source for branch in branches for source in branch.coverage)
    report = unchecked(
        Report,
        summary="",
        findings=findings,
        agreements=tuple(_agreements(findings)),
        contradictions=contradictions,
        gaps=gaps,
        coverage=coverage,
        suspects=suspects(claims),
        facts=tuple(fact for branch in branches for fact in branch.facts),
        explanation=None,
        score=round(judgement.score, 6),
        decision=judgement.decision,
        decision_unvetoed=judgement.decision_unvetoed,
        veto=judgement.veto,
        degraded=judgement.decision != "proceed",
        inconclusive=not findings,
    )
    return report.model_copy(update={"summary": _said(report, branches, goal)})


def _said(report: Report, branches: Sequence[Branch], goal: str) -> str:
    """Return what was asked, as far as the sources show it, and the diagnosis behind it."""
    diagnosis = summarize(report, branches, goal=goal)
    # What was asked can only be said where a source shows something; reading it takes longest here.
    opening = opening_lines(asked_of(goal, branches), report) if report.facts else []
    return "\n".join([*opening, "", diagnosis]) if opening else diagnosis


def _grouped(made: Sequence[Made]) -> list[_Group]:
    by_key: dict[tuple[str, str], list[Made]] = {}
    for one in made:
        by_key.setdefault(one.claim.key, []).append(one)
    return [_group(claims) for claims in by_key.values()]


def _group(claims: Sequence[Made]) -> _Group:
    leading, *others = sorted(agreement.sides(claims), key=_standing)
    contradicted = any(
        agreement.contradicts(one.claim, other.claim)
        for side in others
        for other in side
        for one in leading
    )
    return _Group(leading, others, contradicted)


def _standing(side: list[Made]) -> tuple[float, int]:
    """Rank sides; equal ones stay in the order of what they say, not of who spoke first."""
    return -agreement.score(side), -len({made.peer for made in side})


def _finding(group: _Group) -> Finding:
    named = is_cause(group.side)
    claims = sorted(
        group.side,
        key=lambda made: (named and made.claim.kind != "cause", -made.force, made.order),
    )
    best = claims[0].claim
    kind: ClaimKind = "symptom" if best.kind == "cause" and not named else best.kind
    everything = [made.claim for side in (group.side, *group.others) for made in side]
    return unchecked(
        Finding,
        id=best.finding_id,
        rank=0,
        kind=kind,
        statement=best.text,
        subject=best.subject,
        predicate=best.predicate,
        claims=tuple(everything),
        supporters=_supporters(group.side),
        evidence=_evidence(claims),
        score=agreement.score(group.side),
        contradicted=group.contradicted,
    )


def _rank(entry: tuple[Finding, _Group]) -> tuple[bool, float, int, float, int, str]:
    finding, group = entry
    heaviest = max((evidence.weight for evidence in finding.evidence), default=0.0)
    return (
        finding.contradicted,
        -finding.score,
        -len(finding.supporters),
        -heaviest,
        group.first_seen,
        finding.id,
    )


def _contradiction(finding: Finding, group: _Group) -> Contradiction:
    return unchecked(
        Contradiction,
        finding=finding.id,
        subject=finding.subject,
        predicate=finding.predicate,
        sides=tuple(_side(side) for side in (group.side, *group.others)),
    )


def _side(side: Sequence[Made]) -> Side:
    best: Claim = max(side, key=lambda made: (made.force, -made.order)).claim
    return unchecked(
        Side,
        statement=best.text,
        value=best.value,
        polarity=best.polarity,
        supporters=_supporters(side),
        evidence=_evidence(side),
        score=agreement.score(side),
    )


def _agreements(findings: Sequence[Finding]) -> list[Agreement]:
    return [
        unchecked(
            Agreement,
            finding=finding.id,
            statement=finding.statement,
            supporters=finding.supporters,
        )
        for finding in findings
        if len(finding.supporters) > 1
    ]


def _judged(groups: Sequence[_Group]) -> list[Judged]:
    judged = [Judged(made.claim.type, made.standing) for group in groups for made in group.side]
    for group in groups:
        for side in group.others:
            judged += _opposing(group, side)
    return judged


def _opposing(group: _Group, side: Sequence[Made]) -> list[Judged]:
    lost = any(agreement.contradicts(one.claim, made.claim) for one in group.side for made in side)
    return [Judged(made.claim.type, "contradicted" if lost else made.standing) for made in side]


def _gaps(branches: Sequence[Branch], groups: Sequence[_Group]) -> tuple[Gap, ...]:
    heard = {
        made.branch for group in groups for side in (group.side, *group.others) for made in side
    }
    gaps = []
    for branch in branches:
        if not branch.result.ok:
            gaps.append(_gap(branch, _why(branch)))
        elif branch.id not in heard and not branch.coverage:
            gaps.append(_gap(branch, _nothing(branch.result)))
        gaps += gaps_in(branch)
    return tuple(gaps)


def _nothing(result: Result) -> Reason:
    """Return why the branch has nothing to say; that it looked is said by its coverage alone."""
    if result.reasons:
        return result.reasons[0]
    return Reason(code=NOTHING_FOUND, message="it made no claim, and says nothing of what it read")


def _why(branch: Branch) -> Reason:
    if branch.result.reasons:
        return branch.result.reasons[0]
    return Reason(code="peer_failed", message=f"ended as {branch.result.status}")


def _gap(branch: Branch, why: Reason) -> Gap:
    return unchecked(
        Gap, branch=branch.id, peer=branch.peer or None, code=why.code, message=why.message
    )


def _supporters(side: Sequence[Made]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(made.peer for made in sorted(side, key=lambda made: made.order)))


def _evidence(side: Sequence[Made]) -> tuple[Evidence, ...]:
    seen: dict[tuple[str, str, str], Evidence] = {}
    for made in side:
        for evidence in made.evidence:
            seen.setdefault((evidence.branch, evidence.peer, evidence.ref), evidence)
    return tuple(seen.values())
