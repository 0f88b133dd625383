"""Models behind one contract: providers, retries, and a planner for machines without a key."""

from weft.models.base import (
    FREE,
    NO_TOKENS,
    Capabilities,
    FinishReason,
    GeneratedBy,
    Model,
    ModelChunk,
    ModelRequest,
    ModelResponse,
    ModelUsage,
    Prices,
    ToolCallDelta,
)
from weft.models.chunks import ChunkJoiner, joined
from weft.models.errors import (
    AllModelsFailedError,
    CircuitOpenError,
    ContentFilterError,
    ContextLengthError,
    MissingExtraError,
    ModelAuthError,
    ModelError,
    ModelRequestError,
    ModelTimeoutError,
    ModelUnavailableError,
    NoApplicableToolError,
    RateLimitedError,
    UnknownProviderError,
)
from weft.models.fallback import FallbackModel
from weft.models.registry import ModelProvider, add_provider, get_model, known_providers
from weft.models.retry import ModelRetryConfig, Retrying, RetryNotice, complete, streamed
from weft.models.stand_in import StandIn
from weft.models.structured import schema_in_words

__all__ = [
    "FREE",
    "NO_TOKENS",
    "AllModelsFailedError",
    "Capabilities",
    "ChunkJoiner",
    "CircuitOpenError",
    "ContentFilterError",
    "ContextLengthError",
    "FallbackModel",
    "FinishReason",
    "GeneratedBy",
    "MissingExtraError",
    "Model",
    "ModelAuthError",
    "ModelChunk",
    "ModelError",
    "ModelProvider",
    "ModelRequest",
    "ModelRequestError",
    "ModelResponse",
    "ModelRetryConfig",
    "ModelTimeoutError",
    "ModelUnavailableError",
    "ModelUsage",
    "NoApplicableToolError",
    "Prices",
    "RateLimitedError",
    "RetryNotice",
    "Retrying",
    "StandIn",
    "ToolCallDelta",
    "UnknownProviderError",
    "add_provider",
    "complete",
    "get_model",
    "joined",
    "known_providers",
    "schema_in_words",
    "streamed",
]
