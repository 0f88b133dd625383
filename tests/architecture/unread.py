"""What production code defines and nothing in it reads, told by names alone.

A name counts as read where any production module loads it, as a name, an attribute, a keyword of a
pattern or a text; handing it on under `__all__`, importing it to do so, and setting it do not.
Names are not resolved, so what shares its name with something else is never told: what is told is
certain, and some of what is unread is not told.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCTION = ("libs", "services", "router_service", "gateway", "deploy")
APART = ROOT / "libs" / "weft" / "testing"
"""Shipped for tests: neither held to be read, nor a reader."""
_TRANSPARENT = frozenset(
    [
        "abstractmethod",
        "asynccontextmanager",
        "cache",
        "classmethod",
        "contextmanager",
        "dataclass",
        "final",
        "lru_cache",
        "overload",
        "property",
        "runtime_checkable",
        "staticmethod",
        "tool",
        "total_ordering",
    ]
)
"""Decorators that do not call what they decorate; any other may register it with its caller."""

Place = tuple[str, str]
"""(path, name)."""


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for root in PRODUCTION:
        for path in sorted((ROOT / root).rglob("*.py")):
            if not path.is_relative_to(APART) and "_pb2" not in path.name:
                yield path, ast.parse(path.read_text(encoding="utf-8"))


@cache
def unread() -> frozenset[Place]:
    """Return every definition that nothing reads."""
    trees = list(modules())
    names = set[str]().union(*(read_in(tree) for _, tree in trees))
    names |= {_in_small(name) for name in names if name[:1].isupper()}
    return frozenset(
        (str(path.relative_to(ROOT)), defined)
        for path, tree in trees
        for defined in told_by(tree)
        if defined.rpartition(".")[2] not in names
    )


def _in_small(name: str) -> str:
    """Return the method that answers a request of the class `name`: `read_step` for `ReadStep`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def read_in(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module reads."""
    listed = {id(each) for node in tree.body if _is_all(node) for each in ast.walk(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                yield name
            case ast.Constant(value=str(text)) if id(node) not in listed:
                yield from _words(text)
            case ast.MatchClass(kwd_attrs=names):
                yield from names
            case ast.ImportFrom(names=aliases):
                # Under another name: `import x as y`, not `x as x`, which only hands it on.
                yield from (each.name for each in aliases if each.asname not in (None, each.name))
            case _:
                """Everything else reads no name of its own."""


def _words(text: str) -> Iterator[str]:
    """Yield the names in a text that may stand for one: `module:NAME`, a forward reference, a key."""
    if len(text) < 200 and " " not in text:
        yield from text.replace(":", " ").replace(".", " ").replace("[", " ").split()


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(each, ast.Name) and each.id == "__all__" for each in node.targets
    )


def told_by(tree: ast.Module) -> Iterator[str]:
    """Yield the public functions, classes, methods and fields of dataclasses of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_told(node):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (
                each.id
                for each in node.targets
                if isinstance(each, ast.Name) and not each.id.startswith("_")
            )
        elif isinstance(node, ast.ClassDef):
            if not node.name.startswith("_"):
                yield node.name
            yield from _members(node)


def _members(node: ast.ClassDef) -> Iterator[str]:
    data = any(_name_of(each) == "dataclass" for each in node.decorator_list)
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            # What a base outside declares is called there.
            if _is_told(member) and not node.bases:
                yield f"{node.name}.{member.name}"
        elif data and isinstance(member, ast.AnnAssign):
            field = _name_of(member.target)
            if not field.startswith("_"):
                yield f"{node.name}.{field}"


def _is_told(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    registered = any(_name_of(each) not in _TRANSPARENT for each in node.decorator_list)
    return not node.name.startswith("_") and not registered


def _name_of(node: ast.expr) -> str:
    while isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
