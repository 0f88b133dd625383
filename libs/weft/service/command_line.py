"""A specialist's command line: every setting is a flag, and says what is wrong with it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import SettingsError

from weft.service.settings import ServiceSettings

__all__ = ["settings_from"]

S = TypeVar("S", bound=ServiceSettings)

WRONG_USE = 2
"""The exit code of a command that was called wrongly."""


def settings_from(kind: type[S], arguments: Sequence[str] | None = None) -> S:
    """Return the settings that the command line gives, and the environment where it says nothing.

    `arguments` are those of the process where None. Flags that cannot be used end the process with
    code 2 and a line for each.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Building a parser takes longer than reading the environment.
        return _parsed(kind, given) if given else kind()
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        faults = [
            _fault(prefix, [str(step) for step in fault["loc"]], fault["msg"])
            for fault in error.errors(include_input=False, include_url=False)
        ]
    except SettingsError as error:
        faults = [str(error)]
    sys.stderr.write("".join(f"{fault}\n" for fault in faults))
    sys.exit(WRONG_USE)


def _parsed(kind: type[S], arguments: list[str]) -> S:
    return kind(
        _cli_parse_args=arguments,
        _cli_prog_name=f"python -m {_program()}",
        _cli_kebab_case=True,
        _cli_implicit_flags=True,
        _cli_hide_none_type=True,
        _cli_avoid_json=True,
    )


def _program() -> str:
    """Return the module that was started."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec is not None else Path(sys.argv[0]).stem


def _fault(prefix: str, place: Sequence[str], message: str) -> str:
    if not place:
        return message
    name = place[0]
    words = message.removeprefix("Value error, ")
    return f"--{name.replace('_', '-')} ({prefix}{name.upper()}): {words}"
