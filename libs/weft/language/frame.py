"""From a request to a goal frame: a plain mapping, equal for equal requests."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from weft.core import JsonObject
from weft.language import lexicon
from weft.language.cues import Reading, topic_stems
from weft.language.outside import needs_something_elsewhere, speaks_of_a_text
from weft.language.question_words import CALLS, TELEMETRY
from weft.language.text import Phrases, Word, name_words, stems

__all__ = ["CapabilityWords", "frame_of", "vocabulary"]

LEVELS = ("low", "medium", "high")
MAX_SECONDARY = 4
MAX_CRITERIA = 10
GENERAL = "general"
NEEDS_TOOLS = frozenset({"diagnose", "monitor", "remediate", "escalate"})

_OF_SYSTEMS = TELEMETRY | CALLS
_VERY_LONG = 120
_FEW_PARTS, _SOME_PARTS = 2, 5
"""So many clauses are one thing and what belongs to it; more than so many are many things."""
_HIGH_SCORE = 3
_NAMED, _TAGGED, _EXAMPLE, _DESCRIBED = 4, 3, 2, 1
_ENOUGH, _AHEAD = 3, 2
"""The least score that makes a domain meant, and its least lead over the next."""

_SYMPTOMS = stems(lexicon.SYMPTOMS)
_MEMORY = Phrases({"memory": lexicon.MEMORY_PHRASES})
_TEAM = Phrases({"team": lexicon.TEAM_PHRASES})
_APPROVAL = Phrases({"approval": lexicon.APPROVAL_PHRASES})
_CRITERIA = Phrases({"criteria": lexicon.CRITERIA_PHRASES})
_SENTENCE = re.compile(r"[^.!?;\n]++(?:\.(?=\d)[^.!?;\n]++)*")
_ASKS = frozenset({"should", "must"})
"""As the first word of a clause these ask; later they demand."""
_ASKED_OF = frozenset({"use", "using", "with", "via", "ask", "call", "run", "through", "by"})


@dataclass(frozen=True, slots=True)
class CapabilityWords:
    """What the rules read of a capability."""

    id: str
    description: str = ""
    tags: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    @classmethod
    def of(cls, listed: Mapping[str, Any]) -> "CapabilityWords":
        return cls(
            str(listed.get("id", "")),
            str(listed.get("description") or ""),
            tuple(sorted(map(str, listed.get("tags") or ()))),
            tuple(map(str, listed.get("examples") or ())),
            tuple(sorted(map(str, listed.get("domains") or ()))),
        )


def frame(
    text: str,
    *,
    domains: Iterable[str] = (),
    capabilities: Sequence[Mapping[str, Any]] = (),
) -> JsonObject:
    """Return what `text` asks for, with the fields of a goal frame and no others."""
    return frame_of(Reading.of(text), domains, [*map(CapabilityWords.of, capabilities)])


def frame_of(
    reading: Reading,
    domains: Iterable[str] = (),
    skills: Sequence[CapabilityWords] = (),
) -> JsonObject:
    """Return the frame of a text that was read already."""
    is_read = reading.english or reading.gloss is not None
    goals = reading.in_english.goals if is_read else ("answer",)
    return {
        "primary_goal": goals[0],
        "secondary_goals": list(goals[1 : 1 + MAX_SECONDARY]),
        "domain": _domain(reading, domains, skills),
        "complexity": _complexity(reading, goals),
        "risk": max(risk_of(reading), risk_of(reading.in_english), key=LEVELS.index),
        "requires_tools": _requires_tools(reading.in_english, goals),
        "requires_memory": reading.has(_MEMORY),
        "requires_code_generation": "generate_code" in goals,
        "requires_multi_agent": reading.has(_TEAM),
        "approval_required": reading.has(_APPROVAL),
        "success_criteria": list(_criteria(reading)),
        "required_capabilities": _named_capabilities(reading, skills),
    }


def risk_floor(text: str) -> str:
    """Return the least risk that `text` can have, whatever else is said about it.

    All of it is read: an order at the end of a long paste is an order.
    """
    spoken = Reading.of(text).in_english
    return max(risk_of(Reading.through(text)), risk_of(spoken), key=LEVELS.index)


def risk_of(reading: Reading) -> str:
    """Return high for destruction or effects on production, medium for other effects."""
    effects = reading.effects
    if not effects:
        return "low"
    if any(word.text in lexicon.DESTRUCTIVE for word in effects):
        return "high"
    return "high" if any(w.text in lexicon.PRODUCTION for w in reading.words) else "medium"


def _complexity(reading: Reading, goals: Sequence[str]) -> str:
    """Count the parts of what is asked; breadth and further goals raise what they make of it."""
    parts = sum(_says_something(clause) for clause in reading.clauses.values())
    by_parts = (parts > _FEW_PARTS) + (parts > _SOME_PARTS)
    broad = sum(word.text in lexicon.BREADTH for word in reading.words)
    score = min(len(goals) - 1, 2) + (len(reading.words) >= _VERY_LONG) + min(broad, 2)
    by_breadth = (score > 0) + (score >= _HIGH_SCORE)
    return LEVELS[max(by_parts, by_breadth)]


def _says_something(clause: Sequence[Word]) -> bool:
    return sum(not word.quoted for word in clause) > 1


def _requires_tools(reading: Reading, goals: Sequence[str]) -> bool:
    """Code can be written from what is said alone; for the rest it depends on what is wanted.

    `why` asks of the world as often as of systems: what it is about has to say so.
    """
    if not (NEEDS_TOOLS - {"diagnose"}).isdisjoint(goals):
        return not speaks_of_a_text(reading)
    if "diagnose" in goals and any(word.text in _OF_SYSTEMS for word in reading.words):
        return not speaks_of_a_text(reading)
    return goals[0] != "generate_code" and needs_something_elsewhere(reading)


def _domain(reading: Reading, domains: Iterable[str], skills: Sequence[CapabilityWords]) -> str:
    scores: dict[str, int] = {name: 0 for name in domains if name != GENERAL}
    topics = reading.topics - _SYMPTOMS
    for skill in skills:
        weights = vocabulary(skill)
        score = sum(weights.get(topic, 0) for topic in topics)
        for name in skill.domains:
            if name != GENERAL:
                scores[name] = max(scores.get(name, 0), score)
    for name in scores:
        if not topic_stems(name_words(name)).isdisjoint(reading.topics):
            scores[name] += _NAMED
    ranked = sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))
    if not ranked or ranked[0][1] < _ENOUGH:
        return GENERAL
    runner_up = ranked[1][1] if len(ranked) > 1 else 0
    return ranked[0][0] if ranked[0][1] - runner_up >= _AHEAD else GENERAL


@lru_cache(maxsize=2048)
def vocabulary(skill: CapabilityWords) -> Mapping[str, int]:
    """Return the stems of a skill's words, each with how much it says of the skill."""
    weighted: dict[str, int] = {}
    sources = (
        (_DESCRIBED, Reading.of(skill.description).topics),
        (_EXAMPLE, frozenset().union(*(Reading.of(example).topics for example in skill.examples))),
        (_TAGGED, topic_stems(w for tag in skill.tags if ":" not in tag for w in name_words(tag))),
        (_NAMED, topic_stems(name_words(skill.id))),
    )
    for weight, topics in sources:
        weighted.update(dict.fromkeys(topics, weight))
    return weighted


def _criteria(reading: Reading) -> Iterable[str]:
    starts = (reading.words[at] for at, _, _ in _CRITERIA.find(reading.words))
    marks = [word.start for word in starts if word.at or word.text not in _ASKS]
    sentences = _SENTENCE.finditer(reading.text) if marks else ()
    marked = (
        match.group().strip()
        for match in sentences
        if bisect_left(marks, match.start()) < bisect_left(marks, match.end())
    )
    return dict.fromkeys(islice(filter(None, marked), MAX_CRITERIA))


def _named_capabilities(reading: Reading, skills: Sequence[CapabilityWords]) -> list[Any]:
    """Return the ids that the text calls by name; a plain word must be asked for (`use logs`)."""
    ids = {skill.id.lower(): skill.id for skill in skills}
    named: dict[str, None] = {}
    for at, word in enumerate(reading.words):
        capability = ids.get(word.text)
        if capability is None:
            continue
        before = {earlier.text for earlier in reading.words[max(0, at - 2) : at]}
        if not word.text.isalpha() or before & _ASKED_OF:
            named[capability] = None
    return list(named)
