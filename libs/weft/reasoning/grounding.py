"""Whether evidence carries a claim, by rules: clause by clause, with numbers, negation and opposites.

A clause of the claim is held against every clause of the evidence, and the nearest decide: however long
the evidence is, one clause of it is enough. Another number, a negation or an opposite word about the same
thing contradicts, and then the whole claim scores 0.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from weft.reasoning.opposites import OPPOSITES, Pole, stem
from weft.reasoning.quantities import COUNTING, Quantity, quantities_in

__all__ = ["Clause", "GroundedClaim", "clauses_of", "grounded"]

ABOUT_THE_SAME = 0.5
"""So much of what a clause names another one must name to speak of the same."""
BESIDE = 0.4
"""The most that a clause scores which speaks of the same and does not say the whole of it."""
_BREAK = re.compile(
    r"[.!?](?=\s|$)|[\n;]|,? (?:but|while|whereas|although|though|because|since) |, (?:and|so|then|which) "
)
_WORD = re.compile(r"[a-z][a-z0-9_/-]*(?:'t)?|(?<![\d.:])0(?![\d.:])", re.IGNORECASE)
_SWITCHED = re.compile(r"\b(?:turn|turned|switch|switched) (on|off)\b", re.IGNORECASE)
_LACK = frozenset({"no", "without", "zero", "0"})
"""Negations of what stands behind them, and of nothing else."""
_REACH = 3
"""So many words behind it such a word denies, and a preposition leads."""
_ARTICLES = frozenset({"a", "an", "the", "its", "each", "every", "all", "this", "that", "their"})
_PREPOSITIONS = frozenset(
    [
        "about",
        "after",
        "around",
        "at",
        "before",
        "behind",
        "between",
        "by",
        "during",
        "for",
        "from",
        "in",
        "into",
        "of",
        "on",
        "over",
        "per",
        "since",
        "through",
        "to",
        "towards",
        "under",
        "until",
        "upon",
        "via",
        "with",
        "within",
    ]
)
_NEGATIONS = frozenset(
    [
        "not",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "cannot",
        "can't",
        "won't",
        "don't",
        "doesn't",
        "didn't",
        "isn't",
        "aren't",
        "wasn't",
        "weren't",
        "hasn't",
        "haven't",
        "hadn't",
        "shouldn't",
        "wouldn't",
        "couldn't",
    ]
)
_EMPTY = frozenset(
    [
        "a",
        "about",
        "above-all",
        "all",
        "also",
        "an",
        "and",
        "any",
        "are",
        "around",
        "as",
        "at",
        "be",
        "been",
        "being",
        "both",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "during",
        "each",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "itself",
        "just",
        "may",
        "might",
        "must",
        "now",
        "of",
        "on",
        "only",
        "or",
        "our",
        "out",
        "per",
        "quite",
        "s",
        "so",
        "some",
        "such",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "through",
        "to",
        "too",
        "very",
        "via",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "will",
        "with",
        "would",
        "yet",
        "you",
        "your",
        "about",
        "roughly",
        "nearly",
        "almost",
        "approximately",
        "percent",
        "%",
    ]
)


@dataclass(frozen=True, slots=True)
class Clause:
    """What one clause says, taken apart."""

    names: tuple[str, ...]
    """The things it names, in order, in one form; a word with an opposite by its scale."""
    poles: tuple[Pole, ...]
    quantities: tuple[Quantity, ...]
    negated: bool
    lacks: frozenset[str]
    """The names that it says are not there."""
    led: frozenset[str]
    """The names behind a preposition: they do nothing themselves."""
    passive: bool

    @property
    def things(self) -> list[str]:
        """The names that have no opposite."""
        return [name for name in self.names if not name.startswith("~")]

    def doer(self, name: str) -> str | None:
        """Return the thing right before a name, which may do what the name says."""
        before = self.names[: self.names.index(name)][-1:]
        return next((one for one in before if one in self.things and one not in self.led), None)

    def behind(self, name: str) -> tuple[str, ...]:
        return self.names[self.names.index(name) + 1 :]


@dataclass(frozen=True, slots=True)
class GroundedClaim:
    """How well a claim is carried, and whether the evidence says otherwise."""

    score: float
    contradicted: bool = False


CONTRADICTED = GroundedClaim(0.0, contradicted=True)


def clauses_of(text: str) -> list[Clause]:
    """Return the clauses of a text that name anything."""
    clauses = (_clause(piece) for piece in _BREAK.split(text) if piece and not piece.isspace())
    return [clause for clause in clauses if clause.names]


def grounded(claim: str, evidence: Sequence[Clause], *, numbers: bool = True) -> GroundedClaim:
    """Return how well `evidence` carries the claim: as well as its worst clause.

    Without `numbers` they are left to whoever holds them against it in another way.
    """
    clauses = clauses_of(claim)
    if not numbers:
        clauses = [replace(clause, quantities=()) for clause in clauses]
    verdicts = [_held_against(clause, evidence) for clause in clauses]
    if not verdicts:
        return GroundedClaim(0.0)
    contradiction = next((verdict for verdict in verdicts if verdict.contradicted), None)
    return contradiction or min(verdicts, key=lambda verdict: verdict.score)


def _clause(text: str) -> Clause:
    text = _SWITCHED.sub(_switched, text)
    words = [word.casefold() for word in _WORD.findall(text)]
    named = [(place, _name(word)) for place, word in enumerate(words) if _names(word)]
    poles = (OPPOSITES.get(stem(words[place])) for place, _ in named)
    return Clause(
        tuple(dict.fromkeys(name for _, name in named)),
        tuple(pole for pole in poles if pole is not None),
        quantities_in(text),
        negated=sum(word in _NEGATIONS for word in words) % 2 == 1,
        lacks=frozenset(name for place, name in named if _lacks(words, place)),
        led=frozenset(name for place, name in named if _is_led(words, place)),
        passive="by" in words,
    )


def _switched(match: re.Match[str]) -> str:
    return "enabled" if match[1].casefold() == "on" else "disabled"


def _names(word: str) -> bool:
    if word in _NEGATIONS or word in _LACK or word in COUNTING:
        return False
    return word not in _EMPTY or word in OPPOSITES


def _name(word: str) -> str:
    root = stem(word)
    pole = OPPOSITES.get(root)
    return root if pole is None else f"~{pole.scale}"


def _lacks(words: Sequence[str], place: int) -> bool:
    """Tell whether a word just before denies that this is there."""
    return not _LACK.isdisjoint(words[max(place - _REACH, 0) : place])


def _is_led(words: Sequence[str], place: int) -> bool:
    before = [word for word in words[max(place - _REACH, 0) : place] if word not in _ARTICLES]
    return before[-1:] != [] and before[-1] in _PREPOSITIONS


def _held_against(clause: Clause, evidence: Iterable[Clause]) -> GroundedClaim:
    support, nearest = GroundedClaim(0.0), 0.0
    for other in evidence:
        near = _nearness(clause, other)
        if near == 0.0:
            continue
        if near >= ABOUT_THE_SAME and _contradicts(clause, other):
            nearest = max(nearest, near)
            continue
        score = near * near if _says_it_all(clause, other) else min(near, BESIDE)
        if score > support.score:
            support = GroundedClaim(score)
    return CONTRADICTED if nearest > support.score else support


def _nearness(clause: Clause, other: Clause) -> float:
    """Return how much of what `clause` names `other` names; less where its subject is another."""
    shared = sum(name in other.names for name in clause.names)
    near = shared / len(clause.names)
    things = clause.things
    if things and things[0] not in other.names:
        return min(near, BESIDE)
    return near


def _contradicts(clause: Clause, other: Clause) -> bool:
    if _compares(other):
        # It speaks of both sides: which of them is meant is not told by words alone.
        return _other_number(clause, other)
    pairs = [*_pairs(clause, other)]
    if any(mine.positive != theirs.positive for mine, theirs in pairs):
        return True
    if not pairs and _denied(clause, other) != _denied(other, clause):
        return True
    return _other_number(clause, other) or _swapped(clause, other)


def _compares(clause: Clause) -> bool:
    """Tell whether the clause has both opposites of one thing."""
    return any(pole._replace(positive=not pole.positive) in clause.poles for pole in clause.poles)


def _denied(clause: Clause, other: Clause) -> bool:
    """Tell whether `clause` says that something is not so of which `other` speaks."""
    return clause.negated != any(name in other.names for name in clause.lacks)


def _pairs(clause: Clause, other: Clause) -> Iterator[tuple[Pole, Pole]]:
    """Yield what both say on one scale, each as its own clause means it."""
    for mine in clause.poles:
        same = [theirs for theirs in other.poles if theirs.scale == mine.scale]
        agreeing = [theirs for theirs in same if theirs.positive == mine.positive]
        for theirs in (agreeing or same)[:1]:
            yield _meant(mine, clause, other), _meant(theirs, other, clause)


def _meant(pole: Pole, clause: Clause, other: Clause) -> Pole:
    return pole._replace(positive=pole.positive != _denied(clause, other))


def _other_number(clause: Clause, other: Clause) -> bool:
    for mine in clause.quantities:
        same = [theirs for theirs in other.quantities if mine.is_about(theirs)]
        if same and not any(mine.fits(theirs) for theirs in same):
            return True
    return False


def _swapped(clause: Clause, other: Clause) -> bool:
    """Tell whether both say the same of the same things, and who does it and to whom is turned round."""
    if clause.passive != other.passive:
        return False
    return any(_turned(clause, other, name) for name in clause.names if name in other.names)


def _turned(clause: Clause, other: Clause, name: str) -> bool:
    mine, theirs = clause.doer(name), other.doer(name)
    if mine is None or theirs is None or mine == theirs:
        return False
    return mine in other.behind(name) and theirs in clause.behind(name)


def _says_it_all(clause: Clause, other: Clause) -> bool:
    """Tell whether `other` has every number of `clause`, and means by its words the same."""
    if any(not any(mine.fits(theirs) for theirs in other.quantities) for mine in clause.quantities):
        return False
    by_chance = (
        mine.scale == theirs.scale
        and not mine.two_sided
        and _denied(clause, other) != _denied(other, clause)
        for mine in clause.poles
        for theirs in other.poles
    )
    return not any(by_chance)
