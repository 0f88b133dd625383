"""Which tools a request is about, and which of them it may set off."""

from dataclasses import dataclass
from functools import lru_cache

from weft.core import ToolSpec
from weft.language import lexicon
from weft.language.cues import Reading, topic_stems
from weft.language.text import name_words, stem, stems

RESERVED = frozenset({"ask_user", "task_complete", "read_result", "submit", "done", "finish"})
"""Tools with a meaning to the loop; none answers a request."""

_SYNONYMS = (
    frozenset({"restart", "reboot", "bounce"}),
    frozenset({"rollback", "revert", "undo"}),
    frozenset({"notify", "alert", "inform", "tell"}),
    frozenset({"delete", "remove", "erase", "drop"}),
    frozenset({"send", "email", "mail", "message"}),
    frozenset({"page", "call"}),
    frozenset({"create", "open", "make", "add", "file", "raise"}),
    frozenset({"update", "change", "modify", "edit", "set"}),
    frozenset({"deploy", "release", "ship"}),
    frozenset({"cancel", "abort"}),
)
_TWO_WORDS = (("roll", "back"), ("shut", "down"), ("fail", "over"), ("scale", "up"))


@dataclass(frozen=True, slots=True)
class _Terms:
    about: frozenset[str]
    goal: frozenset[str]


def has_effects(tool: ToolSpec) -> bool:
    """Tell whether calling `tool` may change something; named like an effect counts as one."""
    if "read" in tool.labels:
        return False
    verbs = name_words(tool.name)[:1]
    if "write" in tool.labels:
        return True
    reads = bool(verbs) and verbs[0] in lexicon.READING_VERBS
    acts = bool(verbs) and verbs[0] in lexicon.EFFECTS | lexicon.DESTRUCTIVE
    return (tool.idempotent and not reads) or acts


def is_about(tool: ToolSpec, reading: Reading, goals: tuple[str, ...]) -> bool:
    """Tell whether name, description, tags or examples share a goal or a topic."""
    if not reading.english:
        return False
    terms = _terms(tool.name, tool.description, tuple(sorted(tool.tags)), tool.examples)
    if not terms.about.isdisjoint(reading.topics):
        return True
    return any(not terms.goal.isdisjoint(_GOAL_STEMS[goal]) for goal in goals)


def is_named(tool: ToolSpec, reading: Reading) -> bool:
    """Tell whether the request orders the action of `tool`, and nothing makes that doubtful."""
    verb, *objects = name_words(tool.name) or [""]
    spoken = reading.requested_actions
    same = frozenset().union({verb}, *(group for group in _SYNONYMS if verb in group))
    if same.isdisjoint(spoken) and not _in_two_words(verb, spoken, reading):
        return False
    meant = stems(objects, without=lexicon.COMMON | _FILLERS)
    return not meant or not meant.isdisjoint(_all_stems(reading))


def object_of(tool: str, text: str) -> str | None:
    """Return the word that the verb of `tool` is about in `text`: `greet ada` greets ada."""
    verb = stem((name_words(tool) or [""])[0])
    reading = Reading.of(text)
    for index, word in enumerate(reading.words):
        if stem(word.text) != verb:
            continue
        behind = [other for other in reading.words[index + 1 :] if other.clause == word.clause]
        named = next((other for other in behind if other.text not in lexicon.COMMON), None)
        if named is not None and named.text not in lexicon.NOT_A_SERVICE:
            return text[named.start : named.start + len(named.text)]
    return None


def _in_two_words(verb: str, spoken: frozenset[str], reading: Reading) -> bool:
    return any(
        verb == first + second and first in spoken and second in _all_words(reading)
        for first, second in _TWO_WORDS
    )


_FILLERS = frozenset({"service", "app", "application", "component"})
"""Objects that a name stands for: `restart checkout` is an order for `restart_service`."""

_GOAL_STEMS = {goal: stems(listed) for goal, listed in lexicon.GOAL_TERMS.items()}


@lru_cache(maxsize=2048)
def _terms(name: str, description: str, tags: tuple[str, ...], examples: tuple[str, ...]) -> _Terms:
    text = " . ".join((" ".join(name_words(name)), description, " ".join(tags), *examples))
    return _Terms(
        about=Reading.of(text).topics,
        goal=topic_stems(word.text for word in Reading.of(text).words),
    )


def _all_words(reading: Reading) -> frozenset[str]:
    return frozenset(word.text for word in reading.words)


def _all_stems(reading: Reading) -> frozenset[str]:
    joined = (word.text.replace("-", "") for word in reading.words)
    return frozenset(stem(word) for word in (*_all_words(reading), *joined))
