"""One word, one thing: a public class name stands once, and others import what is meant for them."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = [ROOT / "libs" / "weft", ROOT / "libs" / "incidents"]
IMPORTERS = [ROOT / name for name in ("libs", "services", "router_service", "gateway")]


def module_of(path: Path) -> str:
    """Return the dotted name of a file of the library."""
    parts = path.relative_to(ROOT / "libs").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    """Return whose public names a module's are: `weft.core` for `weft.core.errors`."""
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] == "weft" else 1])


def trees(roots: list[Path]) -> Iterator[tuple[Path, ast.Module]]:
    for root in roots:
        for path in root.rglob("*.py"):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def listed(path: Path) -> set[str]:
    """Return the names of a module's `__all__`; of one whose names are lazy, those of its stub."""
    stub = path.with_suffix(".pyi")
    source = stub if stub.exists() else path
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return {
        element.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(each, ast.Name) and each.id == "__all__" for each in node.targets)
        and isinstance(node.value, ast.List)
        for element in node.value.elts
        if isinstance(element, ast.Constant) and isinstance(element.value, str)
    }


def test_no_public_class_name_stands_twice_in_the_library() -> None:
    homes = defaultdict(list)
    for path, tree in trees(LIBRARY):
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module_of(path))

    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


@pytest.mark.timeout(120)
def test_what_crosses_a_package_is_public() -> None:
    public = {module_of(path): listed(path) for path, _ in trees(LIBRARY)}
    past = []
    for path, tree in trees(IMPORTERS):
        inside = path.is_relative_to(ROOT / "libs")
        own = package_of(module_of(path)) if inside else ""
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            package = package_of(node.module)
            if node.module not in public or package in {own, "weft"}:
                continue
            allowed = public[node.module] | public[package]
            past += [
                f"{path.relative_to(ROOT)}: {node.module}.{alias.name}"
                for alias in node.names
                if alias.name not in allowed and f"{node.module}.{alias.name}" not in public
            ]

    assert past == []


MOODS = frozenset({"told", "found", "asked", "known", "each"})
"""How a thing came, or that it is one of several: a local name says what it holds."""


def stored_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every name that is given to something: by a parameter, a loop, a pattern, an error."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno
            case ast.MatchMapping(rest=str(name)) | ast.ExceptHandler(name=str(name)):
                yield name, node.lineno
            case _:
                continue


@pytest.mark.parametrize(
    "source",
    [
        "told = 1",
        "def f(asked): ...",
        "[each for each in ()]",
        "if (found := f()): ...",
        "match x:\n    case [*known]: ...",
        "try: ...\nexcept E as found: ...",
        "with f() as (told, _): ...",
    ],
)
def test_every_way_to_name_something_is_seen(source: str) -> None:
    assert {name for name, _ in stored_names(ast.parse(source))} & MOODS


def test_a_local_name_says_what_it_holds() -> None:
    moods = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path, tree in trees([ROOT / "libs" / "weft"])
        for name, line in stored_names(tree)
        if name in MOODS
    ]

    assert moods == []
