"""What the peers in view can do, at one revision of the catalogue, for one caller."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from zlib import crc32

from weft.catalog import Capability, Effects, Offers, RiskLevel
from weft.core import JsonValue, Principal, ToolSpec, canonical
from weft.core.errors import InputError, did_you_mean
from weft.language.cues import Reading, topic_stems
from weft.language.frame import CapabilityWords, vocabulary
from weft.language.text import name_words, stem, stems
from weft.routing.frame import GENERAL, GoalFrame, Level, TaskType, highest

HUMAN = "$human"
"""The tool name of a person: its call is a question."""
EFFECTS_UNSAID = "it is not tagged effects:none, and this part only reads"
PROPOSES = "proposes:"
"""Before the id of the skill of which a tagged one says what it would do."""
TESTS = "tests:"
"""Before the name of the tool with which a tagged one, who writes code, tests it."""
_WORDS = re.compile(r"[A-Za-z0-9]+")
_OWN_WORD, _EXAMPLE_WORD = 3, 2
"""The least weights of a word that says what a skill is for, of its tags or name, and of one of its examples."""
_HALF = 0.5
"""Of what a request is about, so much stands in the examples of a skill that it is for."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What stands behind the ids asked for; none is dropped silently."""

    capabilities: tuple[Capability, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownWords:
    """Of a text, the words that cards of an index have, too: all that choosing among them reads."""

    described: frozenset[str]
    """Stems that some card describes a skill with, or that name a provider."""
    topics: frozenset[str]
    """Those of them that the text is about."""
    about: int
    """How many stems the text is about, unknown ones included."""
    overlapping: frozenset[str]
    """Stems that rank skills by what they share with the text."""


@dataclass(frozen=True, slots=True)
class Eligible:
    """What a part may use, and what it may not, with the reason."""

    capabilities: tuple[Capability, ...]
    left_out: Mapping[str, str]


class CapabilityIndex:
    """Immutable; a new card is a new index."""

    def __init__(
        self,
        capabilities: Iterable[Capability] = (),
        *,
        tools: Iterable[ToolSpec] = (),
        revision: int = 0,
        problems: Iterable[str] = (),
    ) -> None:
        """`tools` are local ones; each is a capability of its own name until annotated.

        `problems` are what cards say and nobody can read.
        """
        merged: dict[str, Capability] = {}
        for capability in (*capabilities, *map(_local, tools)):
            earlier = merged.get(capability.id)
            merged[capability.id] = capability if earlier is None else _joint(earlier, capability)
        self.revision = revision
        self.problems = tuple(dict.fromkeys(problems))
        self._by_id = dict(sorted(merged.items()))

    @property
    def content_revision(self) -> int:
        """Return a number that equal capabilities share, and others hardly ever."""
        rows: list[JsonValue] = []
        for capability in self._by_id.values():
            fields = capability.to_json()
            for name, value in fields.items():
                if isinstance(value, list):
                    # Sets come in another order in each process.
                    fields[name] = [*sorted(map(str, value))]
            rows.append(fields)
        return crc32(canonical([*rows, *self.problems]))

    @classmethod
    def of(
        cls, offers: Offers, principal: Principal, *, tools: Iterable[ToolSpec] = ()
    ) -> "CapabilityIndex":
        """Return the index of what `principal` may call."""
        callable_now = [p for p in offers.providers if p.serves(principal)]
        allowed = [
            capability.model_copy(update={"providers": (provider.service,)})
            for provider in callable_now
            for capability in provider.capabilities
        ]
        problems = [
            f"card of {p.service}: {problem}" for p in callable_now for problem in p.problems
        ]
        return cls(allowed, tools=tools, revision=offers.revision, problems=problems)

    def annotate(
        self,
        tool: str,
        *,
        id: str | None = None,  # noqa: A002 - what a capability is called everywhere
        domain: str | None = None,
        risk: RiskLevel | None = None,
    ) -> "CapabilityIndex":
        """Return an index that says more of a local tool than the tool does of itself.

        Raises:
            InputError: There is no tool of this name.
        """
        before = next((e for e in self._by_id.values() if e.tool_name == tool), None)
        if before is None:
            names = [e.tool_name for e in self._by_id.values() if e.tool_name]
            raise InputError(f"there is no tool {tool!r}{did_you_mean(tool, names)}", field="tool")
        domains = before.domains if domain is None else frozenset({domain})
        after = before.model_copy(
            update={"id": id or before.id, "domains": domains, "risk": risk or before.risk}
        )
        others = (e for e in self._by_id.values() if e is not before)
        return CapabilityIndex((*others, after), revision=self.revision, problems=self.problems)

    def all(self) -> tuple[Capability, ...]:
        return tuple(self._by_id.values())

    def ids(self) -> tuple[str, ...]:
        return tuple(self._by_id)

    def lookup(self, ids: Sequence[str]) -> Lookup:
        """Find capabilities by id, or one agent's by `agent/skill`."""
        capabilities, unknown = [], []
        for name in ids:
            capability = self._find(name)
            if capability is None:
                unknown.append(name)
            else:
                capabilities.append(capability)
        return Lookup(tuple(capabilities), tuple(unknown))

    @cached_property
    def words(self) -> tuple[CapabilityWords, ...]:
        """What the rules that read requests know each capability by."""
        return tuple(map(words_of, self._by_id.values()))

    def known_words(self, text: str) -> KnownWords:
        """Return what of `text` says anything of anybody here.

        Of two texts with the same known words, `in_own_words` and `by_overlap` say the same.
        """
        described, overlapping = self._known_words
        reading = Reading.of(text)
        return KnownWords(
            _spoken(reading) & described,
            reading.topics & described,
            len(reading.topics),
            stems(_WORDS.findall(text.lower())) & overlapping,
        )

    @cached_property
    def _known_words(self) -> tuple[frozenset[str], frozenset[str]]:
        described: set[str] = set()
        overlapping: set[str] = set()
        for capability in self._by_id.values():
            described |= vocabulary(words_of(capability)).keys() | _named(capability)
            overlapping |= _vocabulary(*_text_of(capability))
        return frozenset(described), frozenset(overlapping)

    def for_domain(self, domain: str) -> tuple[Capability, ...]:
        """Return what works in `domain`, without what only plays roles."""
        return tuple(
            capability
            for capability in self._by_id.values()
            if not _only_plays_roles(capability)
            and (domain == GENERAL or not capability.domains or domain in capability.domains)
        )

    def for_role(self, role: str) -> tuple[Capability, ...]:
        return tuple(capability for capability in self._by_id.values() if role in capability.roles)

    def roles(self) -> frozenset[str]:
        return frozenset().union(*(capability.roles for capability in self._by_id.values()))

    def domains(self) -> frozenset[str]:
        return frozenset().union(*(capability.domains for capability in self._by_id.values()))

    def eligible(self, frame: GoalFrame, goal: TaskType, required: Sequence[str]) -> Eligible:
        """Return what a part of `frame` may use, required ones first and in the given order."""
        wanted = self.lookup(required).capabilities
        kept, left_out = list(wanted), dict[str, str]()
        for capability in self.for_domain(frame.domain):
            if capability.id in required or capability in wanted:
                continue
            reason = _unfit(capability, frame, goal)
            if reason is None:
                kept.append(capability)
            else:
                left_out[capability.id] = reason
        return Eligible(tuple(kept), left_out)

    def _find(self, name: str) -> Capability | None:
        direct = self._by_id.get(name)
        if direct is not None:
            return direct
        agent, slash, skill = name.rpartition("/")
        capability = self._by_id.get(skill) if slash else None
        if capability is None or agent not in capability.providers:
            return None
        return capability.model_copy(update={"id": name, "providers": (agent,)})


def by_overlap(capabilities: Iterable[Capability], goal: str) -> list[Capability]:
    """Return the capabilities that share most words with `goal` first, then by id."""
    wanted = stems(_WORDS.findall(goal.lower()))
    return sorted(
        capabilities,
        key=lambda capability: (-len(wanted & _vocabulary(*_text_of(capability))), capability.id),
    )


def in_own_words(capability: Capability, reading: Reading) -> bool:
    """Tell whether a text names the capability or who provides it, or is like its examples."""
    weighted, spoken = vocabulary(words_of(capability)), _spoken(reading)
    if any(weighted.get(topic, 0) >= _OWN_WORD for topic in spoken):
        return True
    if not spoken.isdisjoint(_named(capability)):
        return True
    # Examples are sentences: one word in common says nothing, half of what is said does.
    topics = reading.topics
    shown = sum(weighted.get(topic, 0) >= _EXAMPLE_WORD for topic in topics)
    return bool(topics) and shown >= _HALF * len(topics)


def words_of(capability: Capability) -> CapabilityWords:
    """Return what the rules that read requests know `capability` by."""
    return _words(*_text_of(capability), capability.domains)


def is_harmless(capability: Capability) -> bool:
    """Tell whether a reading part may use it; who says nothing is taken to have effects."""
    return capability.effects == "none"


def proposed_by(capability: Capability) -> str | None:
    """Return the id of the skill for which `capability` proposes; None where it does something else."""
    return _tagged(capability, PROPOSES)


def tested_with(capabilities: Iterable[Capability]) -> str | None:
    """Return the tool with which whoever writes the code tests it; None unless all use that one."""
    tools = {_tagged(capability, TESTS) for capability in capabilities}
    return tools.pop() if len(tools) == 1 else None


def _tagged(capability: Capability, kind: str) -> str | None:
    tags = (tag for tag in sorted(capability.tags) if tag.startswith(kind))
    return next((tag.removeprefix(kind) for tag in tags), None)


def _unfit(capability: Capability, frame: GoalFrame, goal: TaskType) -> str | None:
    if capability.tool_name == HUMAN:
        return "a person is asked only when required"
    if (skill := proposed_by(capability)) is not None:
        return f"it is asked only before {skill}"
    if Level(capability.risk).rank > frame.risk.rank:
        return f"its risk {capability.risk} is above the goal's {frame.risk}"
    if not goal.acts and not is_harmless(capability):
        return EFFECTS_UNSAID
    return None


def _only_plays_roles(capability: Capability) -> bool:
    return bool(capability.roles) and not capability.domains and capability.tool_name is None


def _joint(first: Capability, second: Capability) -> Capability:
    """Two providers of one id: as risky as the riskier, as free of effects as neither doubts."""
    effects: Effects = "none" if first.effects == second.effects == "none" else "unknown"
    return first.model_copy(
        update={
            "domains": first.domains | second.domains if first.domains and second.domains
            else frozenset(),
            "risk": highest(Level(first.risk), Level(second.risk)).value,
            "roles": first.roles | second.roles,
            "tags": first.tags | second.tags,
            "effects": effects,
            "providers": tuple(sorted({*first.providers, *second.providers})),
        }
    )  # fmt: skip


def _local(tool: ToolSpec) -> Capability:
    return Capability(
        id=tool.name,
        description=tool.description,
        effects="none" if "read" in tool.labels else "unknown",
        tool_name=tool.name,
        tags=tool.tags,
        examples=tool.examples,
    )


def _named(capability: Capability) -> frozenset[str]:
    return frozenset([stem(provider.lower()) for provider in capability.providers])


def _spoken(reading: Reading) -> frozenset[str]:
    return reading.topics | topic_stems(
        part for word in reading.spoken for part in name_words(word)
    )


def _text_of(capability: Capability) -> tuple[str, str, tuple[str, ...], frozenset[str]]:
    return capability.id, capability.description, capability.examples, capability.tags


@lru_cache(maxsize=2048)
def _vocabulary(
    name: str, description: str, examples: tuple[str, ...], tags: frozenset[str]
) -> frozenset[str]:
    text = " ".join((description, *examples, *(tag for tag in tags if ":" not in tag)))
    return stems([*name_words(name), *_WORDS.findall(text.lower())])


@lru_cache(maxsize=2048)
def _words(
    name: str,
    description: str,
    examples: tuple[str, ...],
    tags: frozenset[str],
    domains: frozenset[str],
) -> CapabilityWords:
    return CapabilityWords(name, description, tuple(sorted(tags)), examples, tuple(sorted(domains)))
