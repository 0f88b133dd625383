"""Which passage answers a question: BM25 ranks them, and a measure of its own says when none does."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import bm25s

from services.generalist.runbooks import Passage
from weft.language.cues import topic_stems
from weft.language.lexicon import words
from weft.language.text import stem, stems

MOST = 3
"""Passages of one answer."""
ENOUGH = 0.6
"""Of what a question weighs, a passage that answers it has so much in its words."""
NEAR = 0.6
"""Further passages stand beside the best one where they score at least so much of its score."""
_WORD = re.compile(r"[^\W_]++")
_LOOKING = stems(
    words("""
    runbook runbooks playbook handbook manual documentation docs doc documented written page
    instruction instructions procedure guide howto step steps way say says said tell tells look
    explain describe answer question know team
    """)
)


@dataclass(frozen=True, slots=True)
class Match:
    """A passage, how well BM25 ranks it, and how much of the question stands in it."""

    passage: Passage
    score: float
    share: float


class PassageIndex:
    """The passages of all runbooks, searched by words; built once, read on any thread."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = tuple(passages)
        listed = [_words(passage) for passage in passages]
        self._sets = [frozenset(one) for one in listed]
        self._rarity = Counter(word for listed in self._sets for word in listed)
        self._ranking = bm25s.BM25(method="lucene")
        if any(listed):
            self._ranking.index(listed, show_progress=False)

    def search(self, question: str) -> list[Match]:
        """Return the passages that answer `question`, best first; none where none does.

        A passage answers where the question's words, each by how rare it is (the idf of BM25,
        Robertson and Zaragoza 2009, section 3.4.3), stand in it for the most part: a score alone
        cannot tell, since some passage is always the best one. A word that stands nowhere counts
        as the rarest.
        """
        wanted = _asked(question)
        best = [self._match(at, score, wanted) for at, score in self._ranked(wanted)]
        fitting = [match for match in best if match.share >= (ENOUGH if wanted[1:] else 1)]
        return [match for match in fitting if match.score >= NEAR * fitting[0].score]

    def nearest(self, question: str) -> list[Passage]:
        """Return passages that share a word with `question`, best first; they answer nothing."""
        return [self._passages[at] for at, _ in self._ranked(_asked(question))]

    def _ranked(self, wanted: Sequence[str]) -> list[tuple[int, float]]:
        """Return the places of the passages that have any of the words, best first."""
        there = [word for word in wanted if word in self._rarity]
        if not there:
            return []
        scores = [float(score) for score in self._ranking.get_scores(there)]
        order = sorted(range(len(scores)), key=lambda at: (-scores[at], at))
        return [(at, scores[at]) for at in order[:MOST] if scores[at] > 0]

    def _match(self, at: int, score: float, wanted: Sequence[str]) -> Match:
        weights = {word: self._weight(word) for word in wanted}
        there = sum(weight for word, weight in weights.items() if word in self._sets[at])
        return Match(self._passages[at], score, there / sum(weights.values()))

    def _weight(self, word: str) -> float:
        holding = self._rarity[word]
        return math.log(1 + (len(self._passages) - holding + 0.5) / (holding + 0.5))


def _asked(question: str) -> list[str]:
    """Return the words that say what is asked, as they are indexed; not those for where to look."""
    return sorted(topic_stems(_WORD.findall(question.lower())) - _LOOKING)


def _words(passage: Passage) -> list[str]:
    # What stands in a heading or names the file is what the passage is about.
    about = " ".join((*passage.headings, passage.file))
    return [stem(word) for word in _WORD.findall(f"{about} {about} {passage.text}".lower())]
