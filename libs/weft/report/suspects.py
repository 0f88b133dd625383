"""Which subjects the findings point at, most suspected first, and when one is named the cause."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from weft.core import Claim, unchecked
from weft.report.grounding import Made
from weft.report.model import Finding, Suspect

ROOT_CAUSE, AFFECTED = "root_cause", "affected"
CAUSE_BAR = 0.95
"""What a cause's score must reach. Of two stretches of normal times one differs from the other
too: in 40 windows without a fault, cut from three recordings, such differences came to 0.93."""
_HARM = 0.1
"""How much being harmed speaks for a subject of which nothing else is said."""


def is_cause(side: Iterable[Made]) -> bool:
    """Tell whether the claims of one subject name it: at run time, and above the bar."""
    return _forces(made for made in side if made.claim.kind == "cause") >= CAUSE_BAR


def is_suspected(finding: Finding) -> bool:
    """Tell whether somebody takes the finding's subject for the cause, above the bar or below."""
    return any(claim.kind == "cause" for claim in finding.claims)


def suspects(made: Sequence[Made]) -> tuple[Suspect, ...]:
    """Rank every subject that departs from normal; equal for any order of `made`.

    Sources write one name in different cases: it is one subject, as most of its claims, then the
    strongest, call it.
    """
    by_subject: dict[str, list[Made]] = defaultdict(list)
    for one in made:
        if one.claim.subject and one.claim.polarity and _speaks(one.claim):
            by_subject[one.claim.subject.casefold()].append(one)
    ranked = [_suspect(_name(claims), claims) for claims in by_subject.values()]
    return tuple(sorted(ranked, key=lambda suspect: (-suspect.score, suspect.subject)))


def _name(made: Sequence[Made]) -> str:
    counts = Counter(one.claim.subject for one in made)
    forces: dict[str, float] = defaultdict(float)
    for one in made:
        forces[one.claim.subject] = max(forces[one.claim.subject], one.force)
    return min(counts, key=lambda name: (-counts[name], -forces[name], name))


def _speaks(claim: Claim) -> bool:
    """Tell whether a claim says of its subject that it departs; advice alone does not."""
    return claim.kind in ("cause", "symptom") and claim.predicate in (ROOT_CAUSE, AFFECTED)


def _suspect(subject: str, made: Sequence[Made]) -> Suspect:
    causes = [one for one in made if one.claim.kind == "cause"]
    score = _forces(causes) if causes else _HARM * min(1.0, _forces(made))
    return unchecked(
        Suspect,
        subject=subject,
        score=round(score, 6),
        supporters=tuple(sorted({one.peer for one in made})),
        is_cause=is_cause(causes),
    )


def _forces(made: Iterable[Made]) -> float:
    """Return the sum, over the peers, of each one's strongest claim."""
    best: dict[str, float] = {}
    for one in made:
        best[one.peer] = max(best.get(one.peer, 0.0), one.force)
    return sum(sorted(best.values()))
