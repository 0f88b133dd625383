"""The HTTP front door of a run store: routes, streams, views, and the edge in front of them."""

from weft.server.admission import ApiOptions, json_response
from weft.server.agent_server import AgentServer
from weft.server.api import api
from weft.server.bodies import Body
from weft.server.credentials import BearerAuthenticator
from weft.server.cross_origin import origins_in
from weft.server.edge import EdgeRules, accepted_hosts
from weft.server.gate import RequestGate
from weft.server.overload import Overload, OverloadBounds
from weft.server.paging import page_response, page_wanted
from weft.server.rates import Rates
from weft.server.requests import principal_of, validated
from weft.server.run_paths import run_id_of
from weft.server.streams import StreamPace

__all__ = [
    "AgentServer",
    "ApiOptions",
    "BearerAuthenticator",
    "Body",
    "EdgeRules",
    "Overload",
    "OverloadBounds",
    "Rates",
    "RequestGate",
    "StreamPace",
    "accepted_hosts",
    "api",
    "json_response",
    "origins_in",
    "page_response",
    "page_wanted",
    "principal_of",
    "run_id_of",
    "validated",
]
