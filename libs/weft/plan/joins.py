"""How the results of branches become one; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from weft.core import NO_USAGE, JsonValue, Part, Path, Reason, Result, Usage, parts_of, unchecked
from weft.loop import MODEL_REPLACED
from weft.plan.contested import without
from weft.plan.model import Parallel
from weft.plan.placeholders import shown
from weft.plan.walk import Scope
from weft.report import Branch, is_partial, no_data, synthesize

FIRST = frozenset({"any", "quorum"})
"""Joins that end before all branches do."""
LONGEST_WHY = 200
"""So much of each branch's reason is said again in the reason of the whole."""
CANCELED = Result(status="canceled")
"""Stands for a branch that did not end on its own."""


@dataclass(frozen=True, slots=True)
class EndedBranches:
    """The branches of a node once nothing of them runs any more."""

    node: Parallel
    path: Path
    goal: str
    results: tuple[Result, ...]
    done: tuple[int, ...]
    """Completed branches in the order they ended."""
    scopes: Sequence[Scope]
    stopped: Usage = NO_USAGE
    """What branches took that were stopped before they ended."""
    passes: tuple["LaterPass", ...] = ()
    """In which some were asked again about what was contested."""

    @property
    def lost(self) -> list[Result]:
        return [result for result in self.results if not result.ok]


@dataclass(frozen=True, slots=True)
class LaterPass:
    """What branches said when they were asked again."""

    ended: EndedBranches
    findings: frozenset[str]
    """What they were asked about."""


def needed(node: Parallel) -> int:
    """Return how many completed branches decide an early join."""
    return 1 if node.join == "any" else node.quorum or 1


def joined(ended: EndedBranches) -> Result:
    """Return the node's result with the usage and the losses of all its branches."""
    later = [again.ended for again in ended.passes]
    stops = (stop for race in (ended, *later) if (stop := _stopped(race)) is not None)
    result = next(stops, None) or _decided(ended)
    everything = [*ended.results, *(again for race in later for again in race.results)]
    losses = tuple(reason for branch in ended.results for reason in _losses(branch))
    partial = any(branch.partial for branch in ended.results) or (
        # A race is whole without its losers; any other join lacks what a lost branch had to say.
        ended.node.join not in FIRST and bool(ended.lost)
    )
    return result.model_copy(
        update={
            "usage": sum(
                (branch.usage for branch in everything if branch.usage is not NO_USAGE),
                sum((race.stopped for race in (ended, *later)), NO_USAGE),
            ),
            "partial": result.partial or partial,
            "reasons": result.reasons or losses,
        }
    )


def _losses(branch: Result) -> Sequence[Reason]:
    """Return why a branch was lost, or, of one that was not, what was not as it should be."""
    if not branch.ok:
        return branch.reasons
    return [reason for reason in branch.reasons if reason.code == MODEL_REPLACED]


def _stopped(ended: EndedBranches) -> Result | None:
    """Return what keeps the node from an outcome of its own: a question, or the run's end."""
    if ended.node.join in FIRST and len(ended.done) >= needed(ended.node):
        return None
    for status in ("interrupted", "canceled"):
        stopped = [
            result for result in ended.results if result.status == status and result is not CANCELED
        ]
        if stopped:
            questions = tuple(question for result in stopped for question in result.interrupts)
            return stopped[0].model_copy(update={"interrupts": questions})
    return None


def _decided(ended: EndedBranches) -> Result:
    node, count = ended.node, len(ended.results)
    failed = [result for result in ended.lost if result.status != "skipped"]
    if not ended.done:
        return _failed(ended, "every branch failed")
    if node.join in FIRST and len(ended.done) < needed(node):
        return _failed(ended, f"{len(ended.done)} of the {needed(node)} branches needed completed")
    if node.join == "last" and not ended.results[-1].ok:
        return _failed(ended, "the last branch failed")
    tolerated = node.tolerate if node.join in {"concatenate", "synthesize"} else 0
    if node.join not in FIRST | {"last"} and len(failed) > tolerated:
        return _failed(ended, f"{len(failed)} of {count} branches failed")
    return _complete(ended)


