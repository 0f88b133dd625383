"""Which exceptions prove that an effect did not happen."""

import socket
import urllib.error


class EffectNotDone(Exception):  # noqa: N818 - a statement of fact that a body makes
    """Raised by a tool body that knows: nothing happened outside, so it may be run again."""


_SURE = (EffectNotDone, ConnectionRefusedError, socket.gaierror)
_NEVER_CONNECTED = frozenset({"ConnectError", "ClientConnectorError"})
"""Of httpx and aiohttp, by name, so that neither is imported. A connect *timeout* proves nothing:
some transports report a lost reply as one."""
_CLIENT_ERRORS = range(400, 500)
_SERVICE_UNAVAILABLE = 503


def proves_nothing_happened(
    error: BaseException, declared: tuple[type[BaseException], ...] = ()
) -> bool:
    """Tell whether whoever raised `error` cannot have had an effect; `declared` classes say so."""
    if isinstance(error, (*_SURE, *declared)):
        return True
    if isinstance(getattr(error, "reason", None), _SURE):  # urllib wraps what it met
        return True
    if any(kind.__name__ in _NEVER_CONNECTED for kind in type(error).__mro__):
        return True
    status = _http_status(error)
    return status in _CLIENT_ERRORS or status == _SERVICE_UNAVAILABLE


def _http_status(error: BaseException) -> int | None:
    """Return the status that a server answered with, where the error of an HTTP client has one."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code
    answer = getattr(error, "response", None)
    status = getattr(answer, "status_code", None) or getattr(error, "status", None)
    status = status or getattr(error, "status_code", None)
    return status if isinstance(status, int) else None
