"""`openai:`, `azure:` and `ollama:` as providers; naming one loads no SDK yet."""

from collections.abc import Mapping

from weft.core.errors import ConfigError
from weft.models.openai.model import OpenAIModel
from weft.models.openai.settings import (
    AZURE_KEY_VARIABLE,
    AZURE_URL_VARIABLE,
    KEY_VARIABLE,
    azure_settings,
    ollama_settings,
    openai_settings,
)
from weft.models.registry import ModelProvider, require


def _open_openai(rest: str, **options: object) -> OpenAIModel:
    require("openai", feature="openai:", extra="openai")
    return OpenAIModel(_named(rest, "openai:gpt-4o"), openai_settings(options))


def _open_ollama(rest: str, **options: object) -> OpenAIModel:
    require("openai", feature="ollama:", extra="openai")
    return OpenAIModel(_named(rest, "ollama:llama3.1:8b"), ollama_settings(options))


def _open_azure(rest: str, **options: object) -> OpenAIModel:
    require("openai", feature="azure:", extra="openai")
    return OpenAIModel(_named(rest, "azure:my-deployment"), azure_settings(options))


def _named(rest: str, example: str) -> str:
    if not rest:
        raise ConfigError(f"name a model after the colon, for example {example!r}")
    return rest


def _has_key(environment: Mapping[str, str]) -> bool:
    return bool(environment.get(KEY_VARIABLE))


def _has_azure_key(environment: Mapping[str, str]) -> bool:
    return all(environment.get(name) for name in (AZURE_KEY_VARIABLE, AZURE_URL_VARIABLE))


OPENAI = ModelProvider(open=_open_openai, default_model="gpt-4o", has_credentials=_has_key)
AZURE = ModelProvider(open=_open_azure, default_model="gpt-4o", has_credentials=_has_azure_key)
OLLAMA = ModelProvider(open=_open_ollama)
