"""A request as words: where each stands, in which clause, and whether it is quoted."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from weft.models.offline.lexicon import CLAUSE_BREAKS

_TOKEN = re.compile(r"[^\W_]+(?:[._/'\u2019-][^\W_]+|_[^\W_]*)*|[.;!?,:\n]")
_QUOTED = re.compile(
    r'"([^"\n]{1,500})"|“([^”\n]{1,500})”|`([^`\n]{1,500})`|(?<!\w)\'([^\'\n]{1,500})\'(?!\w)'
)
_SENTENCE_ENDS = frozenset(".;!?\n")
_SUFFIXES = (
    ("ations", "at"), ("ation", "at"), ("yses", "ys"), ("ysis", "ys"), ("yzing", "ys"),
    ("yze", "ys"), ("yse", "ys"), ("ies", "y"), ("ings", ""), ("ing", ""), ("ers", ""),
    ("ness", ""), ("ment", ""), ("ed", ""), ("es", ""), ("er", ""), ("e", ""), ("s", ""),
)  # fmt: skip
_SHORTEST_STEM = 3


@dataclass(frozen=True, slots=True)
class Word:
    """One word in lower case."""

    text: str
    start: int
    clause: int
    sentence: int
    at: int
    """Its place in the clause, from 0."""
    quoted: bool


@dataclass(frozen=True, slots=True)
class Quote:
    """Text between quotation marks, and where it begins."""

    text: str
    start: int
    end: int


def quotes(text: str) -> list[Quote]:
    return [
        Quote(next(part for part in match.groups() if part is not None), *match.span())
        for match in _QUOTED.finditer(text)
    ]


def scan(text: str) -> list[Word]:
    """Return the words of `text` in order, split into clauses and sentences."""
    found: list[Word] = []
    spans = iter(quotes(text))
    quote = next(spans, None)
    clause = sentence = at = 0
    for match in _TOKEN.finditer(text):
        start = match.start()
        while quote is not None and quote.end <= start:
            quote = next(spans, None)
        token = match.group().lower().replace("\u2019", "'")
        if not token[0].isalnum():
            clause, at = clause + 1, 0
            sentence += token in _SENTENCE_ENDS
            continue
        if token in CLAUSE_BREAKS:
            clause, at = clause + 1, 0
            continue
        quoted = quote is not None and quote.start <= start
        found.append(Word(token, start, clause, sentence, at, quoted))
        at += 1
    return found


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Return a word without its ending, so that `logs` meets `log` and `analysis` `analyze`."""
    for ending, kept in _SUFFIXES:
        if word.endswith(ending) and len(word) - len(ending) + len(kept) >= _SHORTEST_STEM:
            return word[: len(word) - len(ending)] + kept
    return word


class Phrases:
    """Finds phrases of a table in a list of words."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for label, listed in table.items():
            for phrase in listed.split(";"):
                first, *rest = phrase.split()
                self._by_first.setdefault(first, []).append((tuple(rest), label))
        for candidates in self._by_first.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))

    def find(self, text: list[Word]) -> Iterator[tuple[int, int, str]]:
        """Yield (index of the first word, length, label), the longest phrase at each place."""
        for at, word in enumerate(text):
            for rest, label in self._by_first.get(word.text, ()):
                following = text[at + 1 : at + 1 + len(rest)]
                if tuple(each.text for each in following) == rest:
                    yield at, 1 + len(rest), label
                    break


def name_words(name: str) -> list[str]:
    """Return the words of an identifier: `restartService`, `restart_service`, `restart-service`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", parted.lower()) if word]


def stems(found: Iterable[str], *, without: frozenset[str] = frozenset()) -> frozenset[str]:
    return frozenset(stem(word) for word in found if word not in without)
