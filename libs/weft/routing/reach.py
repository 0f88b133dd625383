"""Whom a request can reach, by its words and by who is there; pure.

A question about running systems goes to whoever looks into them, a request in a skill's own words
to that skill; what nobody can do, or only nobody in this mesh, is said instead of being tried.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from weft.catalog import Capability
from weft.language import lexicon
from weft.language.cues import Reading
from weft.language.entities import entities
from weft.language.frame import vocabulary
from weft.language.scope import Scope, scope_of
from weft.language.text import stem, stems
from weft.routing.capabilities import (
    HUMAN,
    CapabilityIndex,
    in_own_words,
    is_harmless,
    proposed_by,
    words_of,
)
from weft.routing.frame import GENERAL, TaskType
from weft.routing.guidance import Guidance, Stock, cannot_act, outside, what_it_can
from weft.routing.operators import asks_for_repair, operator_for, orders_an_operation

__all__ = ["Reach", "Situation", "concerned", "reach_of"]

_DIAGNOSIS = frozenset(map(stem, ("diagnose", "diagnosis", "incident", "anomaly")))
_ANSWERED: Mapping[str, JsonValue] = {
    "primary_goal": "answer",
    "secondary_goals": [],
    "domain": GENERAL,
    "risk": "low",
    "success_criteria": [],
    "requires_tools": False,
    "requires_code_generation": False,
    "requires_multi_agent": False,
}
"""What a request is that says where its answer stands."""
_OPERATED = lexicon.words("""
    restart restarting reboot deploy redeploy release rollback revert resize drain failover flush
    purge decommission terminate shutdown rotate kill page escalate notify
""")
"""Verbs for what only somebody with hands on the systems can do; no text does it."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What routing is told beside the request's words and the catalogue."""

    data: bool = False
    """There is data to look into where the request names none itself."""
    model: bool = True
    """Whoever plays a role that no card offers has a language model, which may explain reports."""
    earlier: tuple[str, ...] = ()
    """What was asked before on the thread, latest first, where the request points back to it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What becomes of a request: fields of its frame that change, and what is said at once."""

    fields: Mapping[str, JsonValue]
    guidance: Guidance | None = None


def reach_of(
    text: str, read: Mapping[str, JsonValue], index: CapabilityIndex, situation: Situation
) -> Reach:
    """Return what becomes of `text`, whose words alone make the frame `read`."""
    written, analysts = Reading.of(text), analysts_in(index)
    reading, scope = written.in_english, scope_of(written)
    if situation.earlier and analysts:
        scope = _scope_of_the_thread(scope, situation.earlier)
    operator = operator_for(index)
    fields = {} if operator is None else _operated(reading, read, analysts, operator, scope)
    if not (fields or reading.orders) and _says_where(index, reading):
        fields = {**read, **_ANSWERED}
    if fields:
        return Reach(fields)
    return _looked_into(written, read, Stock(index, analysts, situation.data), situation, scope)


def _looked_into(
    written: Reading,
    read: Mapping[str, JsonValue],
    stock: Stock,
    situation: Situation,
    scope: Scope,
) -> Reach:
    """Return what becomes of a request for which nobody acts on what runs."""
    reading, index, analysts = written.in_english, stock.index, stock.analysts
    goals = [str(read["primary_goal"]), *_texts(read["secondary_goals"])]
    ordered = _ordered(reading, scope, situation)
    undone = ordered if ordered and not _somebody_can(reading, index) else ()
    # A follow-up is for whom the thread was for.
    spoken = [reading, written, *map(Reading.of, situation.earlier)]
    matched = [e for e in _others(index, analysts) if any(in_own_words(e, r) for r in spoken)]
    if scope == "mesh" and not matched:
        return Reach({}, what_it_can(stock))
    if undone and not (scope == "data" and _asks_too(goals)):
        return Reach({}, cannot_act(undone, _services_in(reading), stock))
    note = cannot_act(undone, _services_in(reading), stock, alone=False) if undone else None
    if analysts and _goes_to_analysts(scope, matched, written, situation):
        acting = [goal for goal in goals if TaskType(goal).acts and not undone]
        acting = acting if reading.orders else []
        return Reach(_diagnosing(read, analysts, matched, acting), note)
    if not situation.model and not matched and not _someone_else_may(index, goals):
        return Reach({}, outside(stock, written.text, refuses=scope == "data" or _looks(goals)))
    return Reach({})


def _operated(
    reading: Reading,
    read: Mapping[str, JsonValue],
    analysts: Sequence[Capability],
    operator: Capability,
    scope: Scope,
) -> dict[str, JsonValue]:
    """Return the fields of a request that is for whoever acts on what runs; nothing for any other.

    Where it is asked for a diagnosis too, or only to put right what is wrong, the analysts look first.
    """
    ordered = orders_an_operation(reading)
    if not ordered and not (asks_for_repair(reading) and scope == "data"):
        return {}
    looks = not ordered or bool({"diagnose", "research"} & set(reading.goals))
    required: dict[str, JsonValue] = {"required_capabilities": [operator.id]}
    if looks and analysts:
        return {**_diagnosing(read, analysts, (), [TaskType.REMEDIATE.value]), **required}
    alone: dict[str, JsonValue] = {
        "primary_goal": TaskType.REMEDIATE.value,
        "secondary_goals": [],
        "domain": GENERAL,
        "requires_tools": True,
        "requires_code_generation": False,
        "success_criteria": [],
    }
    return {**read, **alone, **required}


