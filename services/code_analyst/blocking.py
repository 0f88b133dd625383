"""Calls that stop the whole event loop: made in async code, directly or through sync helpers."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.code_analyst.findings import Finding, Severity
from services.code_analyst.names import Names, Scope
from services.code_analyst.source import own_nodes, written
from services.code_analyst.timeouts import waits_for_ever

_VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream")
_NETWORK = frozenset(
    {
        "urllib.request.urlopen", "urllib.request.urlretrieve", "socket.create_connection",
        "socket.getaddrinfo", "socket.gethostbyname", "smtplib.SMTP", "smtplib.SMTP_SSL",
        "ftplib.FTP", "psycopg2.connect", "psycopg.connect", "pymysql.connect", "MySQLdb.connect",
        *(f"{library}.{verb}" for library in ("requests", "httpx") for verb in _VERBS),
    }
)  # fmt: skip
_WAITING = frozenset(
    {
        "time.sleep", "subprocess.run", "subprocess.call", "subprocess.check_call",
        "subprocess.check_output", "os.system", "os.wait", "os.waitpid", "input",
        "sqlite3.connect",
    }
)  # fmt: skip
_FILES = frozenset({"open", "io.open"})
_REMOTE = (
    "requests.Session.", "requests.session.", "httpx.Client.", "psycopg2.connect.",
    "psycopg.connect.", "pymysql.connect.", "MySQLdb.connect.", "redis.Redis.",
    "urllib3.PoolManager.", "http.client.HTTPConnection.", "http.client.HTTPSConnection.",
    "pymongo.MongoClient.",
)  # fmt: skip
_LOCAL = ("sqlite3.connect.",)
_HARMLESS = frozenset({"close", "cursor", "mount", "interrupt", "set_trace_callback"})
_DEEPEST = 16
"""No package stands in more others."""
_MOST_NAMED = 5
ADVICE = "await an async client, or move the call to a worker thread, with a timeout"


@dataclass(frozen=True, slots=True)
class _Block:
    """A blocking call and the sync functions through which async code reaches it."""

    scope: Scope
    call: ast.Call
    target: str
    trivial: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """How async code comes to a function: through which helpers, of which the first are named."""

    scope: Scope
    first: tuple[str, ...] = ()
    helpers: int = 0

    def on(self, helper: Scope) -> "_Way":
        first = (*self.first, helper.qualname)[:_MOST_NAMED]
        return _Way(helper, first, self.helpers + 1)

    def __str__(self) -> str:
        if not self.helpers:
            return ""
        through = f" through {' and '.join(self.first)}"
        left = self.helpers - len(self.first)
        if left > 1:
            through += f", {left - 1} more"
        return f"{through} and {self.scope.qualname}" if left else through


@dataclass(frozen=True, slots=True)
class _Reached:
    block: _Block
    by: Scope
    way: _Way


def blocking_calls(modules: Sequence[Names]) -> Iterator[Finding]:
    """Yield each blocking call that async code makes or reaches, once."""
    graph = _Graph(modules)
    for names in modules:
        for scope in names.scopes:
            if scope.is_async:
                yield from map(_finding, graph.newly_reached(scope))


class _Graph:
    """Which function of the source calls which."""

    def __init__(self, modules: Sequence[Names]) -> None:
        self._names: Mapping[str, Names] = {names.module.file: names for names in modules}
        self._functions: dict[str, Scope] = {}
        for names in modules:
            for scope in names.scopes:
                self._functions.setdefault(f"{names.module.dotted}.{scope.qualname}", scope)
        self._visited: set[ast.AST] = set()
        """Helpers whose calls were told already: walking them again for every async function that
        reaches them would take its number times theirs."""

    def newly_reached(self, by: Scope) -> Iterator[_Reached]:
        """Yield the blocking calls that run while async function `by` does, but for known ones."""
        pending = [_Way(by)]
        while pending:
            way = pending.pop()
            for call in self._calls(way.scope):
                block = self._block(way.scope, call)
                if block is not None:
                    yield _Reached(block, by, way)
                    continue
                helper = self._helper(way.scope, call)
                if helper is not None and helper.node not in self._visited:
                    self._visited.add(helper.node)
                    pending.append(way.on(helper))

    def _calls(self, scope: Scope) -> Iterator[ast.Call]:
        nodes = list(own_nodes(scope.node))
        awaited = {id(node.value) for node in nodes if isinstance(node, ast.Await)}
        for node in nodes:
            if isinstance(node, ast.Call) and id(node) not in awaited:
                yield node

    def _block(self, scope: Scope, call: ast.Call) -> _Block | None:
        target = self._names[scope.module.file].target(call, scope)
        if target in _FILES:
            return _Block(scope, call, target, trivial=True)
        method = target.rpartition(".")[2]
        if target in _NETWORK or (target.startswith(_REMOTE) and method not in _HARMLESS):
            return _Block(scope, call, target)
        if target in _WAITING or (target.startswith(_LOCAL) and method not in _HARMLESS):
            return _Block(scope, call, target)
        return None

    def _helper(self, scope: Scope, call: ast.Call) -> Scope | None:
        """Return the sync function of the source that `call` runs."""
        name = written(call.func)
        module = scope.module.dotted
        choices = [f"{module}.{scope.qualname}.{name}", f"{module}.{name}"]
        if scope.owner and name.startswith(("self.", "cls.")):
            choices.append(f"{module}.{scope.owner}.{name.partition('.')[2]}")
        imported = self._names[scope.module.file].imported(name)
        parts = imported.split(".")[-_DEEPEST:]
        choices += [".".join(parts[at:]) for at in range(len(parts) - 1)]
        found = (self._functions[choice] for choice in choices if choice in self._functions)
        return next((helper for helper in found if not helper.is_async), None)


def _finding(reached: _Reached) -> Finding:
    block, by = reached.block, reached.by
    endless = waits_for_ever(block.call, block.target)
    where = "" if by.module.file == block.scope.module.file else f"{by.module.file} "
    message = (
        f"{block.target}() blocks the event loop: async {by.qualname} "
        f"({where}line {by.node.lineno}) calls it{reached.way}"
    )
    if endless:
        message += ", and it has no timeout"
    severity: Severity = "critical" if endless else "low" if block.trivial else "high"
    rule = "blocking-file-in-async" if block.trivial else "blocking-call-in-async"
    return block.scope.module.finding(block.call, rule, severity, message=message, advice=ADVICE)
