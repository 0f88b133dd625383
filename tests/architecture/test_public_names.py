"""What `import weft` promises: every name exists, and type checkers see the same ones."""

import ast
from pathlib import Path

import weft

STUB = Path(weft.__file__).with_suffix(".pyi")


def test_every_public_name_can_be_imported() -> None:
    assert [name for name in weft.__all__ if not hasattr(weft, name)] == []


def test_type_checkers_see_what_there_is() -> None:
    found = [
        alias.asname
        for node in ast.walk(ast.parse(STUB.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]

    assert sorted(name for name in found if name) == sorted(weft.__all__)
