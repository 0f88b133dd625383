"""Errors that nobody will hear of, and handles that nobody closes."""

import ast
from collections.abc import Iterator

from services.code_analyst.findings import Finding
from services.code_analyst.names import Names
from services.code_analyst.source import own_nodes, written
from services.code_analyst.timeouts import calls_in

_BROAD = frozenset({"", "Exception", "BaseException"})
_LOUD = frozenset({"exception", "error", "warning", "critical", "fatal", "warn"})
_OPENERS = frozenset(
    {
        "open", "io.open", "socket.socket", "socket.create_connection",
        "requests.Session", "httpx.Client", "httpx.AsyncClient",
    }
)  # fmt: skip
_KEEPERS = ("closing", "enter_context", "enter_async_context", "aclosing", "push", "callback")

_CLOSERS = frozenset({"close", "aclose"})


def swallowed_errors(names: Names) -> Iterator[Finding]:
    """Yield broad handlers that neither raise nor log where somebody looks."""
    for node in ast.walk(names.module.tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and _is_silent(node):
            yield names.module.finding(
                node,
                "swallowed-error",
                "medium",
                message=f"every error is caught here and none is told: {_instead(node)}",
                advice="catch what you can handle, and log or raise the rest",
            )


def _is_broad(handler: ast.ExceptHandler) -> bool:
    kind = handler.type
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind] if kind else []
    return not kinds or any(written(each) in _BROAD for each in kinds)


def _is_silent(handler: ast.ExceptHandler) -> bool:
    for node in own_nodes(handler):
        if isinstance(node, ast.Raise):
            return False
        if isinstance(node, ast.Call) and _method(node) in _LOUD:
            return False
        if handler.name and isinstance(node, ast.Name) and node.id == handler.name:
            return False
    return True


def _instead(handler: ast.ExceptHandler) -> str:
    last = handler.body[-1]
    if isinstance(last, ast.Return):
        return f"it returns {ast.unparse(last.value) if last.value else None}"
    if isinstance(last, ast.Pass):
        return "the code goes on"
    return "the loop goes on" if isinstance(last, ast.Continue) else "the code goes on"


def leaked_handles(names: Names) -> Iterator[Finding]:
    """Yield files, sockets and sessions that are opened and never closed in their function."""
    cares: dict[ast.AST, _Care] = {}
    for call, scope in calls_in(names):
        target = names.target(call, scope)
        if scope is None or target not in _OPENERS:
            continue
        if scope.node not in cares:
            cares[scope.node] = _Care(scope.node)
        if cares[scope.node].keeps(call):
            continue
        yield names.module.finding(
            call,
            "leaked-handle",
            "medium",
            message=f"what {target}() opens in {scope.qualname} is not closed on every way out",
            advice="open it in a `with` statement",
        )


class _Care:
    """What a function closes, or hands to somebody who may; read once, whatever it opens."""

    def __init__(self, function: ast.AST) -> None:
        self._within: set[ast.AST] = set()
        """What stands in something that closes it all."""
        self._kept: set[ast.AST] = set()
        """What is returned, or closed at once."""
        self._targets: dict[ast.AST, list[str]] = {}
        """By value: the variables that it is assigned to."""
        self._closed: set[str] = set()
        """Variables that are closed, or handed over."""
        for node in own_nodes(function):
            self._read(node)

    def keeps(self, call: ast.Call) -> bool:
        """Tell whether something closes what `call` opens, or hands it to somebody who may.

        An attribute is closed by its object.
        """
        if call in self._kept or call in self._within:
            return True
        names = self._targets.get(call, [])
        return bool(names) and all("." in name or name in self._closed for name in names)

    def _read(self, node: ast.AST) -> None:
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                self._keep(item.context_expr)
                self._closed |= _names_in(item.context_expr)
        elif isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            self._closed |= _handed_over(node.value)
            if isinstance(node, ast.Return):
                self._kept.add(node.value)
        elif isinstance(node, ast.Attribute) and node.attr in _CLOSERS:
            self._kept.add(node.value)
            self._closed |= {written(node.value)} - {""}
        elif isinstance(node, ast.Call) and _method(node) in _KEEPERS:
            self._keep(node)
        elif isinstance(node, ast.Assign):
            self._targets.setdefault(node.value, []).extend(map(written, node.targets))

    def _keep(self, node: ast.AST) -> None:
        pending = [node]
        while pending:
            each = pending.pop()
            if each not in self._within:
                self._within.add(each)
                pending.extend(ast.iter_child_nodes(each))


def _names_in(expression: ast.AST) -> set[str]:
    return {name for part in ast.walk(expression) if (name := written(part))}


def _handed_over(value: ast.expr) -> set[str]:
    """Return the variables that `value` is or holds, not just what one of their methods gave."""
    parts = list(ast.walk(value))
    used = {part.value for part in parts if isinstance(part, ast.Attribute)}
    return {name for part in parts if part not in used and (name := written(part))}


def _method(call: ast.Call) -> str:
    return written(call.func).rpartition(".")[2]
