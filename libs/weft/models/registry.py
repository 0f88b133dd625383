"""From `provider:model` to a model; a provider is imported when first asked for."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec

from weft.core.errors import ConfigError
from weft.models.base import Model
from weft.models.errors import MissingExtraError, UnknownProviderError
from weft.models.fallback import FallbackModel

ENTRY_POINTS = "weft.models"
MODEL_VARIABLE = "WEFT_MODEL"
FALLBACK = "offline:"

BUILT_IN: Mapping[str, str] = {
    "azure": "weft.models.openai.provider:AZURE",
    "offline": "weft.models.offline.model:PROVIDER",
    "ollama": "weft.models.openai.provider:OLLAMA",
    "openai": "weft.models.openai.provider:OPENAI",
}
BY_CREDENTIALS = ("openai", "azure")
"""Which providers `model=None` tries, in order, before it falls back to the rules."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelProvider:
    """How to open the models of one provider.

    `open` takes the text after the colon, then keyword arguments of the provider's own, and
    raises `ModelAuthError` without credentials.
    """

    open: Callable[..., Model]
    default_model: str = ""
    has_credentials: Callable[[Mapping[str, str]], bool] = lambda _environment: False


# Import-time registrations only (`weft.testing` adds `scripted`); nothing is ever replaced.
_added: dict[str, ModelProvider] = {}


def add_provider(name: str, provider: ModelProvider) -> None:
    """Register `provider` for this process; other packages use the entry-point group instead."""
    _added.setdefault(name, provider)


def get_model(model: str | None = None, **model_kwargs: object) -> Model:
    """Open the model named `provider:model`; the caller closes it.

    Several names, parted by commas, are one model: the next answers when one cannot. None means `WEFT_MODEL`, else the default model of the first provider with credentials, else
    the rules of `offline:`.

    Raises:
        ConfigError: the name has no colon, or an argument is wrong.
        UnknownProviderError: nobody registered the provider.
        MissingExtraError: the provider's package is not installed.
        ModelAuthError: there are no credentials for it.
    """
    if model is None:
        model, reason = default_choice(os.environ)
        _announce(model, reason)
    names = [name.strip() for name in model.split(",")]
    if len(names) > 1:
        return FallbackModel([_opened(name, model_kwargs) for name in names])
    return _opened(model, model_kwargs)


def _opened(model: str, model_kwargs: Mapping[str, object]) -> Model:
    name, colon, rest = model.partition(":")
    if not colon:
        message = f"model must be 'provider:model', got {model!r}; for example 'openai:gpt-4o'"
        raise ConfigError(message)
    return provider_named(name).open(rest, **model_kwargs)


def default_choice(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the model that None stands for, and why."""
    if named := environment.get(MODEL_VARIABLE):
        return named, f"{MODEL_VARIABLE} is set"
    for name in BY_CREDENTIALS:
        provider = provider_named(name)
        if provider.has_credentials(environment):
            return f"{name}:{provider.default_model}", f"credentials for {name} were found"
    return FALLBACK, "no credentials were found: answers come from rules, not a language model"


def known_providers() -> tuple[str, ...]:
    """Return every provider name that `get_model` accepts here."""
    installed = {entry.name for entry in entry_points(group=ENTRY_POINTS)}
    return tuple(sorted({*BUILT_IN, *_added, *installed}))


def provider_named(name: str) -> ModelProvider:
    """Return a provider, importing its module now.

    Raises:
        UnknownProviderError: nobody registered the provider.
        MissingExtraError: its package is not installed.
    """
    if name in _added:
        return _added[name]
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        maker: ModelProvider = getattr(import_module(module), attribute)
        return maker
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        loaded: ModelProvider = entry.load()
        return loaded
    raise UnknownProviderError(name, known_providers())


def require(package: str, *, feature: str, extra: str) -> None:
    """Make sure that an optional package is there, without loading it.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec(package) is None:
        raise MissingExtraError(feature, extra)


@cache
def _announce(model: str, reason: str) -> None:
    _log.info("model.chosen", extra={"model": model, "reason": reason})
