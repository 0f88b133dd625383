"""Choosing a backend by URL; it is imported when it is first asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from weft.checkpoint.checkpointer import Checkpointer
from weft.core.errors import ConfigError, did_you_mean

Opener = Callable[[str], Checkpointer]

_OPENERS: Mapping[str, tuple[str, str]] = {
    "memory": ("weft.checkpoint.memory", "from_url"),
    "sqlite": ("weft.checkpoint.sqlite", "from_url"),
}


def get_checkpointer(url: str) -> Checkpointer:
    """Return the database that `url` names: `sqlite:<path>` or `memory:`; the caller closes it.

    Raises:
        ConfigError: No backend has this scheme, or the rest of the URL says nothing to it.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise ConfigError("a checkpointer is named by a URL such as 'sqlite:weft.db' or 'memory:'")
    if scheme not in _OPENERS:
        known = [f"{name}:" for name in _OPENERS]
        raise ConfigError(f"no checkpointer for {scheme + ':'!r}{did_you_mean(scheme, known)}")
    module, name = _OPENERS[scheme]
    opener = cast("Opener", getattr(import_module(module), name))
    return opener(rest)
