"""The names of what goes beyond plain A2A, each active only when a request asks for it."""

from collections.abc import Iterable

from weft.core.protocol_errors import ExtensionRequiredError

DELEGATION = "urn:weft:a2a:delegation:v1"
BUDGET = "urn:weft:a2a:budget:v1"
CANCELLATION = "urn:weft:a2a:cancellation:v1"
INTERRUPT = "urn:weft:a2a:interrupt:v1"
EVENTS = "urn:weft:a2a:events:v1"

ALL: tuple[str, ...] = (DELEGATION, BUDGET, CANCELLATION, INTERRUPT, EVENTS)
HEADER = "A2A-Extensions"
LEGACY_HEADER = f"X-{HEADER}"
"""What 0.3 calls it."""
ALL_HEADER = ",".join(ALL)


def in_force(header: str | None) -> frozenset[str]:
    """Return the extensions of a request's header that this library serves."""
    if not header:
        return frozenset()
    if header == ALL_HEADER:
        return _EVERY
    return _EVERY.intersection(uri.strip() for uri in header.split(","))


def check_required(header: str | None, required: Iterable[str]) -> None:
    """Return if the header declares every required extension.

    Raises:
        ExtensionRequiredError: It lacks one.
    """
    declared = {uri.strip() for uri in (header or "").split(",")}
    for uri in required:
        if uri not in declared:
            raise ExtensionRequiredError(uri)


_EVERY = frozenset(ALL)
