"""`GET /v1/agents`: who is there for a caller, and what each can do, from the cards of the catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from weft.a2a import provider_of, read_card
from weft.a2a.outside import outside_provider
from weft.catalog import Capability, Catalog, Entry, Provider
from weft.checkpoint import Page
from weft.core import ROUTER, JsonObject, JsonValue, Principal, rfc3339
from weft.core.errors import InputError, NotFoundError
from weft.core.protocol_errors import CardRefusedError
from weft.identity import Trust
from weft.server import json_response, page_response, page_wanted, principal_of
from weft.service import OutsideFile


@dataclass(slots=True)
class Agents:
    """Reads cards, each once; whose signature does not hold is nobody."""

    catalog: Catalog
    trust: Trust
    outside: OutsideFile
    _read: dict[Entry, Provider | None] = field(default_factory=dict)

    async def there(self, principal: Principal) -> Mapping[str, Sequence[Provider]]:
        """Return the instances of each agent that the principal may call, by name, newest first."""
        entries = [each for each in self.catalog.snapshot().entries if each.service != ROUTER]
        for entry in entries:
            if entry not in self._read:
                self._read[entry] = await self._provider(entry)
        self._read = {entry: self._read[entry] for entry in entries}
        by_name: dict[str, list[Provider]] = {}
        for provider in self._read.values():
            if provider is not None and principal.may_call(provider.service):
                by_name.setdefault(provider.service, []).append(provider)
        for agent in await self.outside.current():
            provider = outside_provider(agent)
            if provider.serves(principal):
                by_name.setdefault(provider.service, [provider])
        for instances in by_name.values():
            instances.sort(key=lambda each: each.started_at, reverse=True)
        return by_name

    def awaited(self, principal: Principal) -> Sequence[str]:
        """Return the names of those that were there, or say so, and do not answer."""
        names = self.catalog.snapshot().awaited - {ROUTER}
        return sorted(name for name in names if principal.may_call(name))

    async def _provider(self, entry: Entry) -> Provider | None:
        try:
            await read_card(entry.card, service=entry.service, origin=entry.url, trust=self.trust)
        except CardRefusedError:
            # The router says so in its log; here it is only nobody to call.
            return None
        return provider_of(entry)


def agent_routes(agents: Agents) -> APIRouter:
    """Return the routes of the catalogue."""
    routes = APIRouter()

    @routes.get("/v1/agents", operation_id="listAgents")
    async def listed(request: Request) -> Response:
        """Return the agents that the caller may call, and those of them that do not answer."""
        principal = principal_of(request)
        limit, cursor = page_wanted(request)
        if cursor is not None:
            raise InputError("there is one page of agents", field="cursor")
        there = await agents.there(principal)
        shown: list[JsonValue] = [_view(there[name]) for name in sorted(there)]
        shown += [_away(name) for name in agents.awaited(principal) if name not in there]
        return page_response(Page(tuple(shown[:limit])), shown[:limit])

    @routes.get("/v1/agents/{name}", operation_id="getAgent")
    async def one(request: Request) -> Response:
        """Return an agent with its skills and instances."""
        name, principal = request.path_params["name"], principal_of(request)
        there = await agents.there(principal)
        if name in there:
            return json_response(_view(there[name]))
        if name in agents.awaited(principal):
            return json_response(_away(name))
        raise NotFoundError("agent", name[:64])

    @routes.get("/v1/agents/{name}/card", operation_id="getAgentCard")
    async def card(request: Request) -> Response:
        """Return the agent's card as it is served."""
        name, principal = request.path_params["name"], principal_of(request)
        there = await agents.there(principal)
        if name not in there:
            raise NotFoundError("agent", name[:64])
        return Response(there[name][0].card, media_type="application/json")

    return routes


def _view(instances: Sequence[Provider]) -> JsonObject:
    newest = instances[0]
    card = orjson.loads(newest.card)
    listed: list[JsonValue] = [
        {"instance": each.instance, "started_at": rfc3339(each.started_at)} for each in instances
    ]
    return {
        "name": newest.service,
        "description": str(card.get("description") or ""),
        "version": str(card.get("version") or ""),
        "status": "there" if newest.outside is None else "outside",
        "instances": listed if newest.outside is None else [],
        "skills": [_skill(capability) for capability in newest.capabilities],
    }


def _away(name: str) -> JsonObject:
    return {
        "name": name,
        "description": None,
        "version": None,
        "status": "away",
        "instances": [],
        "skills": [],
    }


def _skill(capability: Capability) -> JsonObject:
    return {
        "id": capability.id,
        "description": capability.description,
        "domains": [*sorted(capability.domains)],
        "roles": [*sorted(capability.roles)],
        "risk": capability.risk,
        "effects": capability.effects,
        "examples": list(capability.examples),
    }
