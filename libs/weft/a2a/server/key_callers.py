"""Callers that are told apart by an API key in a header."""

from collections.abc import Mapping
from typing import ClassVar

from weft.core import Authority, JsonObject
from weft.core.errors import UnauthenticatedError
from weft.identity import ApiKeys, Caller

API_KEY_HEADER = "X-API-Key"


class KeyCallers:
    """Takes a key as `X-API-Key: KEY` or `Authorization: Bearer KEY`; whose it is, is the caller."""

    schemes: ClassVar[Mapping[str, JsonObject]] = {
        "apiKey": {"apiKeySecurityScheme": {"location": "header", "name": API_KEY_HEADER}},
        "bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}},
    }

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Return whose key came with the request.

        Raises:
            UnauthenticatedError: None came, or nobody's.
        """
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        credential = headers.get(API_KEY_HEADER.lower()) or (
            bearer if scheme.lower() == "bearer" else ""
        )
        if not credential:
            raise UnauthenticatedError(f"this needs an API key: send it as {API_KEY_HEADER}")
        return Caller(Authority(await self._keys.authenticate(credential)))

    async def stands(self, _: Caller) -> bool:
        """Tell that it does: keys are given at the start, and live as long as the process."""
        return True
