"""Every declared event is told by some code, what is told is declared, and its form is pinned."""

import ast
import json
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from weft.core import JsonObject
from weft.events import Event

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "libs" / "events" / "samples.json"
DEPLOYABLES = ("router_service", "gateway", "services")


@cache
def modules() -> dict[str, ast.Module]:
    """Return every production module by its name."""
    found = dict.fromkeys((ROOT / "libs" / "weft").rglob("*.py"), ROOT / "libs")
    for name in DEPLOYABLES:
        found |= dict.fromkeys((ROOT / name).rglob("*.py"), ROOT)
    return {
        ".".join(path.relative_to(base).with_suffix("").parts): ast.parse(path.read_text())
        for path, base in found.items()
        if "testing" not in path.parts
    }


@cache
def declared() -> dict[str, type[Event]]:
    """Return the record of each event type."""
    kinds: dict[str, type[Event]] = {}
    for module, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and (kind := _event_type(node)):
                assert kind not in kinds, f"{kind} is declared twice"
                record = getattr(import_module(module), node.name)
                if issubclass(record, Event):
                    kinds[kind] = record
    return kinds


def _event_type(node: ast.ClassDef) -> str | None:
    for each in node.body:
        named = isinstance(each, ast.AnnAssign) and ast.unparse(each.target) == "type"
        if named and isinstance(each, ast.AnnAssign) and isinstance(each.value, ast.Constant):
            return str(each.value.value)
    return None


def _calls() -> Iterator[ast.Call]:
    for tree in modules().values():
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _samples() -> dict[str, JsonObject]:
    stored: dict[str, JsonObject] = json.loads(SAMPLES.read_text())
    return stored


@pytest.mark.requirement("EV-18")
def test_every_declared_event_is_made_somewhere() -> None:
    made = {ast.unparse(node.func).rpartition(".")[2] for node in _calls()}

    assert [kind for kind, record in declared().items() if record.__name__ not in made] == []


@pytest.mark.requirement("EV-18")
def test_no_event_is_made_without_a_record_of_its_own() -> None:
    bare = [
        ast.unparse(word.value)
        for node in _calls()
        if ast.unparse(node.func) in {"Event", "events.Event"}
        for word in node.keywords
        if word.arg == "type" and isinstance(word.value, ast.Constant)
    ]

    assert bare == []


@pytest.mark.requirement("EV-17")
def test_every_event_has_its_sample() -> None:
    assert sorted(_samples()) == sorted(declared())


@pytest.mark.requirement("EV-17")
@pytest.mark.parametrize("kind", sorted(_samples()))
def test_a_sample_is_read_and_written_as_it_is(kind: str) -> None:
    sample = _samples()[kind]

    assert declared()[kind].model_validate(sample).to_json() == sample


@pytest.mark.requirement("EV-16")
@pytest.mark.parametrize("kind", sorted(_samples()))
def test_a_reader_skips_fields_it_does_not_know(kind: str) -> None:
    sample = _samples()[kind]
    data = sample["data"]
    assert isinstance(data, dict)
    newer: JsonObject = {**sample, "later": 1, "data": {**data, "later": {"a": 1}}}

    assert declared()[kind].model_validate(newer).to_json() == sample
