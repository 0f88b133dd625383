"""Whether a request can be done with what it brings along, or needs something that is elsewhere."""

from itertools import pairwise

from weft.language.courtesy import without_courtesy
from weft.language.cues import Reading
from weft.language.lexicon import words

__all__ = ["needs_something_elsewhere", "speaks_of_a_text"]

_WHOSE = words("i i'm i'd i've i'll my mine me we we'd we're our us")
_ELSEWHERE = words("""
    find latest current currently available near nearby nearest recommend looking need want website
    search price prices weather today online buy book help
""")
_ABLE = words("can could")
_WORKS = words("""
    write paraphrase summarize summarise classify translate rewrite rephrase explain describe given imagine
    pretend generate compose identify select choose pick detect answer compare edit fill complete convert
    make give suggest design develop act you
""")
_MATTER = words("""
    sentence sentences paragraph passage following output given essay story poem text dialogue grammar
    riddle fictional haiku review novel metaphor email equation
""")

_FIRST = 2
"""So far into a request stands what is to be done: `briefly explain`."""


def needs_something_elsewhere(reading: Reading) -> bool:
    """Tell whether somebody wants what only tools can fetch or do.

    Work on a text that the request brings, or that is to be made up, needs nothing else; what
    somebody wants for himself, or wants found, does.
    """
    spoken = [word.text for word in reading.words]
    alone = [word.text for word in Reading.of(without_courtesy(reading.text)).words]
    if not spoken or not _WORKS.isdisjoint(alone[:_FIRST]) or spoken[:2] == ["tell", "me"]:
        return False
    heard = set(spoken)
    brought = "\n" in reading.text.strip() or any(word.quoted for word in reading.words)
    if brought or speaks_of_a_text(reading):
        return False
    asked_of_you = any(word in _ABLE and behind == "you" for word, behind in pairwise(spoken))
    return asked_of_you or not heard.isdisjoint(_WHOSE | _ELSEWHERE)


def speaks_of_a_text(reading: Reading) -> bool:
    """Tell whether it is about sentences, stories and the like: work on words, not on systems."""
    return any(word.text in _MATTER for word in reading.words)
