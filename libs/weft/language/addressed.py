"""Whom a request names to do it: `ask NAME to ...`, `hand this to NAME`, `@NAME ...`.

A name that only stands in a text addresses nobody: what is asked about may be called the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weft.language.cues import Reading
from weft.language.lexicon import NEGATIONS, words
from weft.language.text import Word, name_words

__all__ = ["Addressed", "addressed_to"]

_ASKING = words("ask tell have let get consult instruct request involve engage contact prompt")
"""Before a name: whoever is named shall do what follows."""
_WITH = {"check": "with", "talk": "to", "speak": "to", "confer": "with", "turn": "to"}
"""The same in two words."""
_USING = words("use call query")
"""Before a name that nothing follows but what it is for: `use NAME for`, not `use NAME logs`."""
_HANDING = words("""
    delegate hand pass forward send give refer assign route outsource leave escalate redirect submit
    transfer entrust relay
""")
"""What is handed follows, then `to NAME`."""
_LEADING = words("""
    please kindly now then and so also first next just could can would will you i we want need would like
    to must should let's lets let us hey hi hello ok okay well you'd i'd we'd
""")
"""What may stand before an order without making it less of one."""
_NOUNS = words("agent peer service assistant bot")
_BETWEEN = _NOUNS | words("the our my your outside external over")
_PURPOSE = words("to for about whether if what how when who which why where and please on as")
_TO = words("to with via through")
_EMPTY = words("""
    this it that these those them one over on off do does doing done handle answer take care of deal with
    to for about please the a our my your instead now and so all then work job task question request
""")
"""Words of an order that say nothing of what is ordered: it stands before."""
_LINKS, _LINKED = words("and then also finally afterwards"), " ,;:"
_POLITE = ("please ", "can you ", "could you ", "would you ")


@dataclass(frozen=True, slots=True)
class Addressed:
    """Who is turned to, and what is asked before of whoever reads it."""

    name: str
    before: str = ""
    """The words of a request of its own; empty where all of it is for the one who is named."""


def addressed_to(text: str, names: Iterable[str]) -> Addressed | None:
    """Return which of `names` a request turns to, or None where it turns to none of them.

    Of several the first counts; one that is told not to do it is not addressed. `Why is it slow? Ask
    NAME.` is all for that one; in `Why is it slow? Ask NAME to tell the others` the question is not.
    """
    listed = {tuple(_parts(name)): name for name in names}
    if not listed:
        return None
    reading = Reading.of(text)
    for index in range(len(reading.words)):
        for said, name in sorted(listed.items(), key=lambda item: -len(item[0])):
            end = _stands(reading.words, index, said)
            order = None if end is None else _order_at(reading, index, end)
            if end is not None and order is not None:
                return Addressed(name, _own_request(reading, order, (index, end)))
    return None


def _parts(name: str) -> list[str]:
    return [part.lower() for part in name_words(name)] or [name.lower()]


def _stands(spoken: Sequence[Word], index: int, said: tuple[str, ...]) -> int | None:
    """Return the index behind a name that begins at `index`, in one word or in several."""
    if tuple(_parts(spoken[index].text)) == said:
        return index + 1
    end = index + len(said)
    if [word.text for word in spoken[index:end]] == list(said):
        return end
    return None


def _order_at(reading: Reading, index: int, end: int) -> int | None:
    """Return where an order begins that turns to the name; None where it is only spoken of."""
    if _marked(reading, index, end):
        return index
    verb = _verb_before(reading.words, index, end)
    return verb if verb is not None and _is_order(reading.words, verb) else None


def _own_request(reading: Reading, order: int, name: tuple[int, int]) -> str:
    """Return what is asked before an order that says what it is about; it may be about just that."""
    spoken = reading.words
    before = [at for at, word in enumerate(spoken[:order]) if word.text not in _LEADING]
    about = [
        word
        for at, word in enumerate(spoken[order + 1 :], order + 1)
        if not name[0] <= at < name[1] and word.text not in _EMPTY | _BETWEEN
    ]
    if not before or not about:
        return ""
    text = reading.text[: spoken[before[-1] + 1].start].strip(_LINKED)
    while (parts := text.rpartition(" "))[2].lower() in _LINKS:
        text = parts[0].strip(_LINKED)
    return text


def _verb_before(spoken: Sequence[Word], index: int, end: int) -> int | None:
    """Return where the verb stands that turns to a name; None where none does."""
    before = index - 1
    while before >= 0 and spoken[before].text in _BETWEEN:
        before -= 1
    if before < 0 or spoken[before].sentence != spoken[index].sentence:
        return None
    word = spoken[before].text
    if before > 0 and _WITH.get(spoken[before - 1].text) == word:
        return before - 1
    turned_to = word in _USING and not _serves_else(spoken, end)
    if word in _ASKING or word in _HANDING or turned_to:
        return before
    handed = word in _TO and not _serves_else(spoken, end)
    return _handing(spoken, before) if handed else None


def _marked(reading: Reading, index: int, end: int) -> bool:
    """Tell whether the name stands as one does that is spoken to: `@NAME`, or `NAME, please`."""
    word, text = reading.words[index], reading.text
    if word.start > 0 and text[word.start - 1] == "@" and not word.quoted:
        return word.start == 1 or text[word.start - 2].isspace()
    last = reading.words[end - 1]
    behind = text[last.start + len(last.text) :]
    leading = all(earlier.text in _LEADING for earlier in reading.words[:index])
    # A bare `NAME:` begins many a line of a log.
    polite = behind.removeprefix(":").removeprefix(",").strip().startswith(_POLITE)
    return leading and behind[:1] in {":", ","} and polite


def _serves_else(spoken: Sequence[Word], end: int) -> bool:
    """Tell whether the name only says of what kind the next word is: `payment logs`."""
    while end < len(spoken) and spoken[end].text in _NOUNS:
        end += 1
    goes_on = end < len(spoken) and spoken[end].clause == spoken[end - 1].clause
    return goes_on and spoken[end].text not in _PURPOSE


def _handing(spoken: Sequence[Word], before: int) -> int | None:
    """Return where the verb stands that hands something over, in the sentence of `before`."""
    at = before - 1
    while at >= 0 and spoken[at].sentence == spoken[before].sentence:
        if spoken[at].text in _HANDING and _is_order(spoken, at):
            return at
        at -= 1
    return None


def _is_order(spoken: Sequence[Word], verb: int) -> bool:
    """Tell whether a verb begins its sentence, but for words that leave it an order."""
    if spoken[verb].quoted:
        return False
    at = verb - 1
    while at >= 0 and spoken[at].clause == spoken[verb].clause:
        if spoken[at].text in NEGATIONS or spoken[at].text not in _LEADING:
            return False
        at -= 1
    return True
