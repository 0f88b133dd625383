"""What a tool is made of: a function, a partial one, or an object that can be called."""

import functools
import inspect
from collections.abc import Callable
from contextlib import suppress

from weft.core.errors import ToolDefinitionError

_BOTH = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def unwrapped(fn: Callable[..., object]) -> Callable[..., object]:
    """Return what a partial function calls; anything else as it is."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def name_of(fn: Callable[..., object]) -> str:
    """Return the function's name, of an object that can be called its class's."""
    inner = unwrapped(fn)
    name = getattr(inner, "__name__", None)
    return name if isinstance(name, str) else type(inner).__name__


def doc_of(fn: Callable[..., object]) -> str | None:
    """Return the docstring that says what a call does."""
    inner = unwrapped(fn)
    if hasattr(inner, "__name__"):
        return inner.__doc__
    call = getattr(inner, "__call__", None)  # noqa: B004 - the object's own method
    return call.__doc__ or type(inner).__doc__


def parameters_of(fn: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters that a call has to fill, each with its type.

    Raises:
        ToolDefinitionError: One of them cannot be filled by name, or says not of what type it is.
    """
    name = name_of(fn)
    bound = fn.keywords if isinstance(fn, functools.partial) else {}
    parameters = [parameter for parameter in _signature(fn, name) if parameter.name not in bound]
    for parameter in parameters:
        if parameter.kind not in _BOTH:
            why = "a tool's parameters are passed by name: no `*`, `**` or `/`"
            raise ToolDefinitionError(name, parameter.name, why)
        if parameter.annotation is inspect.Parameter.empty:
            raise ToolDefinitionError(name, parameter.name, "annotate it with its type")
    return parameters


def _signature(fn: Callable[..., object], name: str) -> list[inspect.Parameter]:
    if not callable(fn):
        raise ToolDefinitionError(name, "", f"a tool is made of a function, not of {fn!r}")
    try:
        signature = inspect.signature(fn, eval_str=True, locals=_enclosed(unwrapped(fn)))
    except NameError as error:
        raise ToolDefinitionError(name, error.name or "", str(error)) from error
    except Exception as error:  # an annotation is any text, which is evaluated here
        why = f"its signature cannot be read: {type(error).__name__}: {error}"
        raise ToolDefinitionError(name, "", why) from error
    return list(signature.parameters.values())


def _enclosed(fn: Callable[..., object]) -> dict[str, object]:
    """Return names of enclosing functions that `fn` uses, where postponed annotations may point."""
    code, cells = getattr(fn, "__code__", None), getattr(fn, "__closure__", None) or ()
    variables: dict[str, object] = {}
    for name, cell in zip(code.co_freevars if code else (), cells, strict=True):
        # The cell of a name that is assigned after the decoration is still empty.
        with suppress(ValueError):
            variables[name] = cell.cell_contents
    return variables
