"""The target that is operated: a small contract, and its driver over HTTP.

`docs/operating.md` says what an HTTP target answers. Its address and credential are settings of the
operator; no request names either.
"""

import ipaddress
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

import aiohttp
import anyio
from pydantic import ValidationError

from services.operator.actions import Action, TargetState
from weft.core import JsonObject, loads_object
from weft.core.errors import ConfigError, InputError
from weft.tools import NOT_DONE, UNKNOWN, EffectNotDone, Reconciled, done

__all__ = ["HttpTarget", "Target", "TargetError", "target_address"]

_WITHIN = aiohttp.ClientTimeout(total=30.0, sock_connect=5.0)
_MOST_REPLY = 1 << 20
_MOST_WORDS = 200
_REFUSED = range(400, 500)
_BUSY = 503
_UNCLEAR = frozenset({408, 425})
"""Of what may have been begun."""


class TargetError(Exception):
    """The target gave no usable answer; whether it acted is not known from it."""


class UnreachedError(TargetError):
    """Nothing was sent to the target."""


class Target(Protocol):
    """What can be operated. Every call has a deadline, and each operation a key of its caller's."""

    async def state(self) -> TargetState:
        """Return what it is now.

        Raises:
            TargetError: It does not say.
        """
        ...

    async def perform(self, action: Action, *, key: str) -> None:
        """Carry `action` out.

        Raises:
            EffectNotDone: Nothing was done, for certain.
            TargetError: Nobody can tell whether it was.
        """
        ...

    async def outcome(self, key: str) -> Reconciled:
        """Return what became of an operation, as far as the target can tell."""
        ...


def target_address(url: str) -> str:
    """Return the base address that `url` names, without a slash at its end.

    Raises:
        ConfigError: It is none, or a credential would travel over it in the open.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"{url!r} is no address of a target, such as http://127.0.0.1:9000")
    if parts.username is not None:
        raise ConfigError(
            "no password in the address of a target: write its token into a file, and name it with "
            "OPERATOR_TARGET_TOKEN_FILE"
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ConfigError(
            f"the target {parts.hostname} is another machine: use https, so that nobody on the way "
            "reads its token or acts in its name"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class HttpTarget:
    """A target behind HTTP and a bearer token, read anew for each call: operators rotate it."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token_file: Path | None) -> None:
        self._session = session
        self._url = target_address(url)
        self._token_file = token_file

    async def state(self) -> TargetState:
        status, answer = await self._called("GET", "/state")
        if status != 200:  # noqa: PLR2004 - OK
            raise TargetError(f"the target answers {status}: {_words(answer)}")
        try:
            return TargetState.model_validate(answer)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            place = "/".join(map(str, fault["loc"]))
            raise TargetError(
                f"the target's state has another form: {place}: {fault['msg']}"
            ) from error

    async def perform(self, action: Action, *, key: str) -> None:
        body: JsonObject = {"key": key, "kind": action.kind, **action.arguments()}
        try:
            status, answer = await self._called("POST", "/operations", body)
        except UnreachedError as error:
            raise EffectNotDone(str(error)) from error
        if status in _REFUSED and status not in _UNCLEAR:
            raise EffectNotDone(f"the target refused it ({status}): {_words(answer)}")
        if status == _BUSY:
            raise EffectNotDone(f"the target does not take it now ({status}): {_words(answer)}")
        if status != 200 or answer.get("status") != "done":  # noqa: PLR2004 - OK
            raise TargetError(f"the target answers {status}: {_words(answer)}")

    async def outcome(self, key: str) -> Reconciled:
        try:
            status, answer = await self._called("GET", f"/operations/{quote(key, safe='')}")
        except TargetError:
            return UNKNOWN
        outcome = answer.get("status") if status == 200 else None  # noqa: PLR2004 - OK
        return {"done": done(), "not_done": NOT_DONE}.get(str(outcome), UNKNOWN)

    async def _called(
        self, method: str, path: str, body: JsonObject | None = None
    ) -> tuple[int, JsonObject]:
        headers = await self._headers()
        try:
            async with self._session.request(
                method,
                self._url + path,
                json=body,
                headers=headers,
                timeout=_WITHIN,
                allow_redirects=False,
            ) as response:
                content = await _content(response)
                return response.status, _object(content)
        except aiohttp.ClientConnectorError as error:
            raise UnreachedError(
                f"nobody answers at {self._url}: is the target running?"
            ) from error
        except TimeoutError as error:
            raise TargetError(f"the target did not answer within {_WITHIN.total:.0f} s") from error
        except aiohttp.ClientError as error:
            raise TargetError(f"the target's answer was lost ({type(error).__name__})") from error

    async def _headers(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            token = (await anyio.Path(self._token_file).read_text(encoding="utf-8")).strip()
        except (OSError, UnicodeDecodeError) as error:
            words = f"the token of the target cannot be read from {self._token_file}"
            raise UnreachedError(words) from error
        return {"authorization": f"Bearer {token}"}


async def _content(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _MOST_REPLY:
            raise TargetError(f"the target's answer is longer than {_MOST_REPLY} bytes")
    return bytes(content)


def _object(content: bytes) -> JsonObject:
    try:
        return loads_object(content)
    except (ValueError, InputError):
        return {"error": content[:_MOST_WORDS].decode("utf-8", "replace")}


def _words(answer: JsonObject) -> str:
    return str(answer.get("error") or "it does not say why")[:_MOST_WORDS]
