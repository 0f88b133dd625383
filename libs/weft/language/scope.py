"""Whether a request is about the data of running systems, about the mesh itself, or neither."""

from typing import Literal

from weft.language import lexicon
from weft.language import question_words as tables
from weft.language.courtesy import is_for_us
from weft.language.cues import Reading
from weft.language.entities import entities
from weft.language.periods import period_of
from weft.language.questions import KINDS_BY_PHRASE, Question, QuestionKind, as_meant, shown_kinds
from weft.language.text import Phrases

__all__ = ["Scope", "may_be_elsewhere", "scope_of"]

Scope = Literal["data", "mesh", "unsure", "other"]
"""`data` is about what analysts look at; `mesh` asks what can be asked; `unsure` may name a part of
the data; `other` is about something else."""

_POINTING = Phrases({"pointing": tables.POINTING})
_FAULTS = Phrases({"fault": tables.FAULTS})
_HELP = Phrases({"help": tables.HELP})
_STATUSES = frozenset({"500", "501", "502", "503", "504", "429"})
_MOST_UNSURE = 10
_MOST_NAMES = 2
_ASKED_FOR = frozenset({"answer", "explain", "monitor", "diagnose", "compare"})
_ENOUGH = 2
_THAT = frozenset({"that", "that's", "this", "it", "it's", "its"})


def may_be_elsewhere(text: str) -> bool:
    """Tell whether nothing but an unknown name could make `text` a question about the data."""
    written = Reading.of(text)
    reading = written.in_english
    half = any(word.text in tables.HALF for word in reading.words)
    return scope_of(written) == "unsure" and not half and not shown_kinds(reading)


def scope_of(reading: Reading) -> Scope:
    """Return what `reading` is about, by its words alone."""
    plain = as_meant(reading.in_english)
    words = [word.text for word in plain.words if not word.quoted]
    words = words[2:] if is_for_us(words) else words
    if _asks_for_help(plain, words):
        return "mesh"
    if not reading.english and (reading.gloss is None or not words):
        return "unsure"
    if words and not _asks_for_a_meaning(words) and _is_about_systems(plain, words):
        return "data"
    if not reading.english:
        return "unsure"
    return "unsure" if words and _may_name_a_part(plain, words) else "other"


def _asks_for_a_meaning(words: list[str]) -> bool:
    """`what is an SLO?` asks for words; nothing in any data answers it."""
    whats = words[:1] in (["what's"], ["whats"])
    behind = words[1:] if whats else words[2:] if words[:2] == ["what", "is"] else []
    return len(behind) in _MEANT and behind[0] in ("a", "an")


_MEANT = range(2, 4)


def _may_name_a_part(plain: Reading, words: list[str]) -> bool:
    """Tell whether it is a short question without persons, places and other business."""
    if _asks_for_a_meaning(words):
        return False
    persons = tables.PERSONAL - _TALKING if _kinds_of_systems(plain) else tables.PERSONAL
    if not (persons | tables.EVERYDAY).isdisjoint(words) or len(words) > _MOST_UNSURE:
        return False
    if any(entity.kind in ("proper", "url", "email") for entity in entities(plain)):
        return False
    named = len(Question.of(plain.text).names)
    something = named or shown_kinds(plain) or not tables.HALF.isdisjoint(words)
    return bool(something) and named <= _MOST_NAMES and set(plain.goals) <= _ASKED_FOR


def _asks_for_help(plain: Reading, words: list[str]) -> bool:
    if plain.has(_HELP):
        return tables.TELEMETRY.isdisjoint(words)
    return len(words) == 1 and words[0] in tables.HELPING


def _is_about_systems(plain: Reading, words: list[str]) -> bool:
    spoken = set(words)
    strong = _strong_signs(plain, words)
    if not spoken.isdisjoint(tables.EVERYDAY):
        return strong >= _ENOUGH
    points = plain.has(_POINTING) and (strong or spoken.isdisjoint(tables.OWNED))
    persons = spoken & tables.PERSONAL
    operates = persons <= _TALKING and not spoken.isdisjoint(tables.OPERATIONS)
    if points or operates or _asks_of_what_is_at_hand(plain, spoken):
        return True
    if persons:
        on_call = not tables.ON_CALL.isdisjoint(spoken)
        return on_call or strong >= _ENOUGH or (strong == 1 and _weak_signs(plain, words) >= 1)
    if strong or _is_enough(plain, _weak_signs(plain, words)):
        return True
    return _asks_for_a_state(words) or _tells_of_a_fault(plain, words)


