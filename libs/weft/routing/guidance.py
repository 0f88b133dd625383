"""What a mesh says of itself, where a request is for nobody in it: what it can do, and what to ask."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from weft.catalog import Capability
from weft.routing.capabilities import HUMAN, CapabilityIndex, by_overlap, proposed_by
from weft.routing.frame import GENERAL
from weft.routing.operators import operator_for

__all__ = ["GUIDE", "Guidance", "cannot_act", "outside", "what_it_can"]

GUIDE = "guide"
"""The role of whoever says it; no card plays it."""
OPERATE = (
    "With something to act on (`weft up --operate URL`) it can restart and scale services, turn feature "
    "flags on and off, and page, each once a person approved it."
)
_MOST_SKILLS = 8
_MOST_QUESTIONS = 3
_ON_DATA = ("Which service is slow?", "What changed, and when?", "Show the errors.")
_DESCRIBED = 160


@dataclass(frozen=True, slots=True)
class Guidance:
    """Words that stand in place of work, or, unless `alone`, before it."""

    text: str
    alone: bool = True
    lacking: bool = False
    """Somebody who is not there might have served it."""
    refuses: bool = False
    """What was wanted is not done: whoever says this has not answered it."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is to tell of: who is in view, who of them looks into incidents, and into what."""

    index: CapabilityIndex
    analysts: Sequence[Capability]
    data: bool
    """There is data to look into."""

    def able(self, goal: str = "") -> list[Capability]:
        """Return what can be asked for, nearest to `goal` first."""
        working = self.index.for_domain(GENERAL)
        # Who only plays a role and gives an example can be asked for just that.
        skills = [
            e
            for e in self.index.all()
            if (e in working or e.examples) and e.tool_name != HUMAN and not proposed_by(e)
        ]
        return by_overlap(skills, goal) if goal else skills


def what_it_can(stock: Stock) -> Guidance:
    """Answer a request for help."""
    return Guidance("\n".join(_can(stock)))


def outside(stock: Stock, goal: str, *, refuses: bool) -> Guidance:
    """Answer a request that is for nobody here; a question about systems stays unanswered."""
    lead = (
        "This mesh cannot answer that: none of its agents offers it, and no language model is set "
        "(OPENAI_API_KEY, or WEFT_MODEL, sets one)."
    )
    return Guidance("\n".join([lead, *_can(stock, goal)]), lacking=True, refuses=refuses)


def cannot_act(
    verbs: Sequence[str], names: Sequence[str], stock: Stock, *, alone: bool = True
) -> Guidance:
    """Say that nobody here can do what is ordered, so that no approval is asked for it."""
    what = " or ".join(verbs[:_MOST_QUESTIONS])
    target = f" {names[0]}" if len(names) == 1 else " anything"
    lead = f"No agent of this mesh can {what}{target}: nothing was done, and nothing is waiting."
    if not alone:
        return Guidance(lead, alone=False)
    about = [f"What is wrong with {names[0]}?"] if names and stock.analysts else []
    # Who operates is there only where a mesh was given something to operate.
    hint = [] if operator_for(stock.index) else [OPERATE]
    return Guidance("\n".join([lead, *_can(stock, first=about), *hint]), lacking=True, refuses=True)


def _can(stock: Stock, goal: str = "", first: Sequence[str] = ()) -> Iterator[str]:
    skills = stock.able(goal)
    if not skills:
        yield "Nobody is there who could do anything now: start a specialist (`weft agents ls` shows them)."
        return
    yield "What this mesh can do:"
    for skill in skills[:_MOST_SKILLS]:
        yield f"  - {_described(skill)}"
    if len(skills) > _MOST_SKILLS:
        yield f"  - and {len(skills) - _MOST_SKILLS} more"
    yield "Ask, for example:"
    for question in _questions(stock, skills, first):
        yield f'  - "{question}"'
    if stock.analysts and not stock.data:
        yield "No data is set: name a directory with `weft ask --data DIR`, or `weft up --data DIR`."


def _described(skill: Capability) -> str:
    words = " ".join(skill.description.split()).rstrip(".")[:_DESCRIBED]
    who = f" ({', '.join(skill.providers)})" if skill.providers else ""
    example = f' e.g. "{skill.examples[0]}"' if skill.examples else ""
    return f"{skill.id}{who}: {words or 'says nothing of itself'}.{example}"


def _questions(stock: Stock, skills: Sequence[Capability], first: Sequence[str]) -> Iterator[str]:
    others = [skill for skill in skills if skill not in stock.analysts]
    examples = [skill.examples[0] for skill in others if skill.examples]
    listed = (*first, *(_ON_DATA if stock.analysts else ()), *examples)
    yield from listed[:_MOST_QUESTIONS]
