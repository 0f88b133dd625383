"""What a question asks about recorded data: its kind, the names in it, and its time words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from weft.language import lexicon
from weft.language import question_words as tables
from weft.language.courtesy import without_courtesy
from weft.language.cues import Reading
from weft.language.entities import Entity, entities
from weft.language.periods import period_of
from weft.language.spelling import Spelling
from weft.language.text import Phrases, Word, kept_of_short_texts

__all__ = ["EARLIER", "Question", "QuestionKind"]

QuestionKind = Literal[
    "fix", "compare", "calls", "affected", "worst", "services", "evidence", "recovery", "summary",
    "rate", "count", "moment", "changes", "timeline", "cause", "slowest", "errors", "health", "metric",
]  # fmt: skip
EARLIER = "Earlier on this thread: "
"""Begins the line behind a follow-up that says what it follows."""

_TWO = 2
KINDS_BY_PHRASE = Phrases(tables.KIND_PHRASES)
_BEFORE_A_NAME = frozenset({"of", "in", "at", "for", "on", "from", "about", "with", "by", "only"})
_STATE_VERBS = frozenset({"is", "are", "was", "were", "how's", "does", "do", "has"})
_STATUS = re.compile(r"[45]\d\d(?:s|'s)?")
_WHOLE_NAME = re.compile(r"[a-z][\w./-]*+")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, read by rules; what it follows fills in what it leaves out."""

    text: str
    kind: QuestionKind
    names: tuple[str, ...]
    """Words that may name a part of the data, surest first."""
    subjects: tuple[str, ...]
    """Those of `names` that stand where only a name can: what is asked about."""
    period: str
    """Its time words, such as `before 09:20` or `last 30 minutes`."""
    english: bool
    measures: tuple[str, ...] = ()
    """How what it asks to have measured may be called: `memory` is also `heap` and `rss`."""
    language: str = ""
    """The other language that single words of it were read in; none where it was read in English."""
    cues: tuple[str, ...] = ()
    """Those words, in English."""

    @classmethod
    def of(cls, text: str) -> "Question":
        """Read `text`, and for what it does not say the lines of what it follows."""
        own, *earlier = text.split(f"\n{EARLIER}")
        read = _read(own)
        for before in earlier:
            read = read.following(_read(before))
        return read

    def following(self, before: "Question") -> "Question":
        """Return this question with what `before`, on the same thread, says and it does not."""
        return Question(
            self.text,
            self.kind if _shows_a_kind(self.text) else before.kind,
            self.names or before.names,
            self.subjects or (() if self.names else before.subjects),
            self.period or before.period,
            self.english,
            self.measures or before.measures,
            self.language,
            self.cues,
        )

    @classmethod
    def alone(cls, text: str) -> "Question":
        """Read `text`, which follows nothing."""
        spoken = Reading.of(text)
        reading = as_meant(spoken.in_english)
        named = entities(reading)
        subjects = tuple(dict.fromkeys(_subjects(reading, named)))
        names = tuple(dict.fromkeys((*subjects, *_names(reading))))
        kind = _kind(reading)
        if kind in _WEIGHED and len(names) > 1 and _weighs(reading):
            kind, subjects = "compare", subjects if len(subjects) > 1 else names
        elif kind == "compare" and len(subjects) < _TWO:
            subjects = names
        gloss = spoken.gloss
        return cls(
            text,
            kind,
            names,
            subjects,
            period_of(reading.text),
            spoken.english,
            _measures(reading),
            "" if gloss is None else gloss.language,
            () if gloss is None else gloss.cues,
        )


@kept_of_short_texts
def _read(text: str) -> Question:
    return Question.alone(text)


_WEIGHED = ("health", "cause", "slowest", "worst", "errors")


def as_meant(reading: Reading) -> Reading:
    """Return the request alone, its slips mended: what stands around it asks for nothing."""
    return _as_meant(reading.text)


@kept_of_short_texts
def _as_meant(text: str) -> Reading:
    alone = Reading.of(without_courtesy(text))
    return replace(alone, words=[_mended(word) for word in alone.words])


def _mended(word: Word) -> Word:
    meant = _SPELLING.meant(word.text)
    return word if meant == word.text else replace(word, text=meant)


_SPELLING = Spelling(
    frozenset().union(
        *tables.KIND_WORDS.values(),
        tables.SERVICE_WORDS,
        {"which", "incident"},
        tables.NOUNS,
        lexicon.SYMPTOMS,
    ),
    besides=lexicon.COMMON | {"cases", "cased", "filed", "filing", "cashes", "fated", "causal"},
)