def _complete(ended: EndedBranches) -> Result:
    node, results = ended.node, ended.results
    match node.join:
        case "any" | "last":
            return results[ended.done[0] if node.join == "any" else -1]
        case "quorum":
            return _mapped(ended, sorted(ended.done[: needed(node)]))
        case "concatenate":
            texts = [shown(result) for result in results if result.ok]
            return Result(status="completed", text=node.separator.join(filter(None, texts)))
        case "synthesize":
            return report_over(branches_of(ended), goal=ended.goal, asked_again=bool(ended.passes))
        case "all":
            return _mapped(ended, range(len(results)))


def branches_of(ended: EndedBranches) -> list[Branch]:
    """Return what each branch says, the latest word of each about what it was asked again."""
    branches = _first_words(ended)
    for number, again in enumerate(ended.passes, start=2):
        words = [branch for branch in _first_words(again.ended) if branch.result.ok]
        anew = {branch.id for branch in words}
        branches = [
            rest
            for branch in branches
            if (rest := _left_of(branch, anew, again.findings)) is not None
        ]
        branches += [replace(branch, id=f"{branch.id}#{number}") for branch in words]
    return branches


def _left_of(branch: Branch, anew: set[str], findings: frozenset[str]) -> Branch | None:
    spoke = branch.id.partition("#")[0] in anew
    return without(branch, findings) if spoke else branch


def _first_words(ended: EndedBranches) -> list[Branch]:
    named = zip(ended.node.branches, ended.scopes, ended.results, strict=True)
    return [
        Branch(branch.id, _peer_of(scope, branch.id, result), result)
        for branch, scope, result in named
    ]


def _peer_of(scope: Scope, branch: str, result: Result) -> str:
    names = sorted(scope.authors.get(branch, ()))
    if names:
        return ", ".join(names)
    return next((reason.peer for reason in result.reasons if reason.peer), branch)


def _mapped(ended: EndedBranches, chosen: Sequence[int]) -> Result:
    data: dict[str, JsonValue] = {}
    texts: list[str] = []
    files: list[Part] = []
    for index in chosen:
        result, name = ended.results[index], ended.node.branches[index].id
        data[name] = result.text if result.data is None else result.data
        texts.append(f"{name}:\n{shown(result)}")
        files.extend(part for part in result.parts if part.kind in ("bytes", "url"))
    parts = (*parts_of(ended.node.separator.join(texts), data), *files)
    return Result(status="completed", parts=parts)


def _failed(ended: EndedBranches, message: str) -> Result:
    firsts: list[Reason] = []
    peers_by_why: dict[str, list[str]] = {}
    for branch, result in zip(ended.node.branches, ended.results, strict=True):
        if not result.ok:
            first = (*result.reasons[:1], _silent(ended, branch.id, result))[0]
            firsts.append(first)
            peers_by_why.setdefault(first.message[:LONGEST_WHY], []).append(first.peer or branch.id)
    whys = "; ".join(f"{', '.join(names)}: {why}" for why, names in peers_by_why.items())
    whole = Reason(code="fan_out_failed", message=f"{message}: {whys}", path=ended.path)
    reasons = (whole, *firsts)
    if ended.node.join == "synthesize":
        # The report of a lost fan-out still says who was asked, and what of it was read.
        kept = report_over(branches_of(ended), goal=ended.goal)
        reasons = (*kept.reasons, *reasons)
    else:
        kept = _mapped(ended, sorted(ended.done))
    return kept.model_copy(
        update={"status": "failed", "reasons": reasons, "partial": bool(ended.done)}
    )


def _silent(ended: EndedBranches, branch: str, result: Result) -> Reason:
    path = (*ended.path, branch)
    return Reason(code=result.status, message=f"the branch was {result.status}", path=path)


def report_over(branches: Sequence[Branch], *, goal: str, asked_again: bool = False) -> Result:
    """Return the report over `branches` as a result."""
    report = synthesize(branches, goal=goal, asked_again=asked_again)
    unread = no_data(report.coverage) if report.inconclusive else None
    # Built without another look at data that is checked JSON already.
    return unchecked(
        Result,
        status="completed" if unread is None else "failed",
        reasons=() if unread is None else (unread,),
        parts=(
            unchecked(Part, text=report.summary),
            unchecked(Part, data=report.to_json()),
        ),
        usage=NO_USAGE,
        generated_by="rules",
        partial=is_partial(report.gaps),
    )
