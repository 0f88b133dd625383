"""Requests in a few other languages, word by word in English: what the other tables can read.

This is no translation. Words without an entry stay as they are, so that names keep their places, and
whoever answers says which words were read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from weft.language.glosses import SCRIPTS, SPACED
from weft.language.lexicon import words

__all__ = ["Gloss", "glossed"]

_WORD = re.compile(r"[^\W\d_]++")
_PLAIN = re.compile(r"[!-~]++")
_LONGEST = 4
_LINKS = "_./@-"
_READ = 2_000
"""So many characters of a text are read for its language, and put into English."""


@dataclass(frozen=True, slots=True)
class Gloss:
    """A text with the words that the tables of one language know in English."""

    language: str
    text: str
    cues: tuple[str, ...]
    """The English words that say something, in their order."""


def glossed(text: str, english: frozenset[str]) -> Gloss | None:
    """Return `text` word by word in English; None where it is English, or in no language known here.

    `english` are words of English: where more of them stand than of any other language, it is that.
    """
    head = text[:_READ].lower().replace("\u2019", "'")
    written = _by_script(head)
    if written is not None:
        return written
    spoken = _words(head)
    if not spoken:
        return None
    plain = sum(word in english for _, _, word in spoken)
    counts = {
        language: sum(word in listed for _, _, word in spoken)
        for language, listed in _vocabularies().items()
    }
    language = max(counts, key=lambda name: counts[name])
    if counts[language] <= plain or 2 * counts[language] < len(spoken):
        return None
    gloss = _in_english(head, spoken, language)
    return gloss if gloss.cues else None


def _by_script(text: str) -> Gloss | None:
    for language, (letters, table) in SCRIPTS.items():
        written = len(letters.findall(text))
        if 3 * written <= sum(map(str.isalpha, text)):
            continue
        cues: list[tuple[int, str]] = []
        for phrase, meaning in table.items():
            at = text.find(phrase)
            while at >= 0:
                cues.append((at, meaning))
                text = text.replace(phrase, " " + "\0" * (len(phrase) - 1), 1)
                at = text.find(phrase)
        rest = [(match.start(), match[0]) for match in _PLAIN.finditer(text)]
        ordered = [word for _, word in sorted([*cues, *rest])]
        meant = tuple(word for _, word in sorted(cues) if word)
        return Gloss(language, " ".join(filter(None, ordered)), meant)
    return None


def _words(text: str) -> list[tuple[int, int, str]]:
    """Return the words of `text` with their places, without parts of names such as `a-b`."""
    return [(match.start(), match.end(), match[0]) for match in _WORD.finditer(text)]


def _in_english(text: str, spoken: list[tuple[int, int, str]], language: str) -> Gloss:
    table = SPACED[language]
    said: list[str] = []
    cues: list[str] = []
    done = 0
    for start, end, meaning in _meanings(text, spoken, table):
        said += [text[done:start], meaning]
        done = end
        if meaning and meaning not in _SILENT:
            cues.append(meaning)
    said.append(text[done:])
    return Gloss(language, " ".join("".join(said).split()), tuple(cues))


def _meanings(
    text: str, spoken: list[tuple[int, int, str]], table: Mapping[str, str]
) -> Iterator[tuple[int, int, str]]:
    at = 0
    while at < len(spoken):
        taken = 1
        for count in range(min(_LONGEST, len(spoken) - at), 0, -1):
            phrase = " ".join(word for _, _, word in spoken[at : at + count])
            start, end = spoken[at][0], spoken[at + count - 1][1]
            if phrase in table and not _is_in_a_name(text, spoken, range(at, at + count), table):
                # `l'incident`: what an apostrophe cuts off goes with it.
                cut = end + (text[end : end + 1] == "'" and not table[phrase])
                yield start, cut, table[phrase]
                taken = count
                break
        at += taken


def _is_in_a_name(
    text: str, spoken: list[tuple[int, int, str]], places: range, table: Mapping[str, str]
) -> bool:
    """Tell whether the words are a part of `payment-service`, whose other part is no word here."""
    start, end = spoken[places.start][0], spoken[places.stop - 1][1]
    if start and text[start - 1] in _LINKS and places.start:
        _, before, word = spoken[places.start - 1]
        if before == start - 1 and word not in table:
            return True
    if text[end : end + 1] and text[end] in _LINKS and places.stop < len(spoken):
        after, _, word = spoken[places.stop]
        return after == end + 1 and word not in table
    return False


@cache
def _vocabularies() -> Mapping[str, frozenset[str]]:
    return {
        language: frozenset(word for phrase in table for word in phrase.split())
        for language, table in SPACED.items()
    }


_SILENT = words(
    "is are was the it this that in of and or to with for on there has have did we a not"
)
"""What only holds the other words together."""
