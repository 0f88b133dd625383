"""`@tool`: makes a tool of a function."""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal, TypedDict, overload

from typing_extensions import ParamSpec, TypeVar, Unpack

from weft.checkpoint.effects import EffectScope
from weft.core import JsonObject
from weft.core.errors import ToolDefinitionError, did_you_mean
from weft.tools.definition import KeyFunction, Reconcile, Tool, runs_on_the_loop
from weft.tools.docstring import parse_docstring
from weft.tools.isolation import isolation
from weft.tools.processes import Processes
from weft.tools.schema import ArgumentSchema, argument_schema, json_schema_of
from weft.tools.signature import doc_of, name_of

logger = logging.getLogger(__name__)
# Tools are made while modules are imported, mostly before anybody set logging up; Python would
# then print the bare name of the event into whatever reads the lines of the process.
logger.addHandler(logging.NullHandler())

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SCOPES = ("run", "thread", "tenant")


class ToolOptions(TypedDict, total=False):
    """What `@tool` takes besides the function."""

    name: str
    description: str
    idempotent: bool
    """Whether the effect is had once: intent and outcome are journalled under a key, before the
    body runs and before anybody hears of it, and whoever calls again gets the recorded outcome."""
    scope: EffectScope
    key: str | Sequence[str] | KeyFunction | None
    passes_key: bool
    reconcile: Reconcile | None
    not_done_on: type[BaseException] | Iterable[type[BaseException]]
    timeout: float | None
    isolation: Literal["process"] | Processes | None
    """Run the body in a process of its own, which a cancel, its time and its limits kill."""
    memory: int | None
    """Bytes that process may take beyond its loaded code; None is 1 GiB, or what `isolation` says."""
    cpu_seconds: float | None
    """None is 60, or what `isolation` says."""
    labels: Iterable[str]
    """`read`: the tool changes nothing, so a call that a crash lost is made again, and none is
    journalled. A tool that is neither `read` nor `idempotent` is never called a second time."""
    output_schema: type | JsonObject | None
    tags: Iterable[str]
    examples: Iterable[str]


@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    fn: None = None, /, **options: Unpack[ToolOptions]
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    fn: Callable[P, R] | None = None, /, **options: Unpack[ToolOptions]
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a tool of a sync or async function; its signature and docstring give the schema.

    Raises:
        ToolDefinitionError: The function cannot be called from JSON, or an option is wrong.
    """
    _check_names(options)
    if fn is None:
        return partial(_defined, options)
    return _defined(options, fn)


def _defined(options: ToolOptions, fn: Callable[P, R]) -> Tool[P, R]:
    name = _name(options, fn)
    documented = parse_docstring(doc_of(fn))
    arguments = argument_schema(fn, descriptions=documented.parameters)
    made = Tool(
        name=name,
        description=options.get("description", documented.description),
        parameters=arguments.json_schema(),
        fn=fn,
        arguments=arguments,
        idempotent=options.get("idempotent", False),
        scope=_scope(options, name),
        key=_key(options, name, arguments),
        passes_key=options.get("passes_key", False),
        reconcile=options.get("reconcile"),
        not_done_on=_classes(options.get("not_done_on", ()), name),
        timeout=_timeout(options, name),
        isolation=isolation(
            fn,
            name=name,
            where=options.get("isolation"),
            memory=options.get("memory"),
            cpu_seconds=options.get("cpu_seconds"),
        ),
        labels=frozenset(_texts(options, "labels", name)),
        output_schema=_output_schema(options, name),
        tags=frozenset(_texts(options, "tags", name)),
        examples=tuple(_texts(options, "examples", name)),
        is_async=runs_on_the_loop(fn),
    )
    if made.idempotent and not made.passes_key and made.reconcile is None:
        logger.warning("tool.unknown_outcomes_need_a_person", extra={"tool": name})
    return made


def _check_names(options: ToolOptions) -> None:
    allowed = [*ToolOptions.__annotations__]
    for name in options:
        if name not in allowed:
            raise ToolDefinitionError("tool", name, f"unknown option{did_you_mean(name, allowed)}")


def _name(options: ToolOptions, fn: Callable[..., object]) -> str:
    name = options.get("name") or name_of(fn)
    if not _NAME.fullmatch(name):
        why = f"{name!r} is no tool name: up to 64 letters, digits, `_` and `-`; give `name=`"
        raise ToolDefinitionError(name_of(fn), "", why)
    return name


def _scope(options: ToolOptions, name: str) -> EffectScope:
    scope = options.get("scope", "run")
    if scope not in _SCOPES:
        raise ToolDefinitionError(name, "", f"scope is one of {', '.join(_SCOPES)}, not {scope!r}")
    return scope


def _key(
    options: ToolOptions, name: str, arguments: ArgumentSchema
) -> tuple[str, ...] | KeyFunction | None:
    key = options.get("key")
    if key is None or callable(key):
        return key
    names = (key,) if isinstance(key, str) else tuple(key)
    for parameter in names:
        if parameter not in arguments.names:
            raise ToolDefinitionError(name, parameter, "`key` names no parameter of the tool")
    return names


def _classes(
    given: type[BaseException] | Iterable[type[BaseException]], name: str
) -> tuple[type[BaseException], ...]:
    classes = (given,) if isinstance(given, type) else tuple(given)
    for kind in classes:
        if not _is_exception(kind):
            raise ToolDefinitionError(name, "", f"`not_done_on` takes exceptions, not {kind!r}")
    return classes


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _texts(
    options: ToolOptions, option: Literal["labels", "tags", "examples"], name: str
) -> list[str]:
    given = options.get(option, ())
    if isinstance(given, str):
        why = f"`{option}` takes several texts: write [{given!r}]"
        raise ToolDefinitionError(name, "", why)
    return [*given]


def _timeout(options: ToolOptions, name: str) -> float | None:
    timeout = options.get("timeout")
    if timeout is not None and not (_is_number(timeout) and 0 < timeout < float("inf")):
        raise ToolDefinitionError(name, "", f"timeout is a number of seconds, not {timeout!r}")
    return timeout


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _output_schema(options: ToolOptions, name: str) -> JsonObject | None:
    given = options.get("output_schema")
    if given is None or isinstance(given, dict):
        return given
    try:
        return json_schema_of(given)
    except Exception as error:
        raise ToolDefinitionError(name, "", f"output_schema {given!r} has no JSON form") from error
