"""What is wrong with a plan's JSON, all of it at once.

It reads plain JSON of any shape, so that a plan with one misspelt field still hears of its bad
references.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from pydantic import JsonValue, ValidationError

from weft.core import JsonObject, Path, dumps
from weft.core.errors import ConfigError
from weft.loop import output_form
from weft.plan import placeholders
from weft.plan.errors import Fault

MAX_BYTES = 256_000
MAX_NODES = 200
MAX_DEPTH = 12
_TARGETS = ("capability", "peer", "role")
_TAG = re.compile(r"[a-z]++")
_STEP_KEYS = {"verdict": "verdict", "data": "data", "text": "text", "tool": "at"}

Seen = frozenset[str]
_Below = list[tuple[str, JsonValue]]
"""The nodes below one, each with its place."""


def shape_faults(raw: JsonValue, error: ValidationError) -> list[Fault]:
    """Return pydantic's findings with the ids and the JSON pointer of each."""
    faults = []
    for detail in error.errors(include_url=False):
        ids, pointer = _locate(raw, detail["loc"])
        fault = Fault(ids, pointer, detail["msg"])
        # An item that failed is missing for pydantic, though somebody wrote it.
        echo = detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]
        if not echo and fault not in faults:
            faults.append(fault)
    return faults


def faults_in(raw: JsonValue) -> list[Fault]:
    """Return what no schema can say: duplicates, references, placeholders and sizes."""
    walk = _Walk()
    if isinstance(raw, dict):
        walk.node(raw.get("root"), _Spot(), frozenset())
        if walk.count > MAX_NODES:
            walk.faults.append(Fault((), "/root", f"{walk.count} nodes; at most {MAX_NODES}"))
        if len(dumps(raw)) > MAX_BYTES:
            walk.faults.append(Fault((), "", f"larger than {MAX_BYTES} bytes"))
    return walk.faults


@dataclass(frozen=True, slots=True)
class _Spot:
    ids: Path = ()
    pointer: str = "/root"
    depth: int = 1

    def below(self, pointer: str) -> "_Spot":
        return _Spot(self.ids, f"{self.pointer}/{pointer}", self.depth + 1)


