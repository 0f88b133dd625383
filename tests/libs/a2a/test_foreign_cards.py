"""Cards of agents of others: which interfaces are used, and that none of them leads to somebody else."""

import json
from typing import Any

import pytest

from weft.a2a.wire.cards import Interface
from weft.a2a.wire.foreign_cards import read_foreign_card
from weft.core.protocol_errors import CardRefusedError

HOME = "https://desk.example/agents/one/.well-known/agent-card.json"


def places(card: dict[str, Any], origin: str = HOME, hosts: tuple[str, ...] = ()) -> list[str]:
    read = read_foreign_card(json.dumps(card), service="desk", origin=origin, hosts=hosts)
    assert not read.trusted
    return [f"{one.binding} {one.version} {one.url}" for one in read.interfaces]


def listed(*urls: str, binding: str = "JSONRPC", version: str = "1.0") -> dict[str, Any]:
    return {
        "unknown": {"to": ["us"]},
        "supportedInterfaces": [
            {"url": url, "protocolBinding": binding, "protocolVersion": version} for url in urls
        ],
    }


@pytest.mark.requirement("A2A-30")
@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://desk.example/rpc", "https://desk.example/rpc"),
        ("/rpc", "https://desk.example/rpc"),
        ("http://0.0.0.0:8000/a2a/v1", "https://desk.example/a2a/v1"),
        ("http://localhost:9999/", "https://desk.example/"),
        ("http://[::]:80/x", "https://desk.example/x"),
        ("http://desk.example/rpc", "https://desk.example/rpc"),
        ("https://desk.example:443/rpc", "https://desk.example/rpc"),
    ],
)
def test_an_address_that_leads_nowhere_is_taken_as_the_cards_own(url: str, place: str) -> None:
    assert places(listed(url)) == [f"JSONRPC 1.0 {place}"]


@pytest.mark.requirement("A2A-78")
@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/rpc",
        "https://desk.example.other.example/",
        "https://desk.example:8443/",
        "http://desk.example:8080/",
        "//other.example/rpc",
        "https://desk.example@other.example/",
        "file:///etc/passwd",
        "grpc://desk.example",
        "http://169.254.169.254/",
        "http://[::1",
    ],
)
def test_an_interface_on_another_host_is_used_only_if_that_was_said(url: str) -> None:
    with pytest.raises(CardRefusedError, match="--host"):
        places(listed(url))
    if url == "https://other.example/rpc":
        assert places(listed(url), hosts=("other.example",)) == [f"JSONRPC 1.0 {url}"]


@pytest.mark.requirement("A2A-78")
def test_on_this_machine_another_port_is_another_host() -> None:
    own = "http://127.0.0.1:7000/.well-known/agent-card.json"

    assert places(listed("http://localhost:7000/rpc"), own) == [
        "JSONRPC 1.0 http://127.0.0.1:7000/rpc"
    ]
    with pytest.raises(CardRefusedError):
        places(listed("http://localhost:7001/rpc"), own)


@pytest.mark.requirement("A2A-30")
def test_of_several_interfaces_those_that_are_spoken_here_keep_their_order() -> None:
    dual = {
        "supportedInterfaces": [
            {"url": "/grpc", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
            {
                "url": "/rest",
                "protocolBinding": "HTTP+JSON",
                "protocolVersion": "1.0",
                "tenant": "t",
            },
            {"url": "/old-rest", "protocolBinding": "HTTP+JSON", "protocolVersion": "0.3"},
            {"url": "/next", "protocolBinding": "JSONRPC", "protocolVersion": "2.0"},
            {"url": "/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0.7"},
        ],
        "url": "/old",
        "protocolVersion": "0.3.0",
        "preferredTransport": "JSONRPC",
        "additionalInterfaces": [
            {"url": "/old", "transport": "JSONRPC"},
            {"url": "/older", "transport": "HTTP+JSON"},
        ],
    }
    read = read_foreign_card(json.dumps(dual), service="desk", origin=HOME)

    assert read.interfaces == (
        Interface("https://desk.example/rest", "HTTP+JSON", "1.0", "t"),
        Interface("https://desk.example/rpc", "JSONRPC", "1.0"),
        Interface("https://desk.example/old", "JSONRPC", "0.3"),
    )
    assert read.extensions == frozenset()


def test_who_offers_nothing_that_is_spoken_is_told_what_is() -> None:
    with pytest.raises(CardRefusedError, match=r"GRPC 1\.0 at /grpc.*HTTP\+JSON of 1\.0"):
        places(listed("/grpc", binding="GRPC"))
    with pytest.raises(CardRefusedError, match="lists no interface"):
        places({"name": "desk"})