def _measures(reading: Reading) -> tuple[str, ...]:
    called = [tables.MEASURES[word.text] for word in reading.words if word.text in tables.MEASURES]
    return tuple(name for names in called for name in names.split())


def _weighs(reading: Reading) -> bool:
    """`is it payment or inventory?`."""
    words = [word.text for word in reading.words]
    weighing = words[0] in _STATE_VERBS or not {"which", "what", "who"}.isdisjoint(words)
    return weighing and "or" in words


def shown_kinds(reading: Reading) -> tuple[QuestionKind, ...]:
    """Return the kinds whose words or phrases are used, the one that counts first."""
    shown = {label for _, _, label in KINDS_BY_PHRASE.find(reading.words)}
    for word in reading.words:
        shown.update(kind for kind, listed in tables.KIND_WORDS.items() if word.text in listed)
        if _STATUS.fullmatch(word.text):
            shown.add("errors")
    if any(goal == "compare" for goal in reading.goals):
        shown.add("compare")
    spoken = [word.text for word in reading.words]
    if _asks_for_the_moment(spoken):
        shown.add("moment")
    if spoken[:1] in (["how"], ["what"], ["which"]) and not tables.MENDING.isdisjoint(spoken):
        shown.add("fix")
    if not tables.BREAKING.isdisjoint(spoken) and "if" in spoken and _asks_what(spoken):
        shown.add("calls")
    if spoken[:1] and spoken[0] in _STATE_VERBS | {"can"} and "again" in spoken:
        shown.add("recovery")
    if any(word in tables.SERVICE_WORDS for word in spoken) and _SERVICES_ALONE.issuperset(spoken):
        shown.add("services")
    if not tables.SERVICE_WORDS.isdisjoint(spoken) and not _EXISTS.isdisjoint(spoken):
        shown.add("services")
    return tuple(kind for kind in get_args(QuestionKind) if kind in shown)


def _asks_for_the_moment(spoken: list[str]) -> bool:
    return "when" in spoken and not tables.BEGINNINGS.isdisjoint(spoken[spoken.index("when") :])


def _asks_what(spoken: list[str]) -> bool:
    return not {"what", "which", "who", "whats", "what's"}.isdisjoint(spoken)


_EXISTS = frozenset({"exist", "exists", "existing"})
_SERVICES_ALONE = tables.SERVICE_WORDS | tables.LISTING | lexicon.words("the all our of names name")

_SYMPTOMATIC = ("cause", "slowest", "errors", "health", "metric")


def _shows_a_kind(text: str) -> bool:
    return bool(shown_kinds(as_meant(Reading.of(text).in_english)))


def _kind(reading: Reading) -> QuestionKind:
    kinds = shown_kinds(reading)
    spoken = {word.text for word in reading.words}
    first = reading.words[0].text if reading.words else ""
    if first in tables.DEMANDING and kinds[:1] not in (("fix",), ("compare",)):
        return "cause"
    near = [kind for kind in kinds if kind not in _SYMPTOMATIC]
    if near:
        return _nearest(near, reading)
    statement = _is_statement(reading)
    is_told = not kinds or statement or not spoken.isdisjoint(tables.KIND_WORDS["cause"])
    if not is_told and not spoken.isdisjoint(tables.SUPERLATIVES):
        return "slowest"
    if is_told or "cause" in kinds:
        return "cause"
    return _of_a_symptom(kinds, reading)


def _nearest(near: list[QuestionKind], reading: Reading) -> QuestionKind:
    if near[0] == "compare" and "changes" in near and next(_names(reading), None) is None:
        return "changes"  # `what is different from before?` holds no two things against each other
    if near[0] == "count" and reading.has(_RATES):
        return "metric"  # `how many requests per second?` asks how fast they come
    return near[0]


_RATES = Phrases({"rate": "per second; a second; per minute; each second"})


def _of_a_symptom(kinds: tuple[QuestionKind, ...], reading: Reading) -> QuestionKind:
    """`is payment failing?` asks for its health, `are there failures?` for the failures."""
    exists = len(reading.words) > 1 and reading.words[1].text == "there"
    if (reading.words[0].text in _STATE_VERBS and not exists) or "health" in kinds[:1]:
        return "health"
    return kinds[0]


def _is_statement(reading: Reading) -> bool:
    if not reading.words or "?" in reading.text:
        return False
    first = reading.words[0].text
    opens = lexicon.ASKING | tables.LISTING | lexicon.ANSWERED_BY_FACTS | _STATE_VERBS
    return first not in opens and first not in tables.DEMANDING and not _is_noun_phrase(reading)


