"""All checks of one agent, in the order in which a client would meet what they look at."""

from collections.abc import AsyncGenerator

import aiohttp
import orjson

from weft.a2a.checks.calls import AgentCalls, call_checks
from weft.a2a.checks.card import asks_for, card_checks, credential_for, jsonrpc_url
from weft.a2a.checks.exchange import Exchange, RawReply
from weft.a2a.checks.model import Check, judged
from weft.a2a.wire.cards import WELL_KNOWN
from weft.core import JsonObject
from weft.core.protocol_errors import PeerUnavailableError

NOT_MODIFIED, UNAUTHENTICATED, OK = 304, 401, 200


async def check_agent(
    session: aiohttp.ClientSession, url: str, *, text: str, key: str | None, seconds: float = 60.0
) -> AsyncGenerator[Check, None]:
    """Yield what holds of the agent at `url` and what does not; it is sent `text`, as a task.

    `key` is sent as its card asks for it. Each request may take `seconds`.

    Raises:
        PeerUnavailableError: Nobody answers there.
    """
    address = url.rstrip("/") + WELL_KNOWN
    reply = await Exchange(session, seconds=seconds).get(address)
    card = reply.document()
    yield judged(
        "card is there",
        reply.status == OK and card,
        f"GET {address} gives HTTP {reply.status}, no card",
    )
    if not card:
        return
    for check in card_checks(reply, address):
        yield check
    if "etag" in reply.headers:
        yield await _revalidated(Exchange(session, seconds=seconds), address, reply)
    endpoint = jsonrpc_url(card, address)
    if endpoint is None:
        yield Check(subject="calls", verdict="unchecked", words="there is no interface to call")
        return
    credential = credential_for(card, key) if key else {}
    calls = AgentCalls(Exchange(session, credential=credential, seconds=seconds), endpoint)
    anonymous = await _anonymous(calls)
    yield _enforced(card, anonymous)
    if anonymous.status == UNAUTHENTICATED and not key:
        words = "it asks for a credential: give --key, or start it with --open"
        yield Check(subject="calls", verdict="unchecked", words=words)
        return
    async for check in _calls(calls, card, text):
        yield check


async def _calls(calls: AgentCalls, card: JsonObject, text: str) -> AsyncGenerator[Check, None]:
    try:
        async for check in call_checks(calls, card, text):
            yield check
    except PeerUnavailableError as error:
        yield Check(subject="answers", verdict="fault", words=str(error))


async def _revalidated(exchange: Exchange, address: str, reply: RawReply) -> Check:
    again = await exchange.get(address, {"If-None-Match": reply.headers["etag"]})
    words = f"a request with its ETag gives HTTP {again.status}: answer 304"
    return judged("card revalidation", again.status == NOT_MODIFIED, words, verdict="advice")


async def _anonymous(calls: AgentCalls) -> RawReply:
    body = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "-"}}
    return await calls.exchange.post(calls.url, orjson.dumps(body), anonymous=True)


def _enforced(card: JsonObject, anonymous: RawReply) -> Check:
    """Return whether the card says of credentials what the agent does."""
    refused, declared = anonymous.status == UNAUTHENTICATED, bool(asks_for(card))
    if refused != declared:
        words = (
            "it refuses callers without a credential, and its card declares none"
            if refused
            else "its card asks for a credential, and it serves callers without one"
        )
        return Check(subject="credentials", verdict="fault", words=words)
    named = not refused or "www-authenticate" in anonymous.headers
    return judged("credentials", named, "its 401 has no WWW-Authenticate header")
