"""Errors that nobody will hear of, and handles that nobody closes."""

import ast
from collections.abc import Iterator

from services.code_analyst.findings import Finding
from services.code_analyst.names import Names, Scope
from services.code_analyst.source import own_nodes, written
from services.code_analyst.timeouts import calls_in

_BROAD = frozenset({"", "Exception", "BaseException"})
_LOUD = frozenset({"exception", "error", "warning", "critical", "fatal", "warn"})
_OPENERS = frozenset({"open", "io.open", "socket.socket", "socket.create_connection"})
_OPENERS_OF_SESSIONS = frozenset({"requests.Session", "httpx.Client", "httpx.AsyncClient"})
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
    for call, scope in calls_in(names):
        target = names.target(call, scope)
        if scope is None or target not in _OPENERS | _OPENERS_OF_SESSIONS:
            continue
        if _is_kept(call, scope):
            continue
        yield names.module.finding(
            call,
            "leaked-handle",
            "medium",
            message=f"what {target}() opens in {scope.qualname} is not closed on every way out",
            advice="open it in a `with` statement",
        )


def _is_kept(call: ast.Call, scope: Scope) -> bool:
    """Tell whether something closes what `call` opens, or hands it to somebody who may."""
    return any(_keeps(node, call, scope) for node in own_nodes(scope.node))


def _keeps(node: ast.AST, call: ast.Call, scope: Scope) -> bool:
    if isinstance(node, ast.With | ast.AsyncWith):
        return any(call in ast.walk(item.context_expr) for item in node.items)
    if isinstance(node, ast.Return | ast.Attribute) and node.value is call:
        return isinstance(node, ast.Return) or node.attr in _CLOSERS
    if isinstance(node, ast.Call):
        return _method(node) in _KEEPERS and call in ast.walk(node)
    if isinstance(node, ast.Assign) and node.value is call:
        return all(_is_cared_for(target, scope) for target in node.targets)
    return False


def _is_cared_for(target: ast.expr, scope: Scope) -> bool:
    """Tell whether a variable is an attribute (its object closes it), is closed, or is returned."""
    name = written(target)
    return "." in name or any(_cares(node, name) for node in own_nodes(scope.node))


def _cares(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in _CLOSERS and written(node.value) == name
    if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
        return _hands_over(node.value, name)
    if isinstance(node, ast.With):
        return any(name in map(written, ast.walk(item.context_expr)) for item in node.items)
    return False


def _hands_over(value: ast.expr, name: str) -> bool:
    """Tell whether `value` is or holds the variable itself, not just what one of its methods gave."""
    parts = list(ast.walk(value))
    used = {id(part.value) for part in parts if isinstance(part, ast.Attribute)}
    return any(written(part) == name and id(part) not in used for part in parts)


def _method(call: ast.Call) -> str:
    return written(call.func).rpartition(".")[2]