def _asks_of_what_is_at_hand(plain: Reading, spoken: set[str]) -> bool:
    """`what should I do now?`, `how sure are you?`, `tl;dr`: it names nothing, so it means what is there."""
    if len(spoken) > _FEW_WORDS or not spoken.isdisjoint(tables.PERSONAL - _IN_A_TEAM):
        return False
    return bool(_kinds_of_systems(plain)) and not Question.of(plain.text).names


def _kinds_of_systems(plain: Reading) -> set[QuestionKind]:
    """Return the kinds of question that nobody asks but of what runs."""
    return set(shown_kinds(plain)) - _OF_ANYTHING


_FEW_WORDS = 14
_IN_A_TEAM = frozenset({"your", "i", "i'm", "me", "you", "hi", "hello", "hey", "thanks"})
_TALKING = frozenset({"i", "i'm", "me", "you"})
_OF_ANYTHING: frozenset[QuestionKind] = frozenset(
    {"health", "metric", "compare", "moment", "count"}
)


def _is_enough(plain: Reading, weak: int) -> bool:
    """Tell whether halves of a sign do: two of them, or one beside a name."""
    if weak != 1:
        return weak >= _ENOUGH
    return any(entity.kind in ("service", "metric") for entity in entities(plain))


def _strong_signs(plain: Reading, words: list[str]) -> int:
    """Count what says alone that it is about systems."""
    telling = words[2:] if words[:2] == ["slow", "down"] else words
    strong = len((set(telling) & tables.TELEMETRY) - _PARTICLES)
    strong += any(map(_is_down, words, ["", *words], range(len(words), 0, -1)))
    strong += not tables.CALLS.isdisjoint(words[:2])
    return strong + any(map(_is_status, words, ["", *words])) + plain.has(_FAULTS)


def _weak_signs(plain: Reading, words: list[str]) -> int:
    """Count what is half of a sign."""
    weak = sum(word in tables.HALF for word in words) + _says_a_time(plain.text)
    return weak + ("diagnose" in plain.goals) + plain.has(KINDS_BY_PHRASE)


_PARTICLES = frozenset({"down"})
_BEFORE_DOWN = lexicon.words(
    "is are was were went goes go gone going been be looks seems still completely totally all"
)


def _is_down(word: str, before: str, left: int) -> bool:
    """`payment is down`, `checkout down?`; to slow down and to turn down are something else."""
    return word == "down" and (before in _BEFORE_DOWN or (left == 1 and before not in _TURNED))


_TURNED = lexicon.words("slow turn sit calm cut write put fall step break lie lay count shut")


def _says_a_time(text: str) -> bool:
    """A bare number may be the hour `at 7`, and says nothing of what is asked."""
    period = period_of(text)
    return bool(period) and (":" not in period or ":" in text or "m" in period)


def _is_status(word: str, before: str) -> bool:
    """`500s`, `503`: what a server answers when it fails; `a 500 word letter` is none."""
    if word in _STATUSES and before in ("a", "an", "of", "about", "than", "in"):
        return False
    return word.removesuffix("s").removesuffix("'") in _STATUSES


def _asks_for_a_state(words: list[str]) -> bool:
    """`is cart ok?`, `how is cart doing?`, `cart is slow`: a state, and a name to have it."""
    states = [at for at, word in enumerate(words) if word in tables.STATES]
    linked = {"is", "are", "was", "were", "how's", "looks", "seems", "feels"} & set(words)
    if not states or not linked or len(words) > _MOST_UNSURE or words[0] in _OTHER_QUESTIONS:
        return False
    if words[0] == "how" and words[1] not in linked:
        return False
    return set(words[states[-1] + 1 :]) <= _BEHIND_A_STATE


_OTHER_QUESTIONS = frozenset({"who", "what", "where", "when", "whose", "which"})
_BEHIND_A_STATE = lexicon.COMMON | lexicon.words(
    "today yesterday right actually really too again moment normally there yet or"
)


def _tells_of_a_fault(plain: Reading, words: list[str]) -> bool:
    """`customers can't pay`: somebody else than the speaker cannot do something."""
    if words[0] in lexicon.ASKING | lexicon.VERB_LEADS | lexicon.ANSWERED_BY_FACTS:
        return False
    if words[0] in lexicon.NEGATIONS | _THAT or plain.requested_actions & lexicon.EFFECTS:
        return False
    return not tables.CANNOT.isdisjoint(words[1:]) and len(words) <= _MOST_UNSURE
