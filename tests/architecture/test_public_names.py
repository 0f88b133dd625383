"""What a package promises: every name exists, and type checkers see the same ones."""

import ast
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

LAZY = ("weft", "weft.service")
"""Packages that import their names when they are first used, each with a stub beside it."""


@pytest.fixture(params=LAZY)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(request.param)


def names_of(package: ModuleType) -> Sequence[str]:
    names: Sequence[str] = package.__all__
    return names


def place_of(package: ModuleType) -> Path:
    return Path(str(package.__file__))


def test_every_public_name_can_be_imported(package: ModuleType) -> None:
    assert [name for name in names_of(package) if not hasattr(package, name)] == []


def test_type_checkers_see_what_there_is(package: ModuleType) -> None:
    stub = place_of(package).with_suffix(".pyi")
    names = [
        alias.asname
        for node in ast.walk(ast.parse(stub.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]

    assert sorted(name for name in names if name) == sorted(names_of(package))


def test_no_lazy_name_is_also_a_module(package: ModuleType) -> None:
    """Importing the module first would hide the name behind it."""
    modules = {path.stem for path in place_of(package).parent.iterdir()}

    assert modules.intersection(names_of(package)) == set()
