"""What a request asks for: its goals, and the actions it names without reserve."""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from weft.language import lexicon
from weft.language.other_languages import Gloss, glossed
from weft.language.question_words import HALF, TELEMETRY
from weft.language.speech import asks_about, is_negated, orders_in_other_forms, supposes
from weft.language.text import Phrases, Word, beginning, kept_of_short_texts, scan, stems

__all__ = ["Reading", "topic_stems"]

_CUES = {word: goal for goal, listed in lexicon.CUES.items() for word in listed.split()}
_ENGLISH = lexicon.ENGLISH | _CUES.keys() | TELEMETRY | HALF
_PHRASES = Phrases(lexicon.PHRASES)
_EFFECT_PHRASES = Phrases({"effect": lexicon.EFFECT_PHRASES})
_PAIR_VERBS = frozenset().union(*(verbs for _, verbs, _ in lexicon.PAIRS))
_PARTS = re.compile(r"[-_./']")
_FOREIGN_FROM = 2
_ENGLISH_FROM = 4
"""Shorter texts are given the benefit of the doubt."""


@dataclass(frozen=True)
class Reading:
    """A text with what the tables see in it, in time proportional to its length."""

    text: str
    words: list[Word]
    whole: int
    """How many characters there were, of which `text` is the beginning."""

    @classmethod
    def of(cls, text: str) -> "Reading":
        """Read the beginning of `text`, which says what is asked; a paste may follow."""
        read = beginning(text)
        return cls.through(text) if read == text else cls(read, scan(read), len(text))

    @classmethod
    def through(cls, text: str) -> "Reading":
        """Read all of `text`, for what must not be overlooked wherever it stands."""
        return _read(text)

    @property
    def is_partial(self) -> bool:
        return len(self.text) < self.whole

    @cached_property
    def clauses(self) -> dict[int, list[Word]]:
        grouped: dict[int, list[Word]] = {}
        for word in self.words:
            grouped.setdefault(word.clause, []).append(word)
        return grouped

    @cached_property
    def goals(self) -> tuple[str, ...]:
        """The goals in the order of their first cue; never empty."""
        goals = dict.fromkeys(goal for _, goal in sorted(self._cues()))
        if goals:
            return tuple(goals)
        return ("diagnose",) if self._reports_a_symptom() else ("answer",)

    @cached_property
    def gloss(self) -> Gloss | None:
        """The text word by word in English, where it is in another language of the tables."""
        return glossed(self.text, _ENGLISH)

    @cached_property
    def in_english(self) -> "Reading":
        """This reading, or that of its gloss: what the rules for goals and questions are read in."""
        gloss = self.gloss
        return self if gloss is None else Reading(gloss.text, scan(gloss.text), len(gloss.text))

    @cached_property
    def english(self) -> bool:
        if self.gloss is not None:
            return False
        english = [word.text for word in self.words if word.text in _ENGLISH]
        if not self.text.isascii():
            letters = [character for character in self.text if character.isalpha()]
            foreign = sum(not character.isascii() for character in letters)
            if foreign * 3 > len(letters):
                return False
        foreign_words = [w for w in self.words if w.text in lexicon.FOREIGN]
        if len(foreign_words) >= _FOREIGN_FROM and len(foreign_words) >= len(english):
            return False
        plain = [w for w in self.words if w.text.isalpha()]
        return len(plain) < _ENGLISH_FROM or len(english) * 5 >= len(plain)

    @cached_property
    def topics(self) -> frozenset[str]:
        """The stems of the words that say what the text is about."""
        from_words = (part for w in self.words for part in _PARTS.split(w.text))
        return topic_stems(from_words)

    @cached_property
    def requested_actions(self) -> frozenset[str]:
        """The verbs asked for unconditionally: not negated, quoted, questioned or wished."""
        barred = {
            word.sentence
            for word in self.words
            if word.text in lexicon.NEGATIONS or word.text in lexicon.CONDITIONS
        }
        return frozenset(
            word.text
            for index, word in enumerate(self.words)
            if word.sentence not in barred and not word.quoted and self._is_imperative(index)
        )

    @cached_property
    def spoken(self) -> frozenset[str]:
        """Its words, each once."""
        return frozenset([word.text for word in self.words])

    def has(self, phrases: Phrases) -> bool:
        if phrases.firsts.isdisjoint(self.spoken):
            return False
        return next(phrases.find(self.words), None) is not None

    @cached_property
    def effects(self) -> list[Word]:
        """The words for what would change something; negating one does not take it back.

        Quoted words count where something is to be done at all: in a search they are data.
        """
        named = [
            word
            for index, word in enumerate(self.words)
            if (word.text in lexicon.EFFECTS or word.text in lexicon.DESTRUCTIVE)
            and not self._asks_about(word)
            and self._can_be_verb(index)
            and not self._tells_of_others(index)
        ]
        phrases = (self.words[index] for index, _, _ in _EFFECT_PHRASES.find(self.words))
        named += [word for word in phrases if not self._asks_about(word)]
        named += [replace(word, text=verb) for word, verb in self._other_orders]
        acts = any(goal in lexicon.ACTING for goal in self.goals)
        return named if acts or any(not word.quoted for word in named) else []

    @cached_property
    def orders(self) -> list[str]:
        """The words of `effects` that stand where an order does, whatever it is tied to."""
        places = {word.start: index for index, word in enumerate(self.words)}
        whole = {index: length for index, length, _ in _EFFECT_PHRASES.find(self.words)}
        others = {word.start for word, _ in self._other_orders}
        orders: dict[str, None] = {}
        for word in self.effects:
            index = places[word.start]
            if word.start in others:
                orders[word.text] = None
            elif not word.quoted and self._is_imperative(index) and not self.only_tells_of(word):
                spoken = self.words[index : index + whole.get(index, 1)]
                orders[" ".join(part.text for part in spoken)] = None
        return list(orders)

    def only_tells_of(self, word: Word) -> bool:
        """Tell whether what a word of `effects` names is negated, supposed or reported: its risk stays."""
        clause = self.clauses[word.clause]
        at = word.at
        return is_negated(clause, at) or supposes(clause, at, in_a_question=self._is_question)

    @cached_property
    def _is_question(self) -> bool:
        """Whether it ends as one."""
        last = self.clauses[self.words[-1].clause][0].text if self.words else ""
        return self.text.rstrip().endswith("?") or last in lexicon.ANSWERED_BY_FACTS

    @cached_property
    def _other_orders(self) -> list[tuple[Word, str]]:
        """The words of orders that have no verb in the imperative, each with the verb."""
        return [
            order for clause in self.clauses.values() for order in orders_in_other_forms(clause)
        ]

    def _tells_of_others(self, index: int) -> bool:
        """`customers can't pay` and `when users pay` tell what happens; nobody is to do it."""
        at = index - 1
        unable = self._in_clause(at, index) and self.words[at].text in lexicon.INABILITY
        at -= unable
        if not self._in_clause(at, index) or self.words[at].text == "you":
            return False
        first = self.words[at].at == 0
        introduced = not first and self.words[at - 1].text in lexicon.TELLING
        return unable or ((first or introduced) and self.words[at].text in lexicon.PEOPLE)

    def _in_clause(self, at: int, index: int) -> bool:
        return at >= 0 and self.words[at].clause == self.words[index].clause

    def _cues(self) -> Iterator[tuple[int, str]]:
        used: set[int] = set()
        for word, verb in self._other_orders:
            yield word.start, _CUES.get(verb, "remediate")
        for index, length, goal in _PHRASES.find(self.words):
            if goal == lexicon.NO_GOAL or self._counts(index, goal):
                used.update(range(index, index + length))
                if goal != lexicon.NO_GOAL:
                    yield self.words[index].start, goal
        for index, word in enumerate(self.words):
            if index in used:
                continue
            pair = self._pair(index)
            goal = _CUES.get(word.text, lexicon.NO_GOAL) if pair is None else pair[0]
            used.add(index if pair is None else pair[1])
            if goal != lexicon.NO_GOAL and self._counts(index, goal):
                yield word.start, goal

    def _pair(self, index: int) -> tuple[str, int] | None:
        word = self.words[index]
        if word.text not in _PAIR_VERBS:
            return None
        for goal, verbs, objects in lexicon.PAIRS:
            if word.text not in verbs or not self._can_be_verb(index):
                continue
            later = self._first_after(index, objects)
            if later is not None and self.words[later].clause == word.clause:
                return goal, later
        return None

    def _first_after(self, index: int, objects: frozenset[str]) -> int | None:
        places = self._places[objects]
        at = bisect(places, index)
        return places[at] if at < len(places) else None

    @cached_property
    def _places(self) -> dict[frozenset[str], list[int]]:
        """Where the objects of each pair stand, in order."""
        return {
            objects: [index for index, word in enumerate(self.words) if word.text in objects]
            for _, _, objects in lexicon.PAIRS
        }

    def _counts(self, index: int, goal: str) -> bool:
        word = self.words[index]
        if word.quoted or self._negated(word) or not self._can_be_verb(index):
            return False
        if goal in lexicon.READING:
            return True
        return not (
            self._asks_about(word) or self._tells_of_others(index) or self.only_tells_of(word)
        )

    def _negated(self, word: Word) -> bool:
        return self._negated_from.get(word.clause, word.at) < word.at

    @cached_property
    def _negated_from(self) -> dict[int, int]:
        """The place of the first negation in each clause that has one."""
        negations = [word for word in self.words if word.text in lexicon.NEGATIONS]
        return {word.clause: word.at for word in reversed(negations)}

    def _asks_about(self, word: Word) -> bool:
        return asks_about(self.clauses[word.clause], word.at)

    def _can_be_verb(self, index: int) -> bool:
        word = self.words[index]
        if word.text in lexicon.AMBIGUOUS and self._has_behind(index, "of"):
            return False  # `order of events`
        if word.text not in lexicon.AMBIGUOUS or word.at == 0:
            return True
        if word.text == "plan":
            return self.words[index - 1].text in lexicon.VERB_LEADS | {"a"}
        return self.words[index - 1].text in lexicon.VERB_LEADS

    def _is_imperative(self, index: int) -> bool:
        word = self.words[index]
        if self._asks_about(word) or self._is_open(index):
            return False
        return word.at == 0 or self.words[index - 1].text in lexicon.VERB_LEADS

    def _is_open(self, index: int) -> bool:
        """`rollback what?` asks for what there is to roll back."""
        return self._has_behind(index, "what", "which", "who", "whom")

    def _has_behind(self, index: int, *words: str) -> bool:
        following = self.words[index + 1 : index + 2]
        return bool(following) and following[0].text in words

    def _reports_a_symptom(self) -> bool:
        if not self.words or self.words[0].text in lexicon.ASKING:
            return False
        return any(word.text in lexicon.SYMPTOMS and not word.quoted for word in self.words)


@kept_of_short_texts
def _read(text: str) -> Reading:
    return Reading(text, scan(text), len(text))


def topic_stems(words: Iterable[str]) -> frozenset[str]:
    """Return the stems of the words that carry meaning."""
    return stems((word for word in words if len(word) > 1), without=lexicon.COMMON)