def _is_noun_phrase(reading: Reading) -> bool:
    """`errors in payment` without a verb is short for showing them."""
    first, last = reading.words[0].text, reading.words[-1].text
    spoken = {word.text for word in reading.words}
    if not spoken.isdisjoint(tables.SUPERLATIVES):
        return True
    if len(reading.words) >= _SHORT or not spoken.isdisjoint(_STATE_VERBS | tables.CANNOT):
        return False
    opens = any(first in listed for listed in tables.KIND_WORDS.values())
    opens = opens or any(
        word.text in tables.NOUNS and _around(reading, at, 1) in _BEFORE_A_NAME
        for at, word in enumerate(reading.words)
    )
    opens = opens or any(at == 0 for at, _, _ in KINDS_BY_PHRASE.find(reading.words))
    return opens or last in tables.NOUNS or not spoken.isdisjoint(tables.MEASURES.keys())


_SHORT = 10


def _subjects(reading: Reading, named: tuple[Entity, ...]) -> Iterator[str]:
    for entity in named:
        if entity.kind == "pair" and entity.name in _NAMING:
            yield str(entity.value).lower()
    pairs = [entity for entity in named if entity.kind == "pair"]
    paired = {word for pair in pairs for word in (pair.name, str(pair.value).lower())}
    # `top errors` and `payment errors` look the same: such a word is a name only if the data say so.
    loose = {
        word.start
        for index, word in enumerate(reading.words)
        if _around(reading, index, 1) in lexicon.SYMPTOMS
    }
    for entity in named:
        name = entity.text.lower()
        if entity.kind == "service" and entity.start not in loose and name not in paired:
            yield from (name,) if name not in _NO_SERVICE or _is_so_named(reading, name) else ()
    for index, word in enumerate(reading.words):
        free = word.text not in paired and not word.quoted
        if free and _may_name(word.text) and _in_a_names_place(reading, index):
            yield word.text


def _is_so_named(reading: Reading, name: str) -> bool:
    """`the recommendation service`: a plain word, and a name."""
    spoken = [word.text for word in reading.words]
    behind = spoken[spoken.index(name) + 1 :][:1] if name in spoken else []
    return name in tables.NAMED_SO and behind == ["service"]


_NAMING = frozenset({"service", "app", "job", "pod", "deployment", "container", "component"})


def _in_a_names_place(reading: Reading, index: int) -> bool:
    """`is X ok`, `errors in X`, `X is slow`, `compare X and Y`, `X or Y`."""
    before, after = _around(reading, index, -1), _around(reading, index, 1)
    if before in ("the", "our"):
        before = _around(reading, index, -2)
    if before in _STATE_VERBS and after in tables.STATES | {"or", "and", ""}:
        return True
    if after in ("is", "was", "are", "were") and _around(reading, index, 2) in tables.STATES:
        return before in ("", "and", "think", "that", "because")
    if before in _STATE_VERBS and after in ("the", "to", "at", "a", "our"):
        return _around(reading, index, 2) in tables.BLAMED
    if before in ("compare", "between", "versus", "vs") or after in ("versus", "vs"):
        return True
    return before in _BEFORE_A_NAME and after in ("", "service", "?") and _measured(reading)


def _measured(reading: Reading) -> bool:
    measurable = lexicon.METRICS | tables.TELEMETRY | tables.HALF
    return bool(shown_kinds(reading)) or any(word.text in measurable for word in reading.words)


def _around(reading: Reading, index: int, step: int) -> str:
    at = index + step
    if not 0 <= at < len(reading.words):
        return ""
    word = reading.words[at]
    return word.text if word.sentence == reading.words[index].sentence else ""


def _names(reading: Reading) -> Iterator[str]:
    """Yield every word that could name something; whether it does, the data say."""
    spoken = (word.text.removesuffix("'s") for word in reading.words)
    return (word for word in spoken if _may_name(word))


_NEVER = frozenset().union(
    tables.GENERIC, lexicon.COMMON, lexicon.SYMPTOMS, tables.STATES, tables.LISTING,
    tables.DEMANDING, lexicon.ANSWERED_BY_FACTS, lexicon.NEGATIONS, lexicon.VERB_LEADS,
    lexicon.CLAUSE_BREAKS, *tables.KIND_WORDS.values(), {"compare", "versus", "vs"},
)  # fmt: skip


_NO_SERVICE = tables.GENERIC | lexicon.COMMON | tables.STATES


def _may_name(word: str) -> bool:
    return word not in _NEVER and _WHOLE_NAME.fullmatch(word) is not None