def analysts_in(index: CapabilityIndex) -> tuple[Capability, ...]:
    """Return the capabilities that look into incidents and change nothing."""
    return tuple(
        capability
        for capability in index.for_domain(GENERAL)
        if is_harmless(capability)
        and capability.tool_name != HUMAN
        and _looks_into_incidents(capability)
    )


def concerned(capabilities: Iterable[Capability], goal: TaskType, text: str) -> list[Capability]:
    """Return whom a diagnosis is for: who says so, and who is called by an own word.

    Where nobody says so, all are asked: a mesh without analysts has other ways to look. Who answers
    from what is written down is no source of an incident, whatever words they share.
    """
    listed = list(capabilities)
    if goal not in (TaskType.DIAGNOSE, TaskType.MONITOR):
        return listed
    reading = Reading.of(text)
    looking = [capability for capability in listed if _looks_into_incidents(capability)]
    if not looking:
        return listed
    return [
        capability
        for capability in listed
        if capability in looking
        or ("answer" not in capability.roles and in_own_words(capability, reading))
    ]


def _scope_of_the_thread(scope: Scope, earlier: Sequence[str]) -> Scope:
    """A follow-up is about what the thread is about, unless its own words say otherwise."""
    before = {scope_of(Reading.of(text)) for text in earlier}
    return "data" if scope in ("unsure", "other") and "data" in before else scope


def _goes_to_analysts(
    scope: Scope, matched: Sequence[Capability], reading: Reading, situation: Situation
) -> bool:
    if scope == "data":
        return True
    if scope != "unsure" or matched:
        return False
    # A model that answers has the analysts as tools; one that argues or judges has nothing to see.
    answered = set(reading.goals) <= {"answer", "explain"} and reading.english
    return situation.data and not (situation.model and answered)


def _diagnosing(
    read: Mapping[str, JsonValue],
    analysts: Sequence[Capability],
    matched: Sequence[Capability],
    acting: Sequence[str],
) -> dict[str, JsonValue]:
    shared = frozenset.intersection(*(capability.domains for capability in analysts))
    outsiders = any(capability.domains.isdisjoint(shared) for capability in matched)
    fields: dict[str, JsonValue] = {
        "primary_goal": "diagnose",
        "secondary_goals": list(acting),
        "domain": min(shared) if shared and not outsiders else GENERAL,
        "requires_tools": True,
    }
    if not acting:
        fields |= {"requires_code_generation": False, "success_criteria": [], "risk": "low"}
    return {**read, **fields}


def _ordered(reading: Reading, scope: Scope, situation: Situation) -> tuple[str, ...]:
    """Return the verbs of what is to be done; a question may tell of effects without wanting any."""
    orders = reading.orders
    if not orders and scope != "data":
        orders = [
            word.text
            for word in reading.effects
            if not word.quoted and not reading.only_tells_of(word)
        ]
    return tuple(verb for verb in orders if not situation.model or " " in verb or verb in _OPERATED)


def _somebody_can(reading: Reading, index: CapabilityIndex) -> bool:
    """Tell whether somebody here can carry out what is ordered."""
    if index.for_role("execute"):
        return True
    acting = operator_for(index)
    able = [
        capability
        for capability in index.for_domain(GENERAL)
        if not is_harmless(capability) and capability != acting
    ]
    return any(_does(capability, reading) for capability in able)


def _does(capability: Capability, reading: Reading) -> bool:
    """Tell whether a capability with effects speaks of what is ordered."""
    return not reading.topics.isdisjoint(vocabulary(words_of(capability))) or in_own_words(
        capability, reading
    )


def _looks(goals: Sequence[str]) -> bool:
    """Tell whether somebody has to look at systems."""
    return any(TaskType(goal) in (TaskType.DIAGNOSE, TaskType.MONITOR) for goal in goals)


def _asks_too(goals: Sequence[str]) -> bool:
    return any(not TaskType(goal).acts for goal in goals)


def _others(index: CapabilityIndex, analysts: Sequence[Capability]) -> list[Capability]:
    """Return who else is there for a request in his own words; an operator is for orders alone."""
    acting = operator_for(index)
    return [
        capability
        for capability in index.for_domain(GENERAL)
        if capability not in analysts and capability != acting and proposed_by(capability) is None
    ]


def _someone_else_may(index: CapabilityIndex, goals: Sequence[str]) -> bool:
    """Tell whether somebody plays a role that the goals need, or may act."""
    acts = any(TaskType(goal).acts for goal in goals)
    codes = {"code"} if TaskType.GENERATE_CODE.value in goals else set[str]()
    roles = index.roles() & {"answer", "plan", "execute", "argue", *codes}
    return bool(roles) or (acts and any(not is_harmless(e) for e in index.for_domain(GENERAL)))


def _says_where(index: CapabilityIndex, reading: Reading) -> bool:
    """Tell whether the words say where to look it up: in what somebody who answers is tagged with."""
    players = index.for_role("answer")
    tags = stems(tag for player in players for tag in player.tags if ":" not in tag)
    return not tags.isdisjoint(reading.topics)


def _looks_into_incidents(capability: Capability) -> bool:
    return not _DIAGNOSIS.isdisjoint(vocabulary(words_of(capability)))


def _services_in(reading: Reading) -> tuple[str, ...]:
    """Return the services that a request names."""
    return tuple(entity.text for entity in entities(reading) if entity.kind == "service")


def _texts(listed: JsonValue) -> list[str]:
    return [str(item) for item in listed] if isinstance(listed, list) else []
