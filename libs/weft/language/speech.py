"""How a request speaks of an act: whether it orders it, asks about it, or only tells of it.

Where grammar leaves it open it is an order: whoever acts asks first. Every look back is bounded, so
that all of this takes time in proportion to the text.
"""

from collections.abc import Iterator, Mapping, Sequence

from weft.language import lexicon
from weft.language.lexicon import words
from weft.language.text import Word

__all__ = ["asks_about", "is_negated", "orders_in_other_forms", "supposes"]

_NEAR, _CLOSE = 8, 3
_WE = words("i we")
_SPEAKERS = _WE | words("i'd we'd i'll we'll")
_OTHERS = words("one they he she it this that")
_YOU = words("you somebody someone anybody anyone") | _SPEAKERS | _OTHERS
_DEMANDS = words("must should shall ought need needs has have to")
_ASKED_OF_SELF = words("should must shall may might do does did")
_ASKED_OF_ALL = words("can could will would")
_SUGGESTIONS = (
    ("why", "not"),
    ("why", "don't"),
    ("why", "dont"),
    ("how", "about"),
    ("what", "about"),
)
_MANNER = words("to do does can could should would might i we you one they")
_INSTRUCTIONS = words("""
    steps step instructions instruction procedure guide guidance command commands way ways howto
    documentation docs runbook playbook advice idea ideas tips
""")
_FOLLOWED = words(
    "follow run execute take perform do use using carry apply start begin through find"
)
_REMINDERS = words("forget hesitate fail wait mind worry delay stop only just")
_SUPPOSING = words("if whether when before after once until unless since while")
_NOT_WANTED = words(
    "not already just never been ever also now since always only recently twice once"
)
_CAUSING = words("have get want like need")
_ASSURING = words("ensure sure")
_DOING = words("do perform make trigger initiate start execute run order kick need want require")
_LACKING = words("needs requires wants need require want")
_BETWEEN = words("a an the another off full quick clean rolling immediate one out some hard")
_ACTS = {
    "restart": "restart", "reboot": "reboot", "rollback": "rollback", "redeploy": "redeploy",
    "redeployment": "redeploy", "failover": "failover", "shutdown": "shutdown", "deletion": "delete",
    "removal": "remove", "termination": "terminate", "purge": "purge", "wipe": "wipe", "drain": "drain",
}  # fmt: skip
"""Nouns for acts, each with its verb."""
_IRREGULAR = {
    "sent": "send",
    "paid": "pay",
    "set": "set",
    "bought": "buy",
    "overwritten": "overwrite",
}
_PARTED = {
    "rolled": ("rollback", "back"), "turned": ("disable", "off"), "switched": ("disable", "off"),
    "shut": ("shutdown", "down"), "rolling": ("rollback", "back"), "turning": ("disable", "off"),
    "switching": ("disable", "off"), "shutting": ("shutdown", "down"),
}  # fmt: skip
"""Verbs of two words: with the second one behind, they are an effect."""
_BEHIND = words("""
    by in on at now again asap today tomorrow tonight immediately please to from within off back down
    up out before after for quickly soon first at
""")


def asks_about(clause: Sequence[Word], at: int) -> bool:
    """Tell whether a clause asks about what its word at `at` names, and wants it from nobody."""
    first, second = clause[0].text, clause[1].text if len(clause) > 1 else ""
    if at == 0 or (first, second) in _SUGGESTIONS or _says(clause, at, words("possible")):
        return False
    if first in lexicon.ANSWERED_BY_FACTS:
        return first not in ("when", "where") or second in lexicon.AUXILIARIES
    if first in _ASKED_OF_SELF and (second in _WE | _OTHERS or (first, second) == ("do", "you")):
        return True
    if first in _ASKED_OF_ALL and (second in _OTHERS | {"i"} or _is_gerund(clause[1])):
        return True
    return _asks_how(clause, at)


def _asks_how(clause: Sequence[Word], at: int) -> bool:
    """`explain how to restart it`, `steps to restart it`; to follow such steps is an order."""
    for place in range(max(0, at - _CLOSE - 1), at - 1):
        word, behind = clause[place].text, clause[place + 1].text
        if word in ("how", "whether") and behind in _MANNER:
            return True
        if word in _INSTRUCTIONS and behind in ("to", "for", "of", "on"):
            return not any(before.text in _FOLLOWED for before in clause[max(0, place - 4) : place])
    return False


def is_negated(clause: Sequence[Word], at: int) -> bool:
    """Tell whether a negation stands right before: `don't forget to restart it` reminds of it."""
    if tuple(word.text for word in clause[:2]) in _SUGGESTIONS:
        return False
    near = [word.text for word in clause[max(0, at - _CLOSE) : at]]
    negations = [place for place, word in enumerate(near) if word in lexicon.NEGATIONS]
    return bool(negations) and _REMINDERS.isdisjoint(near[negations[-1] :])


