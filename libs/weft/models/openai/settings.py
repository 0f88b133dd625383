"""What a model of this kind is told when it is opened."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError

from weft.core import StrictRecord
from weft.core.errors import ConfigError, did_you_mean
from weft.models.base import Prices
from weft.models.errors import ErrorOrigin, ModelAuthError
from weft.models.timing import SILENCE_SECONDS

KEY_VARIABLE, URL_VARIABLE, OLLAMA_VARIABLE = "OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST"
AZURE_KEY_VARIABLE, AZURE_URL_VARIABLE = "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"
AZURE_VERSION = "2024-10-21"
OFFICIAL_ADDRESS = "https://api.openai.com/v1"
OLLAMA_ADDRESS = "http://127.0.0.1:11434"


class OpenAISettings(StrictRecord):
    """Everything but the model's name; the key shows in no representation."""

    provider: str = "openai"
    api_key: SecretStr
    base_url: str | None = None
    api_version: str | None = None
    """Set for Azure, whose models are deployments with an address each."""
    prices: Prices | None = None
    context_window: int | None = Field(default=None, gt=0)
    structured: bool = True
    """False for servers that do not know `response_format`."""
    parallel_tools: bool = True
    late_system: bool = True
    """False for servers that take system messages at the beginning only."""
    silence: float = Field(default=SILENCE_SECONDS, gt=0)
    """Seconds without a chunk after which a stream counts as dead."""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)

    @property
    def address(self) -> str:
        """Where the server is, as an error may say it: no user, password or query."""
        parts = urlsplit(self.base_url or OFFICIAL_ADDRESS)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"


def openai_settings(options: Mapping[str, object]) -> OpenAISettings:
    """Return the settings of `openai:`, key and address from the environment where not given.

    Raises:
        ModelAuthError: there is no key.
        ConfigError: an option is unknown or wrong.
    """
    key = options.get("api_key") or os.environ.get(KEY_VARIABLE)
    if not key:
        message = f"openai needs a key: set {KEY_VARIABLE}; a server without keys takes any text"
        raise ModelAuthError(message, origin=ErrorOrigin(provider="openai"))
    url = options.get("base_url") or os.environ.get(URL_VARIABLE) or None
    return _settings({**options, "api_key": key, "base_url": url})


def ollama_settings(options: Mapping[str, object]) -> OpenAISettings:
    """Return the settings of `ollama:`, which has an address and no key.

    Raises:
        ConfigError: an option is unknown or wrong.
    """
    host = str(options.get("base_url") or os.environ.get(OLLAMA_VARIABLE) or OLLAMA_ADDRESS)
    address = host if "://" in host else f"http://{host}"
    url = address if address.rstrip("/").endswith("/v1") else f"{address.rstrip('/')}/v1"
    return _settings({"provider": "ollama", **options, "api_key": "ollama", "base_url": url})


def azure_settings(options: Mapping[str, object]) -> OpenAISettings:
    """Return the settings of `azure:`, whose model is the name of a deployment.

    Raises:
        ModelAuthError: there is no endpoint or no key.
        ConfigError: an option is unknown or wrong.
    """
    url = options.get("base_url") or os.environ.get(AZURE_URL_VARIABLE)
    key = options.get("api_key") or os.environ.get(AZURE_KEY_VARIABLE)
    if not (url and key):
        message = (
            f"azure needs an endpoint and a key: set {AZURE_URL_VARIABLE}, {AZURE_KEY_VARIABLE}"
        )
        raise ModelAuthError(message, origin=ErrorOrigin(provider="azure"))
    given = {"provider": "azure", "api_version": AZURE_VERSION, **options}
    return _settings({**given, "api_key": key, "base_url": url})


def _settings(options: Mapping[str, object]) -> OpenAISettings:
    fields = OpenAISettings.model_fields
    for name in options:
        if name not in fields:
            raise ConfigError(f"unknown model option {name!r}{did_you_mean(name, list(fields))}")
    try:
        return OpenAISettings.model_validate(dict(options))
    except ValidationError as error:
        # The values stay out of the message: one of them is the key.
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"model options are wrong: {wrong}") from None
