"""The ledger of promises: each one is proven by a marked test, or deferred with a reason."""

import ast
import re
import tomllib
from pathlib import Path

TESTS = Path(__file__).parents[1]
SHIPPED = TESTS.parent / "libs" / "weft" / "testing"
LISTED = (TESTS / "requirements.txt").read_text().split()
REQUIRED = set(LISTED)
REASONS: dict[str, str] = tomllib.loads((TESTS / "deferred.toml").read_text())
AREAS = {name for name in REASONS if "-" not in name}
"""Areas of which nothing is begun: one reason stands for all their ids."""
DEFERRED = {name for name in REASONS if "-" in name}


def _order(requirement: str) -> tuple[str, int]:
    area, _, number = requirement.rpartition("-")
    return area, int(number)


def _proven() -> set[str]:
    found: set[str] = set()
    for directory in (TESTS, SHIPPED):
        for path in directory.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and _is_mark(node.func):
                    found |= {
                        argument.value
                        for argument in node.args
                        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                    }
    return found


def _is_mark(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "requirement"


def _area(requirement: str) -> str:
    return _order(requirement)[0]


def test_every_requirement_is_proven_or_deferred() -> None:
    open_ids = REQUIRED - _proven() - DEFERRED
    assert sorted((name for name in open_ids if _area(name) not in AREAS), key=_order) == []


def test_every_mark_and_deferral_names_a_requirement() -> None:
    assert sorted((_proven() | DEFERRED) - REQUIRED) == []
    assert sorted(AREAS - {_area(name) for name in REQUIRED}) == []


def test_a_deferral_has_a_reason_and_ends_when_proven() -> None:
    assert [name for name, reason in REASONS.items() if not reason.strip()] == []
    assert sorted(_proven() & DEFERRED, key=_order) == []
    assert sorted(AREAS & {_area(name) for name in _proven() | DEFERRED}) == []


def test_no_requirement_is_listed_twice() -> None:
    assert sorted(REQUIRED, key=_order) == LISTED


def test_ids_have_one_form() -> None:
    assert [name for name in LISTED if not re.fullmatch(r"[A-Z0-9]+-[1-9]\d*", name)] == []