def supposes(clause: Sequence[Word], at: int, *, in_a_question: bool) -> bool:
    """Tell whether an act is only supposed, or, where the request is a question, reported.

    `if we restart it, ...`; `Ann said to restart it, is she right?`.
    """
    begin = max(0, at - _NEAR)
    for place in range(begin, at):
        word, behind = clause[place].text, clause[place + 1].text
        if word in _SUPPOSING and behind in _SPEAKERS | lexicon.PEOPLE | {"they", "he", "she"}:
            return place + 1 < at
        subject = clause[place - 1].text if place else "i"
        if in_a_question and word in lexicon.REPORTING and subject not in _SPEAKERS:
            return True
    return False


def orders_in_other_forms(clause: Sequence[Word]) -> Iterator[tuple[Word, str]]:
    """Yield the words of `it must be restarted`, `have it restarted` and `do a restart`, with their verbs."""
    for at, word in enumerate(clause):
        if word.text not in _FORMS or word.quoted or not at:
            continue
        if asks_about(clause, at) or is_negated(clause, at):
            continue
        verb = _verb_of(clause, at)
        if _is_proposed(clause, at):
            yield word, _base(clause, at, _GERUNDS)
        elif (verb and _is_wanted(clause, at)) or _is_done(clause, at):
            yield word, verb or _ACTS[word.text]


def _verb_of(clause: Sequence[Word], at: int) -> str:
    """Return the verb of a participle for an effect."""
    return _base(clause, at, _PARTICIPLES)


def _base(clause: Sequence[Word], at: int, forms: Mapping[str, str]) -> str:
    word = clause[at].text
    parted = _PARTED.get(word)
    if parted is None:
        return forms.get(word, "")
    verb, behind = parted
    near = clause[at + 1 : at + 1 + _NEAR]
    return verb if any(word.text == behind for word in near) else ""


def _is_proposed(clause: Sequence[Word], at: int) -> bool:
    """`how about restarting it`, `would you mind restarting it`."""
    before = clause[at - 1].text
    proposes = before == "mind" or (before == "about" and clause[0].text in ("how", "what"))
    return proposes and bool(_base(clause, at, _GERUNDS))


def _is_wanted(clause: Sequence[Word], at: int) -> bool:
    before = [word.text for word in clause[max(0, at - _NEAR) : at]]
    asks = clause[0].text in _DEMANDS - {"have", "need"}
    if before[-1] == "be":
        return not asks and not _DEMANDS.isdisjoint(before[:-1])
    if before[-1] in ("is", "are", "gets"):
        return not _ASSURING.isdisjoint(before)
    if at + 1 < len(clause) and clause[at + 1].text not in _BEHIND:
        return False
    return any(
        word in _CAUSING
        and _lies_between(before[place + 1 :])
        and _orders(clause, at, place, before)
        for place, word in enumerate(before[:-1])
    )


def _lies_between(between: Sequence[str]) -> bool:
    """Something is to be acted on: `have already restarted` is no order."""
    return between[0] not in _YOU | {"to"} and not _NOT_WANTED.issuperset(between)


def _orders(clause: Sequence[Word], at: int, place: int, before: Sequence[str]) -> bool:
    start = at - len(before) + place
    return start == 0 or clause[start - 1].text in lexicon.VERB_LEADS | _SPEAKERS


def _is_done(clause: Sequence[Word], at: int) -> bool:
    """`do a restart`, `it needs a restart`."""
    if clause[at].text not in _ACTS:
        return False
    place = at - 1
    while place > max(0, at - 1 - _CLOSE) and clause[place].text in _BETWEEN:
        place -= 1
    word = clause[place].text
    if word in _LACKING and place:
        return True
    starts = place == 0 or clause[place - 1].text in lexicon.VERB_LEADS
    return place < at - 1 and word in _DOING and starts


def _is_gerund(word: Word) -> bool:
    return word.text.endswith("ing") and len(word.text) > len("thing")


def _says(clause: Sequence[Word], at: int, listed: frozenset[str]) -> bool:
    return any(word.text in listed for word in clause[max(0, at - _NEAR) : at])


def _formed(verb: str, ending: str) -> Iterator[str]:
    """Yield how a verb may be written with an ending that begins with a vowel."""
    if verb.endswith("e"):
        yield verb[:-1] + ending
    elif verb.endswith("y") and ending == "ed" and verb[-2] not in "aeiou":
        yield f"{verb[:-1]}ied"
    else:
        yield verb + ending
        yield verb + verb[-1] + ending


def _forms(ending: str) -> dict[str, str]:
    verbs = sorted(lexicon.EFFECTS | lexicon.DESTRUCTIVE)
    plain = [verb for verb in verbs if not verb.endswith("ing")]
    return {form: verb for verb in plain for form in _formed(verb, ending)}


_GERUNDS = _forms("ing")
_PARTICIPLES = {**_forms("ed"), **_IRREGULAR}
_FORMS = frozenset((*_GERUNDS, *_PARTICIPLES, *_PARTED, *_ACTS))
