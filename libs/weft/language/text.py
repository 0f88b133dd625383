"""A request as words: where each stands, in which clause, and whether it is quoted."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import TypeVar

from weft.language.lexicon import CLAUSE_BREAKS

__all__ = ["beginning", "kept_of_short_texts", "name_words", "says", "stem", "stems"]

T = TypeVar("T")

READ = 16_384
"""So many characters of a text are read for what it asks and names."""

SHORT = 512
"""Most requests are, and whoever routes, checks or answers one reads the same words again."""
_TOKEN = re.compile(r"[^\W_]++(?:[._/'\u2019-][^\W_]++|_[^\W_]*+)*|[.;!?,:\n]")
_QUOTED = re.compile(r'"([^"\n]++)"|“([^“”\n]++)”|`([^`\n]++)`|(?<!\w)\'([^\'\n]++)\'(?!\w)')
_LONGEST_QUOTE = 500
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[^a-z0-9]++")
_SENTENCE_ENDS = frozenset(".;!?\n")
_SUFFIXES = (
    ("ations", "at"), ("ation", "at"), ("yses", "ys"), ("ysis", "ys"), ("yzing", "ys"),
    ("yze", "ys"), ("yse", "ys"), ("ies", "y"), ("ings", ""), ("ing", ""), ("ers", ""),
    ("ness", ""), ("ment", ""), ("ed", ""), ("es", ""), ("er", ""), ("e", ""), ("s", ""),
)  # fmt: skip
_SHORTEST_STEM = 3
_LONGEST_WORD = 64
"""Longer ones are in no vocabulary: they are compared as they stand."""


def kept_of_short_texts(read: Callable[[str], T]) -> Callable[[str], T]:
    """Have `read`, a pure function, keep what it made of the latest short texts."""
    kept = lru_cache(maxsize=256)(read)

    @wraps(read)
    def read_or_kept(text: str) -> T:
        return kept(text) if len(text) <= SHORT else read(text)

    return read_or_kept


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
        if match.end() - match.start() <= _LONGEST_QUOTE + 2
    ]


def beginning(text: str) -> str:
    """Return the first `READ` characters of `text`, without the word they would cut in two."""
    if len(text) <= READ:
        return text
    cut = max(text.rfind(space, 0, READ) for space in " \n\t")
    return text[: cut if cut > 0 else READ]


def scan(text: str) -> list[Word]:
    """Return the words of `text` in order, split into clauses and sentences."""
    words: list[Word] = []
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
        words.append(Word(token, start, clause, sentence, at, quoted))
        at += 1
    return words


def stem(word: str) -> str:
    """Return a word without its ending, so that `logs` meets `log` and `analysis` `analyze`."""
    return _stem(word) if len(word) <= _LONGEST_WORD else word


@lru_cache(maxsize=8192)
def _stem(word: str) -> str:
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
        self.firsts = frozenset(self._by_first)
        """The words that a phrase of the table begins with."""

    def find(self, text: list[Word]) -> Iterator[tuple[int, int, str]]:
        """Yield (index of the first word, length, label), the longest phrase at each place."""
        for at, word in enumerate(text):
            for rest, label in self._by_first.get(word.text, ()):
                following = text[at + 1 : at + 1 + len(rest)]
                if tuple(word.text for word in following) == rest:
                    yield at, 1 + len(rest), label
                    break


def says(text: str, phrase: str) -> bool:
    """Tell whether `phrase` stands in `text`, not as a part of longer words."""
    at = text.find(phrase) if phrase else -1
    while at >= 0:
        end = at + len(phrase)
        if not _is_word(text[at - 1 : at]) and not _is_word(text[end : end + 1]):
            return True
        at = text.find(phrase, end)
    return False


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def name_words(name: str) -> list[str]:
    """Return the words of an identifier: `restartService`, `restart_service`, `restart-service`."""
    return [word for word in _BETWEEN.split(_CAMEL.sub(" ", name).lower()) if word]


def stems(words: Iterable[str], *, without: frozenset[str] = frozenset()) -> frozenset[str]:
    return frozenset(stem(word) for word in words if word not in without)
