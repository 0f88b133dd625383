"""What a call cost: counted by the provider, else estimated, priced from a table."""

from collections.abc import Mapping

from weft.core import Message, dumps
from weft.models.base import ModelRequest, ModelUsage, Prices
from weft.models.chunks import arguments_text

__all__ = ["estimated"]

CHARACTERS_PER_TOKEN = 4

PRICES: Mapping[str, Prices] = {
    "gpt-4o": Prices(prompt=2.5, completion=10, cache_read=1.25),
    "gpt-4o-mini": Prices(prompt=0.15, completion=0.6, cache_read=0.075),
    "gpt-4.1": Prices(prompt=2, completion=8, cache_read=0.5),
    "gpt-4.1-mini": Prices(prompt=0.4, completion=1.6, cache_read=0.1),
    "gpt-4.1-nano": Prices(prompt=0.1, completion=0.4, cache_read=0.025),
}
"""List prices; pass `prices=` for any other model, or for a contract of your own."""

CONTEXT_WINDOWS: Mapping[str, int] = {
    "gpt-4o": 128_000,
    "gpt-4o-mini": 128_000,
    "gpt-4.1": 1_047_576,
    "gpt-4.1-mini": 1_047_576,
    "gpt-4.1-nano": 1_047_576,
}


def estimated(request: ModelRequest, reply: Message) -> ModelUsage:
    """Return usage counted as characters by four, marked as such."""
    prompt = sum(_characters(message) for message in request.messages)
    prompt += sum(len(dumps(tool.parameters)) + len(tool.description) for tool in request.tools)
    prompt_tokens, completion_tokens = _tokens(prompt), _tokens(_characters(reply))
    return ModelUsage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        estimated=True,
    )


def priced(usage: ModelUsage, prices: Prices | None) -> ModelUsage:
    """Return `usage` with its cost, where a price is known."""
    if prices is None:
        return usage
    return usage.model_copy(update={"cost_usd": prices.cost(usage)})


def _characters(message: Message) -> int:
    calls = sum(len(call.name) + len(arguments_text(call)) for call in message.tool_calls)
    return len(message.content) + calls


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)
