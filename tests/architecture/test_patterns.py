"""Every regular expression takes time in proportion to its text: a long text hurts nobody."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.linear import faults

ROOT = Path(__file__).parents[2]
SOURCES = {"libs": "libs", "services": ".", "router_service": ".", "gateway": ".", "deploy": "."}
OWN_TOOLS = ROOT / "deploy" / "demo"
"""They make the recorded incident and read nothing that comes from outside."""
HARMLESS = frozenset({"escape", "Pattern", "Match", "error", "compile"})
FLAGS = frozenset({"IGNORECASE", "DOTALL", "MULTILINE"})
MADE_WHILE_RUNNING = {
    "libs/weft/termination/conditions.py": "the pattern is the author's own, as the text is",
    "libs/weft/server/streams.py": "globs of 2,000 characters at most, for names of event types",
}
"""Where a pattern is not known before, and why that is no danger."""


def modules() -> list[tuple[Path, str]]:
    return [
        (path, ".".join(path.relative_to(ROOT / base).with_suffix("").parts))
        for top, base in SOURCES.items()
        for path in sorted((ROOT / top).rglob("*.py"))
        if OWN_TOOLS not in path.parents and "_pb2" not in path.name and _uses_re(path)
    ]


def _uses_re(path: Path) -> bool:
    return re.search(r"^(?:import re\b|from re\b)", path.read_text(), re.MULTILINE) is not None


def _matched_whole() -> set[tuple[str, str]]:
    """Return module and name of the patterns that have to reach the end of a text.

    The name of a public one is given without a module: others import it.
    """
    found = set()
    for path, module in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "fullmatch":
                name = ast.unparse(node.value).rpartition(".")[2]
                found.add((module if name.startswith("_") else "", name))
    return found


MATCHED_WHOLE = _matched_whole()


@pytest.mark.parametrize(("path", "name"), modules(), ids=lambda each: str(each).rpartition("/")[2])
def test_every_pattern_is_known_before_and_linear(path: Path, name: str) -> None:
    tree = ast.parse(path.read_text())
    place = str(path.relative_to(ROOT))
    known = vars(importlib.import_module(name))

    wrong = [f"line {line}: {what}" for line, what in _hidden(tree)]
    if place not in MADE_WHILE_RUNNING:
        wrong += [f"line {line}: compile it at the top" for line in _late(tree)]
    whole = {
        call.lineno
        for call, target in _assigned(tree)
        if {(name, target), ("", target)} & MATCHED_WHOLE
    }
    for call in _compiled(tree):
        pattern = eval(compile(ast.Expression(call), place, "eval"), dict(known))  # noqa: S307
        found = faults(pattern.pattern, pattern.flags & ~re.UNICODE, whole=call.lineno in whole)
        wrong += [f"line {call.lineno}: {pattern.pattern!r}: {fault}" for fault in found]

    assert wrong == []


def test_what_is_made_while_running_is_still_there() -> None:
    assert all(list(_late(ast.parse((ROOT / place).read_text()))) for place in MADE_WHILE_RUNNING)


def _hidden(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the uses of `re` that compile a pattern on the way, where no test can look at it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "re":
            yield node.lineno, "import `re` itself"
        is_re = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "re"
        if is_re and node.attr not in HARMLESS | FLAGS:  # type: ignore[attr-defined]
            yield node.lineno, "compile the pattern at the top of the module"  # type: ignore[attr-defined]


def _late(tree: ast.Module) -> Iterator[int]:
    """Yield the lines at which a function compiles a pattern."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from (call.lineno for call in _calls(function))


def _compiled(tree: ast.Module) -> list[ast.Call]:
    late = set(_late(tree))
    return [call for call in _calls(tree) if call.lineno not in late]


def _assigned(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield from ((call, node.targets[0].id) for call in _calls(node.value))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile":
            yield node


@pytest.mark.parametrize(
    "pattern",
    [
        r"[\w-]*(?:token|secret)[\w-]*",
        r"\w+://[^/\s:@]*:[^/\s@]+(?=@)",
        r"\beyJ[\w-]+\.[\w-]+\.[\w-]*",
        r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b",
        r"^(?:(?:[\w$]+|\[\.?)(?:\.(?:[\w$]+|\[))+\S*?)(?::)?\s+.+$",
        r"\bconfig\b.*\bchanged\b",
        r"[\s\"'*_#>`-]*([^:\n]*?)[\s\"'*_`.]*(?::\s*(.*))?$",
        r"(?:a+)+b",
        r"(?:a|a)*b",
        r"a*a*b",
        r"\s+$",
        r"a++b",
        r"x[xy]*+z",
        r"(?<!a)[ab]*+c",
        r"(?:a{0,60}){0,60}b",
        r"a(?=.*b)",
        r"(?P<x>`+).*?(?P=x)",
    ],
)
def test_a_pattern_that_walks_twice_over_one_stretch_is_refused(pattern: str) -> None:
    assert faults(pattern) != []


@pytest.mark.parametrize(
    "pattern",
    [
        r"[a-z]+",
        r"(?<![\w-])[\w-]++=",
        r"\b\w++:",
        r"://[^/\s:@]*+:[^/\s@]++(?=@)",
        r"\A\s*+\w++\s*+=",
        r"eyJ[\w-]++(?:\.[\w-]++\.[\w-]*+)?",
        r"[0-9a-f]{16,64}",
        r'"([^"]++)"',
    ],
)
def test_a_pattern_that_walks_once_is_accepted(pattern: str) -> None:
    assert faults(pattern) == []
