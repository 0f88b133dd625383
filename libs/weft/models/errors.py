"""What can go wrong between an agent and its model, told apart by what a caller can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from weft.core.errors import ConfigError, WeftError, did_you_mean
from weft.models.base import NO_TOKENS, ModelUsage


@dataclass(frozen=True, slots=True)
class ErrorOrigin:
    """Who answered a failed call, and how; never what was asked."""

    provider: str = ""
    status: int | None = None
    provider_code: str | None = None
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Only those that say when to come back."""
    reached: bool = True
    """False where there was no connection at all: nobody listens there."""


NOWHERE = ErrorOrigin()


class ModelError(WeftError):
    """A model gave no reply."""

    code = "model_failed"

    def __init__(self, message: str, *, origin: ErrorOrigin = NOWHERE) -> None:
        super().__init__(message)
        self.origin = origin
        self.usage: ModelUsage = NO_TOKENS
        """What failed attempts spent, where the provider said so."""

    @property
    def provider(self) -> str:
        return self.origin.provider

    @property
    def status(self) -> int | None:
        return self.origin.status

    @property
    def provider_code(self) -> str | None:
        return self.origin.provider_code

    @property
    def request_id(self) -> str | None:
        return self.origin.request_id


class ModelAuthError(ModelError):
    """The provider does not accept the credentials, or there are none."""

    code = "model_auth"


class ModelRequestError(ModelError):
    """The provider will never accept this request, or the quota is used up."""

    code = "model_request"


class ContextLengthError(ModelError):
    """The conversation is longer than the model's context window."""

    code = "context_length"


class ContentFilterError(ModelError):
    """The provider's policy refuses to answer."""

    code = "content_filter"


class RateLimitedError(ModelError):
    """Too many requests; the provider may say when to come back."""

    code = "model_rate_limited"
    retryable = True


class ModelUnavailableError(ModelError):
    """The provider failed, or the connection was lost."""

    code = "model_unavailable"
    retryable = True


class ModelTimeoutError(ModelError):
    """The call took too long, or its stream fell silent."""

    code = "model_timeout"
    retryable = True


class AllModelsFailedError(ModelError):
    """Every model of a fallback list failed; `failures` has them in order."""

    code = "all_models_failed"

    def __init__(self, failures: Sequence[tuple[str, ModelError]]) -> None:
        causes = "; ".join(f"{name}: {type(error).__name__}: {error}" for name, error in failures)
        super().__init__(f"every model failed: {causes}")
        self.failures = tuple(failures)


class CircuitOpenError(ModelError):
    """The model failed too often lately and was not called."""

    code = "model_circuit_open"
    retryable = True


class NoApplicableToolError(ModelError):
    """The rules found no tool for the request and nothing to answer from."""

    code = "no_applicable_tool"


MODEL_ERRORS: tuple[type[ModelError], ...] = (
    ModelError,
    ModelAuthError,
    ModelRequestError,
    ContextLengthError,
    ContentFilterError,
    RateLimitedError,
    ModelUnavailableError,
    ModelTimeoutError,
    AllModelsFailedError,
    CircuitOpenError,
    NoApplicableToolError,
)
"""All ways in which a model gives no reply."""


class UnknownProviderError(ConfigError):
    """No provider of this name is registered."""

    code = "unknown_provider"

    def __init__(self, provider: str, names: Sequence[str]) -> None:
        near = did_you_mean(provider, names)
        hint = near if near.startswith("; did") else ""
        super().__init__(
            f"unknown model provider {provider!r}{hint}; known: {', '.join(sorted(names))}"
        )
        self.provider = provider
        self.known = tuple(sorted(names))


class MissingExtraError(ConfigError):
    """A package that an optional feature needs is not installed."""

    code = "missing_extra"

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs a package: pip install 'weft-mesh[{extra}]'")
        self.extra = extra
