"""Options of a command that has more of them than a function should have parameters."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import typer

__all__ = ["gathering", "options_of"]

_KEPT = "gathered"


def gathering(
    options: Mapping[str, tuple[Any, Any]],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what gives a command, whose first parameter is its context, `options` as well.

    Each is an annotation and a default. They are gathered in the context, where `options_of` finds them.
    """

    def give(command: Callable[..., None]) -> Callable[..., None]:
        def taking(context: typer.Context, **values: object) -> None:
            context.meta[_KEPT] = {name: values.pop(name) for name in options}
            command(context, **values)

        signature = inspect.signature(command)
        added = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for name, (annotation, default) in options.items()
        ]
        parameters = [*signature.parameters.values(), *added]
        taking.__name__, taking.__doc__ = command.__name__, command.__doc__
        taking.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        # A command line is read off a function's signature.
        vars(taking)["__signature__"] = inspect.Signature(parameters)
        return taking

    return give


def options_of(context: typer.Context) -> Mapping[str, Any]:
    """Return the options that were gathered."""
    gathered: Mapping[str, Any] = context.meta[_KEPT]
    return gathered
