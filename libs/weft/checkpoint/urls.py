"""Choosing a backend by URL; it is imported when it is first asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from weft.checkpoint.checkpointer import Checkpointer
from weft.core.errors import ConfigError, did_you_mean

Opener = Callable[[str], Checkpointer]

_OPENERS: Mapping[str, tuple[str, str]] = {
    "memory": ("weft.checkpoint.memory", "from_url"),
    "postgres": ("weft.checkpoint.postgres", "from_url"),
    "postgresql": ("weft.checkpoint.postgres", "from_url"),
    "sqlite": ("weft.checkpoint.sqlite", "from_url"),
}
_EXTRAS = {"asyncpg": "postgres"}
"""Drivers, and what installs them."""


def get_checkpointer(url: str) -> Checkpointer:
    """Return the database that `url` names; the caller closes it.

    `sqlite:<path>`, `postgresql://<user>@<host>/<database>?schema=<name>`, or `memory:`.

    Raises:
        ConfigError: No backend has this scheme, its driver is not installed, or the rest of the URL
            says nothing to it.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise ConfigError("a checkpointer is named by a URL such as 'sqlite:weft.db' or 'memory:'")
    if scheme not in _OPENERS:
        schemes = [f"{name}:" for name in _OPENERS]
        raise ConfigError(f"no checkpointer for {scheme + ':'!r}{did_you_mean(scheme, schemes)}")
    module, name = _OPENERS[scheme]
    try:
        opener = cast("Opener", getattr(import_module(module), name))
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        extra = _EXTRAS[error.name]
        raise ConfigError(
            f"{scheme}: needs its driver: pip install 'weft-mesh[{extra}]'"
        ) from error
    return opener(rest)
