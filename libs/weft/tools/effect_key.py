"""The key under which an effect is known to the ledger."""

import hashlib
from dataclasses import dataclass

from weft.checkpoint.effects import EffectCall
from weft.core import JsonValue, canonical
from weft.core.contained import contained, described
from weft.core.errors import InputError
from weft.runs import Journal
from weft.tools.context import ToolContext
from weft.tools.definition import Tool
from weft.tools.schema import Arguments


class EffectKeyError(InputError):
    """No key can be formed from the arguments; no body ran."""


@dataclass(frozen=True, slots=True)
class _Scope:
    column: str
    parts: JsonValue
    """What tells two scopes apart: a thread id is unique within its subject only."""


def effect_call(
    tool: Tool, arguments: Arguments, context: ToolContext, journal: Journal
) -> EffectCall:
    """Return the effect that this call is, its key formed.

    Raises:
        EffectKeyError: A number has no canonical form, or the tool's `key` function failed.
    """
    scope = _scope(tool, context, journal)
    tenant = context.principal.tenant
    try:
        with contained():
            told_apart = _told_apart(tool, arguments)
        args_hash = hashlib.sha256(canonical(told_apart)).hexdigest()
        whole = canonical([tenant, tool.scope, scope.parts, tool.name, told_apart])
    except Exception as error:  # the tool's own `key` function may raise anything
        raise EffectKeyError(f"no effect key: {described(error)}") from error
    return EffectCall(
        key=hashlib.sha256(whole).hexdigest(),
        tenant=tenant,
        scope=tool.scope,
        scope_id=scope.column,
        tool=tool.name,
        args_hash=args_hash,
        arguments=arguments.json,
        path=context.path,
    )


def _told_apart(tool: Tool, arguments: Arguments) -> JsonValue:
    if tool.key is None:
        return arguments.json
    if callable(tool.key):
        return ["key", tool.key(dict(arguments.json))]
    return {name: arguments.json[name] for name in tool.key}


def _scope(tool: Tool, context: ToolContext, journal: Journal) -> _Scope:
    if tool.scope == "run":
        root = journal.root_id or context.authority.root_id or context.run_id
        return _Scope(root, root)
    if tool.scope == "thread":
        thread = journal.thread_id or context.thread_id
        return _Scope(thread, [context.principal.subject, thread])
    return _Scope(context.principal.tenant, context.principal.tenant)
