"""Asking an analyst's tool without an agent around it."""

from inspect import isawaitable
from typing import Any

from anyio import to_thread

from weft.core.record import dumps
from weft.core.storable import storable_json
from weft.tools import Tool


async def asked(tool: Tool, data: str) -> dict[str, Any]:
    """Return what the tool says of `data`, which can always be stored and sent."""
    found: Any = await to_thread.run_sync(tool, data)
    if isawaitable(found):
        found = await found
    told: dict[str, Any] = found
    assert storable_json(told) == told
    assert dumps(told)
    return told
