"""Network calls that may wait for ever."""

import ast
from collections import deque
from collections.abc import Iterator, Sequence

from services.code_analyst.findings import Finding
from services.code_analyst.names import Names, Scope
from services.code_analyst.source import Function

_REQUESTS = {"get", "post", "put", "patch", "delete", "head", "options", "request"}
_POSITION = {
    "urllib.request.urlopen": 2,
    "socket.create_connection": 1,
    "http.client.HTTPConnection": 2,
    "http.client.HTTPSConnection": 2,
    "smtplib.SMTP": 3,
    "smtplib.SMTP_SSL": 5,
    "ftplib.FTP": 4,
    **{f"requests.{name}": None for name in _REQUESTS},
    **{f"requests.Session.{name}": None for name in _REQUESTS},
    **{f"requests.session.{name}": None for name in _REQUESTS},
}
"""Calls without a timeout of their own, and where it would stand if given by position."""
_SESSION, _BOUND = "aiohttp.ClientSession", "aiohttp.ClientTimeout"
_UNLESS_SWITCHED_OFF = ("httpx.", _SESSION)
ADVICE = "give the call a timeout well below the caller's own"


def waits_for_ever(call: ast.Call, target: str) -> bool:
    """Tell whether nothing bounds how long this network call takes."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in given:  # `**options` may hold one
        return False
    timeout = given.get("timeout")
    if timeout is not None:
        off = isinstance(timeout, ast.Constant) and timeout.value is None
        return off and (target in _POSITION or target.startswith(_UNLESS_SWITCHED_OFF))
    if target not in _POSITION:
        return False
    position = _POSITION[target]
    return position is None or len(call.args) <= position


def missing_timeouts(modules: Sequence[Names]) -> Iterator[Finding]:
    """Yield network calls without a timeout, and aiohttp sessions in source that sets none."""
    reached = {names.module.file: list(_targets(names)) for names in modules}
    bounded = any(target == _BOUND for calls in reached.values() for _, target in calls)
    for names in modules:
        for call, target in reached[names.module.file]:
            if waits_for_ever(call, target):
                yield names.module.finding(
                    call,
                    "missing-timeout",
                    "high",
                    message=f"{target}() has no timeout: a silent peer holds the caller for ever",
                    advice=ADVICE,
                )
            elif target == _SESSION and not bounded and not call.keywords:
                yield names.module.finding(
                    call,
                    "missing-timeout",
                    "medium",
                    message=f"{_SESSION}() keeps the default timeout of five minutes",
                    advice=ADVICE,
                )


def _targets(names: Names) -> Iterator[tuple[ast.Call, str]]:
    for call, scope in calls_in(names):
        yield call, names.target(call, scope)


def calls_in(names: Names) -> Iterator[tuple[ast.Call, Scope | None]]:
    """Yield every call of a module with the function it stands in."""
    scopes = {scope.node: scope for scope in names.scopes}
    pending: deque[tuple[ast.AST, Scope | None]] = deque([(names.module.tree, None)])
    while pending:
        node, scope = pending.popleft()
        if isinstance(node, Function):
            scope = scopes.get(node, scope)
        elif isinstance(node, ast.Call):
            yield node, scope
        pending.extend((child, scope) for child in ast.iter_child_nodes(node))
