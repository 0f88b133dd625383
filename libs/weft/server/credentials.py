"""Whose a bearer credential is, and whether it still is."""

from typing import Protocol

from weft.core import Principal
from weft.core.errors import UnauthenticatedError

__all__ = ["BearerAuthenticator", "stands_for"]


class BearerAuthenticator(Protocol):
    """Turns a credential into a principal, or raises `UnauthenticatedError`."""

    async def authenticate(self, credential: str) -> Principal: ...


async def stands_for(
    authenticator: BearerAuthenticator, credential: str, principal: Principal
) -> bool:
    """Tell whether the credential stands for exactly this principal now."""
    try:
        return await authenticator.authenticate(credential) == principal
    except UnauthenticatedError:
        return False
