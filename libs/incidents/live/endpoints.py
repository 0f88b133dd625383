"""One HTTP API of a telemetry system: bounded, deadlined, and shown without its credentials."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

import aiohttp
import orjson

from weft.core import JsonObject
from weft.core.errors import ConfigError

__all__ = ["Endpoint", "Kind", "QueryError", "endpoint"]

Kind = Literal["prometheus", "loki", "jaeger", "tempo"]
QUERY_SECONDS = 10.0
MAX_REPLY = 32 << 20
"""Bytes of one reply; a larger one is not read, and that is said."""
_MOST_WORDS = 200
_OK = 200


class QueryError(Exception):
    """A query brought nothing: why, in words for the person who runs the source."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one system answers; its credential never stands in `url`."""

    kind: Kind
    url: str
    """Base address, without a slash at its end."""
    authorization: str = field(default="", repr=False)
    tenant: str = ""
    """`X-Scope-OrgID` of Loki and Tempo, where they keep several tenants."""

    def query_url(self, path: str, query: Sequence[tuple[str, str]]) -> str:
        """Return the address of a query: what a person can open to see the same."""
        return f"{self.url}{path}?{urlencode(query)}" if query else f"{self.url}{path}"

    async def get(
        self, session: aiohttp.ClientSession, path: str, query: Sequence[tuple[str, str]] = ()
    ) -> JsonObject:
        """Return the JSON object that answers the query.

        Raises:
            QueryError: There is none, within `QUERY_SECONDS` and `MAX_REPLY`.
        """
        timeout = aiohttp.ClientTimeout(total=QUERY_SECONDS)
        try:
            async with session.get(
                self.query_url(path, query),
                headers=self._headers(),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                content = await _content(response)
                if response.status != _OK:
                    raise QueryError(f"it answers {response.status}: {_words(content)}")
        except TimeoutError:
            raise QueryError(f"it did not answer within {QUERY_SECONDS:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise QueryError(f"it does not answer: {reason or type(error).__name__}") from error
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError:
            raise QueryError("its answer is no JSON") from None
        if not isinstance(value, dict):
            raise QueryError("its answer is no JSON object")
        return value

    def _headers(self) -> Mapping[str, str]:
        headers = {"accept": "application/json"}
        if self.authorization:
            headers["authorization"] = self.authorization
        if self.tenant:
            headers["x-scope-orgid"] = self.tenant
        return headers


def endpoint(kind: Kind, url: str, *, token_file: Path | None = None, tenant: str = "") -> Endpoint:
    """Return the endpoint at `url`; a user and password in it become the credential.

    Reads the token anew for each run, since operators rotate it; blocking.

    Raises:
        ConfigError: It is no http or https URL, has a query, or the token cannot be read.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(
            f"the URL of {kind} is no http(s) address without a query, such as "
            "http://127.0.0.1:9090"
        )
    base = urlunsplit((parts.scheme, _host(parts), parts.path.rstrip("/"), "", ""))
    return Endpoint(kind, base, _authorization(kind, parts, token_file), tenant)


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _authorization(kind: Kind, parts: SplitResult, token_file: Path | None) -> str:
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the token of {kind} cannot be read: {error}") from error
        if not token:
            raise ConfigError(f"the token of {kind} is empty: {token_file}")
        return f"Bearer {token}"
    if parts.username is None:
        return ""
    pair = f"{parts.username}:{parts.password or ''}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


async def _content(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_REPLY:
            raise QueryError(f"its answer is larger than {MAX_REPLY >> 20} MB")
    return bytes(content)


def _words(content: bytes) -> str:
    text = " ".join(content[: 4 * _MOST_WORDS].decode(errors="replace").split())
    return text[:_MOST_WORDS] or "nothing more"
