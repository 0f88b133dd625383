"""What people say around a request without being a part of it."""

import re

from weft.language.lexicon import words

__all__ = ["is_for_us", "without_courtesy"]

_WORD = re.compile(r"[^\W_]++(?:['\u2019][^\W_]++)*+")
_SOFT = words("""
    please pls plz kindly just ok okay so well hey hi hello lol ugh hmm hm um uh oh alright right wait
    quickly sorry team folks guys everyone
""")
_BEHIND = words("please pls plz thanks thx cheers")
_MODALS = words("could can would will may might")
_OTHERS = words("you somebody someone anybody anyone")
_OWN = words("i we i'd we'd i'm we're i'll my our boss manager")
_WISHES = words("""
    tell show give let help say know see understand ask mind telling showing giving letting like love
    want wants need needs wonder wondering be grateful glad happy curious interested hear me us to if
    whether for in about would
""")
_TO_KNOW = words("know see understand hear tell ask grateful wonder wondering curious")
_SHOWING = words("tell show give telling showing giving")
_KNOWING = words("know see have understand")
_PHRASES = (
    ("would", "it", "be", "possible", "to"), ("is", "it", "possible", "to"), ("do", "you", "know"),
    ("does", "anyone", "know"), ("does", "anybody", "know"), ("any", "idea"), ("quick", "one"),
    ("quick", "question"), ("is", "it", "me", "or"), ("say", "me"), ("say", "us"), ("is", "it", "just", "me", "or"),
    ("just", "woke", "up"), ("just", "got", "paged"), ("i", "just", "got", "paged"),
    ("do", "you", "think", "that"), ("do", "you", "think"), ("do", "you", "believe"), ("in", "your", "opinion"),
    ("would", "you", "say", "that"), ("would", "you", "say"), ("any", "chance", "that"), ("thank", "you"),
    ("can", "i", "have"), ("could", "i", "have"), ("may", "i", "have"), ("can", "we", "have"), ("could", "we", "have"),
    ("can", "i", "get"), ("could", "i", "get"), ("can", "we", "get"), ("could", "we", "get"), ("let", "me"), ("let", "us"),
)  # fmt: skip
_LONGEST = 24


def without_courtesy(text: str) -> str:
    """Return `text` without the words before and behind its request; one of nothing else stays."""
    spoken = [
        (match.start(), match[0].lower().replace("\u2019", "'"))
        for match in _WORD.finditer(text[:_SEARCHED])
    ]
    heard = [word for _, word in spoken]
    at = 0
    while at < min(len(heard), _LONGEST):
        taken = _taken(heard[at : at + _LONGEST])
        if not taken:
            break
        at += taken
    if at >= len(heard):
        return text.strip()
    rest = text[spoken[at][0] :] if at else text
    return _without_end(rest.strip())


_SEARCHED = 2_000


def _taken(heard: list[str]) -> int:
    """Return how many words at the beginning are courtesy."""
    for phrase in _PHRASES:
        if tuple(heard[: len(phrase)]) == phrase:
            return len(phrase) + (heard[len(phrase) : len(phrase) + 1] == ["see"])
    if heard[0] in _SOFT:
        return 1
    if heard[0] in _KNOWING:
        return int(heard[1:2] in (["if"], ["whether"]))
    return _of_a_wish(heard)


def _of_a_wish(heard: list[str]) -> int:
    """`could you tell me whether`, `would somebody please`, `i would like to know`."""
    at = int(heard[0] in _MODALS)
    if at and heard[1:2] and heard[1] in _OTHERS:
        return _wished(heard, 2)
    if heard[at : at + 1] and heard[at] in _OWN:
        wished = _wished(heard, at + 1)
        seen = not _TO_KNOW.isdisjoint(heard[at + 1 : wished]) or is_for_us(heard[wished:])
        return wished if seen else 0
    return 0


def _wished(heard: list[str], at: int) -> int:
    while at < len(heard) and heard[at] in _WISHES | _SOFT | _OWN and not is_for_us(heard[at:]):
        at += 1
    return at


def is_for_us(heard: list[str]) -> bool:
    """Tell whether it begins `show me`: that asks to see what follows."""
    return heard[:1] != [] and heard[0] in _SHOWING and heard[1:2] in (["me"], ["us"])


def _without_end(text: str) -> str:
    while True:
        match = _LAST.search(text[-_TAIL:])
        if match is None or match[1].lower() not in _BEHIND:
            return text
        shorter = text[: len(text) - (min(_TAIL, len(text)) - match.start())].rstrip(" ,")
        if not shorter:
            return text
        text = shorter + match[2]


_TAIL = 40
_LAST = re.compile(r"\b([a-z]++)([.!? ]*+)$", re.IGNORECASE)
