"""What a name in a module stands for: imports, and variables that hold a known kind of object."""

import ast
from dataclasses import dataclass, field

from services.code_analyst.source import Function, Module, own_nodes, written

HOLDERS = frozenset(
    {
        "sqlite3.connect", "requests.Session", "requests.session", "httpx.Client", "redis.Redis",
        "psycopg2.connect", "psycopg.connect", "pymysql.connect", "MySQLdb.connect",
        "urllib3.PoolManager", "http.client.HTTPConnection", "http.client.HTTPSConnection",
        "pymongo.MongoClient", "aiohttp.ClientSession", "httpx.AsyncClient",
    }
)  # fmt: skip
_ANNOTATIONS = {
    "sqlite3.Connection": "sqlite3.connect",
    "sqlite3.Cursor": "sqlite3.connect",
    **{name: name for name in HOLDERS},
}


@dataclass(frozen=True, slots=True)
class Scope:
    """A function with its place: `owner` is the class of a method."""

    module: Module
    node: Function
    qualname: str
    owner: str | None
    bindings: dict[str, str] = field(default_factory=dict)

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one module."""

    module: Module
    imports: dict[str, str]
    top: dict[str, str]
    """Module variables that hold a known kind of object."""
    attributes: dict[str, dict[str, str]]
    """By class: `self.x` that hold one."""
    scopes: tuple[Scope, ...]

    def target(self, call: ast.Call, scope: Scope | None) -> str:
        """Return the dotted name that a call reaches, as far as the module tells."""
        name = written(call.func)
        if not name:
            return ""
        held, _, method = name.rpartition(".")
        kind = self._kind(held, scope)
        return f"{kind}.{method}" if kind else self.imported(name)

    def _kind(self, variable: str, scope: Scope | None) -> str:
        """Return the known kind of object that a variable holds, the innermost meaning of it."""
        kind = ""
        if scope and scope.owner:
            kind = self.attributes.get(scope.owner, {}).get(variable, "")
        if scope and not kind:
            kind = scope.bindings.get(variable, "")
        return kind or self.top.get(variable, "")

    def imported(self, name: str) -> str:
        """Return `name` with its first part replaced by what was imported under it."""
        head = name.partition(".")[0]  # an import binds one plain name
        return self.imports[head] + name[len(head) :] if head in self.imports else name


def names_of(module: Module) -> Names:
    """Read a module's imports, functions and the objects its variables hold."""
    imports = _imports(module.tree)
    scopes = _scopes(module)
    names = Names(module, imports, {}, {}, scopes)
    _bind(names, module.tree, names.top, names.top)
    for scope in scopes:
        attributes = names.attributes.setdefault(scope.owner or "", {})
        for argument in (*scope.node.args.args, *scope.node.args.kwonlyargs):
            kind = names.imported(written(argument.annotation)) if argument.annotation else ""
            if kind in _ANNOTATIONS:
                scope.bindings[argument.arg] = _ANNOTATIONS[kind]
        _bind(names, scope.node, scope.bindings, attributes)
    return names


def _imports(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            prefix = f"{node.module}." if node.module else ""
            for alias in node.names:
                found[alias.asname or alias.name] = prefix + alias.name
    return found


def _scopes(module: Module) -> tuple[Scope, ...]:
    found: list[Scope] = []
    # On a stack of its own, because code nests deeper than calls may.
    pending: list[tuple[ast.AST, str, str | None]] = [(module.tree, "", None)]
    while pending:
        node, prefix, owner = pending.pop()
        if isinstance(node, Function):
            found.append(Scope(module, node, prefix + node.name, owner))
            prefix = f"{prefix}{node.name}."
        elif isinstance(node, ast.ClassDef):
            owner, prefix = prefix + node.name, f"{prefix}{node.name}."
        below = [(child, prefix, owner) for child in ast.iter_child_nodes(node)]
        pending += reversed(below)
    return tuple(found)


def _bind(
    names: Names, node: ast.AST, variables: dict[str, str], attributes: dict[str, str]
) -> None:
    """Note which variables of `node` are assigned, or opened `with`, a known kind of object."""
    for each in own_nodes(node):
        for target, value in _assigned(each):
            kind = _kind(names, value, variables)
            if kind and (name := written(target)):
                (attributes if name.startswith("self.") else variables)[name] = kind


def _assigned(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        return [(target, node.value) for target in node.targets]
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return [(node.target, node.value)]
    if isinstance(node, ast.With | ast.AsyncWith):
        return [
            (item.optional_vars, item.context_expr) for item in node.items if item.optional_vars
        ]
    return []


def _kind(names: Names, value: ast.expr, variables: dict[str, str]) -> str:
    if isinstance(value, ast.Call):
        found = names.imported(written(value.func))
        return found if found in HOLDERS else ""
    return variables.get(written(value), "")