@dataclass(slots=True)
class _Walk:
    faults: list[Fault] = field(default_factory=list)
    count: int = 0

    def node(self, raw: JsonValue | None, spot: _Spot, seen: Seen) -> Seen:
        """Check a subtree; return the ids of the steps that have ended after it."""
        if not isinstance(raw, dict):
            return frozenset()
        self.count += 1
        name = raw.get("id")
        spot = _Spot((*spot.ids, name if isinstance(name, str) else "?"), spot.pointer, spot.depth)
        if spot.depth > MAX_DEPTH:
            self._fault(spot, f"deeper than {MAX_DEPTH}")
            return frozenset()
        below = list(_children(raw))
        self._siblings(raw, below, spot)
        self._own(raw, spot, seen)
        ended = self._below(raw, below, spot, seen)
        ended |= self.node(raw.get("fallback"), spot.below("fallback"), seen)
        return ended | {spot.ids[-1]}

    def _own(self, raw: JsonObject, spot: _Spot, seen: Seen) -> None:
        kind = raw.get("kind")
        if kind == "call":
            if not any(raw.get(target) for target in _TARGETS):
                self._fault(spot, "a call needs a capability, a peer or a role")
            if raw.get("capability") and raw.get("peer"):
                self._fault(spot, "a call has one target: capability or peer")
            self._prompt(raw.get("prompt"), spot, seen)
            self._form(raw.get("output_schema"), spot)
        elif kind == "parallel":
            self._joined(raw, spot)
        elif kind == "judge":
            self._reference(raw.get("of"), spot, "of", seen)
        elif kind == "synthesize":
            for step in _items(raw.get("of")):
                self._reference(step, spot, "of", seen)
        elif kind == "gate":
            for step in _items(raw.get("shows")):
                self._reference(step, spot, "shows", seen)

    def _below(self, raw: JsonObject, below: _Below, spot: _Spot, seen: Seen) -> Seen:
        kind = raw.get("kind")
        if kind == "sequence":
            return self._steps(below, spot, seen)
        ended: Seen = frozenset()
        for key, child in below:
            ended |= self.node(child, spot.below(key), seen)
        if kind == "loop":
            self._condition(raw.get("until"), spot, "until", seen | ended)
        elif kind == "choose":
            for index, case in enumerate(_items(raw.get("cases"))):
                when = case.get("when") if isinstance(case, dict) else None
                self._condition(when, spot, f"cases/{index}/when", seen)
        return ended

    def _steps(self, below: _Below, spot: _Spot, seen: Seen) -> Seen:
        ended: Seen = frozenset()
        for key, child in below:
            ended |= self.node(child, spot.below(key), seen | ended)
        return ended

    def _siblings(self, raw: JsonObject, below: _Below, spot: _Spot) -> None:
        used: set[str] = set()
        for child in (*(child for _, child in below), raw.get("fallback")):
            name = child.get("id") if isinstance(child, dict) else None
            if isinstance(name, str) and name in used:
                self._fault(spot, f"duplicate id {name!r}")
            used.add(str(name))

    def _joined(self, raw: JsonObject, spot: _Spot) -> None:
        branches, quorum = len(_items(raw.get("branches"))), raw.get("quorum")
        if (raw.get("join") == "quorum") != (quorum is not None):
            self._fault(spot, "quorum stands with join 'quorum', and only there")
        elif raw.get("replans") and raw.get("join") != "synthesize":
            self._fault(spot, "replans stands with join 'synthesize'", "replans")
        elif isinstance(quorum, int) and quorum > branches:
            self._fault(spot, f"quorum {quorum} of {branches} branches", "quorum")

    def _prompt(self, prompt: JsonValue | None, spot: _Spot, seen: Seen) -> None:
        if not isinstance(prompt, str):
            return
        for name in placeholders.names(prompt):
            if not placeholders.is_known(name):
                self._fault(spot, f"unknown placeholder {{{name}}}", "prompt")
            elif name.startswith("step."):
                self._reference(name[5:], spot, "prompt", seen)

    def _form(self, schema: JsonValue | None, spot: _Spot) -> None:
        if not isinstance(schema, dict):
            return
        try:
            output_form(schema)
        except ConfigError as error:
            self._fault(spot, str(error), "output_schema")

    def _condition(self, raw: JsonValue | None, spot: _Spot, key: str, seen: Seen) -> None:
        for step in _referenced(raw):
            self._reference(step, spot, key, seen)

    def _reference(self, step: JsonValue | None, spot: _Spot, key: str, seen: Seen) -> None:
        if isinstance(step, str) and step not in seen:
            self._fault(spot, f"step {step!r} cannot have finished here", key)

    def _fault(self, spot: _Spot, message: str, key: str = "") -> None:
        pointer = f"{spot.pointer}/{key}" if key else spot.pointer
        self.faults.append(Fault(spot.ids, pointer, message))


def children(raw: JsonObject) -> Iterator[JsonObject]:
    """Yield the nodes below a node, as `children()` of the model does."""
    for _, child in _children(raw):
        yield as_object(child)


def as_object(raw: JsonValue | None) -> JsonObject:
    return raw if isinstance(raw, dict) else {}


def _children(raw: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    for key in ("steps", "branches"):
        for index, child in enumerate(_items(raw.get(key))):
            yield f"{key}/{index}", child
    for index, case in enumerate(_items(raw.get("cases"))):
        if isinstance(case, dict):
            yield f"cases/{index}/then", case.get("then")
    for key in ("body", "default"):
        if isinstance(raw.get(key), dict):
            yield key, raw[key]


def _referenced(raw: JsonValue | None) -> Iterator[JsonValue]:
    if not isinstance(raw, dict):
        return
    for key in ("all", "any"):
        for side in _items(raw.get(key)):
            yield from _referenced(side)
    yield from _referenced(raw.get("not"))
    for key, names in _STEP_KEYS.items():
        if key in raw and names in raw:
            yield raw[names]


def _items(value: JsonValue | None) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _locate(raw: JsonValue, loc: tuple[int | str, ...]) -> tuple[Path, str]:
    """Follow pydantic's location through the JSON, leaving out the tags of its unions."""
    ids: list[str] = []
    pointer = ""
    here: JsonValue = raw
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if _has(here, part):
            here = here[part]  # type: ignore[index]
            pointer += f"/{part}"
            if isinstance(here, dict) and isinstance(here.get("id"), str) and part != "frame":
                ids.append(str(here["id"]))
        elif (last and not _TAG.fullmatch(str(part))) or (last and isinstance(here, dict)):
            pointer += f"/{part}"
    return tuple(ids), pointer


def _has(value: JsonValue, part: int | str) -> TypeGuard[JsonValue]:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)
