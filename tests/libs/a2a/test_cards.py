"""What an agent says of itself: true, signed, and read back with suspicion."""

import asyncio
import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
import rfc8785
from a2a.types import AgentCard
from a2a.utils.signing import create_signature_verifier
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.json_format import ParseDict

from tests.libs.a2a.harness import CARD, Mesh, ScriptedPeer, a_task, agent
from weft.a2a import Card, Skill, capabilities_of, provider_of, read_card
from weft.a2a.client import A2AClient, fetch_card, open_session
from weft.a2a.wire.foreign_cards import read_foreign_card
from weft.core import JsonObject
from weft.core.protocol_errors import CardRefusedError
from weft.identity import Caller, Minter, SigningKey, Trust, Verifier
from weft.identity.keys import unb64
from weft.identity.signatures import sign

URL = "http://127.0.0.1:8000/"


def signed_card(key: SigningKey, url: str = URL) -> JsonObject:
    card = Card(
        name="echo",
        description="Zählt: 数える",
        skills=(Skill(id="a", name="A", description="b", tags=("domain:x",)),),
    )
    return sign(card.to_wire(url, schemes=Verifier.schemes), key)


@pytest.mark.requirement("A2A-9")
async def test_the_card_is_cached_by_its_tag() -> None:
    async with agent(mesh=Mesh()) as served:
        url = served.url + ".well-known/agent-card.json"
        async with served.session.get(url) as first:
            card = await first.json()
        tag = {"if-none-match": first.headers["ETag"]}
        async with served.session.get(url, headers=tag) as second:
            body = await second.read()
        other = {"if-none-match": '"other"'}
        async with served.session.get(url, headers=other) as third:
            assert third.status == 200

    assert first.headers["Cache-Control"] == "public, max-age=60"
    assert first.headers["Last-Modified"].endswith("GMT")
    assert (second.status, body) == (304, b"")
    assert second.headers["ETag"] == first.headers["ETag"]
    assert card["supportedInterfaces"][0]["url"] == served.url


@pytest.mark.requirement("A2A-9")
def test_a_signed_card_verifies_with_the_reference_sdk() -> None:
    key = SigningKey.generate("echo")
    card = ParseDict(signed_card(key), AgentCard())
    verify = create_signature_verifier(lambda *_: key.private.public_key(), ["EdDSA"])  # type: ignore[arg-type]

    verify(card)

    card.description = "changed"
    with pytest.raises(Exception, match="No valid signature"):
        verify(card)


@pytest.mark.requirement("A2A-9")
@pytest.mark.requirement("A2A-45")
def test_a_signed_card_verifies_with_nothing_but_the_standards() -> None:
    key = SigningKey.generate("echo")
    card: Any = sign(Card(name="echo", description="d").to_wire(URL, schemes={}), key)
    [signature] = card.pop("signatures")
    protected = signature["protected"]

    header = json.loads(unb64(protected.encode()))
    payload = rfc8785.dumps(card)
    encoded = base64.urlsafe_b64encode(payload).rstrip(b"=")
    public = Ed25519PublicKey.from_public_bytes(unb64(key.public().public.encode()))

    assert header == {"alg": "EdDSA", "kid": key.kid, "typ": "JOSE"}
    public.verify(
        unb64(signature["signature"].encode()),
        protected.encode() + b"." + encoded,
    )


@pytest.mark.requirement("A2A-45")
async def test_a_new_key_signs_without_a_restart() -> None:
    mesh = Mesh()
    async with agent(mesh=mesh) as served, open_session() as session:
        before = await fetch_card(session, served.url)
        rotated = SigningKey.generate("echo")
        served.server.show(served.server.card, rotated)
        after = await fetch_card(session, served.url)
        trust = Trust((rotated.trusted(),))

        card = await read_card(after, service="echo", origin=served.url, trust=trust)
        with pytest.raises(CardRefusedError):
            await read_card(before, service="echo", origin=served.url, trust=trust)

    assert card.trusted


@pytest.mark.requirement("A2A-42")
@pytest.mark.parametrize("card", [CARD, Card(name="bare", description="No skills named.")])
def test_no_string_or_list_of_a_card_is_empty_and_every_skill_states_its_modes(card: Card) -> None:
    shown = card.to_wire(URL, schemes={})

    def check(value: object) -> None:
        assert value not in ("", [], {}, None)
        for each in value.values() if isinstance(value, dict) else ():
            check(each)
        for each in value if isinstance(value, list) else ():
            check(each)

    check(shown)
    skills = shown["skills"]
    assert isinstance(skills, list)
    assert all(each["inputModes"] and each["outputModes"] for each in skills)  # type: ignore[index,call-overload]


@pytest.mark.requirement("A2A-42")
async def test_a_card_declares_what_is_served_and_nothing_else() -> None:
    async with agent() as served:
        able = served.server.card["capabilities"]
        push = await served.call("CreateTaskPushNotificationConfig", {"taskId": "x"})
        extended = await served.call("GetExtendedAgentCard", {})

    assert isinstance(able, dict)
    assert (able["streaming"], able["pushNotifications"], able["extendedAgentCard"]) == (
        True,
        False,
        False,
    )
    assert push["error"]["code"] == -32003
    assert extended["error"]["code"] == -32004


def tampered(key: SigningKey, url: str) -> dict[str, JsonObject]:
    good = signed_card(key, url)
    stranger = SigningKey.generate("echo")
    other = SigningKey.of("metrics", key.private)
    return {
        "unsigned": {name: value for name, value in good.items() if name != "signatures"},
        "stranger": signed_card(stranger, url),
        "other service": signed_card(other, url),
        "changed": {**good, "description": "better"},
        "added": {**good, "iconUrl": "http://x/"},
        "elsewhere": signed_card(key, "http://127.0.0.2:9/"),
        "other port": signed_card(key, "http://127.0.0.1:9/"),
        "broken signature": {**good, "signatures": [{"protected": "e30", "signature": "AA"}]},
        "odd signatures": {**good, "signatures": ["x", 1, {"protected": 5}]},
    }


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("unsigned", marks=pytest.mark.requirement("SEC-103")),
        pytest.param("stranger", marks=pytest.mark.requirement("SEC-104")),
        pytest.param("changed", marks=pytest.mark.requirement("SEC-105")),
        pytest.param("added", marks=pytest.mark.requirement("SEC-105")),
        pytest.param("elsewhere", marks=pytest.mark.requirement("SEC-106")),
        pytest.param("other port", marks=pytest.mark.requirement("SEC-106")),
        "broken signature",
        "odd signatures",
    ],
)
async def test_a_card_that_is_not_the_services_own_word_gets_its_peer_no_call(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    mesh, peer = Mesh(), ScriptedPeer()
    async with agent(peer, mesh=mesh) as served, open_session() as session:
        served.server.show(tampered(mesh.echo, served.url)[how], None)
        with caplog.at_level(logging.WARNING), pytest.raises(CardRefusedError):
            await A2AClient.connect(
                served.url, session, service="echo", trust=mesh.trust, minter=Minter(mesh.router)
            )

    assert peer.runs == []
    assert [record.getMessage() for record in caplog.records] == ["a2a_card_refused"]


async def test_a_key_pinned_for_another_service_signs_no_card_of_this_one() -> None:
    key = SigningKey.generate("metrics")
    text = json.dumps(signed_card(key))

    with pytest.raises(CardRefusedError, match="no pinned key of 'echo'"):
        await read_card(text, service="echo", origin=URL, trust=Trust((key.trusted(),)))


@pytest.mark.requirement("A2A-66")
async def test_a_token_goes_to_no_peer_whose_card_nobody_vouched_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mesh, seen = Mesh(), []
    async with agent(ScriptedPeer()) as served, open_session() as session:
        admit = served.server.callers.admit

        async def watch(headers: Mapping[str, str], address: str | None) -> Caller:
            seen.append(headers.get("authorization"))
            return await admit(headers, address)

        monkeypatch.setattr(served.server.callers, "admit", watch)
        text = await fetch_card(session, served.url)
        card = read_foreign_card(text, service="echo", origin=served.url)
        result = await A2AClient(card, session, minter=Minter(mesh.router)).start(a_task())

    assert result.ok
    assert seen == [None]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"supportedInterfaces": 3}', "{}", "[" * 9999])
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(CardRefusedError):
        read_foreign_card(text, service="x", origin=URL)


async def test_a_card_without_end_is_cut() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        try:
            while True:
                writer.write(b" " * 65_536)
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, open_session() as session:
        with pytest.raises(CardRefusedError, match="larger"):
            await fetch_card(session, f"http://127.0.0.1:{port}")


async def test_what_a_server_tells_the_catalogue_makes_a_client_without_asking_it() -> None:
    mesh, peer = Mesh(), ScriptedPeer()
    async with agent(peer, mesh=mesh) as served, open_session() as session:
        entry = served.server.entry("echo-1", started_at=5.0)
        card = await read_card(
            entry.card, service=entry.service, origin=entry.url, trust=mesh.trust
        )
        client = A2AClient(card, session, minter=Minter(mesh.router))
        result = await client.start(a_task("hi"))

    assert (entry.service, entry.instance, entry.url) == ("echo", "echo-1", served.url)
    assert [each.id for each in provider_of(entry).capabilities] == ["echo"]
    assert result.text == "echo: hi"


def test_skills_become_capabilities_and_no_tag_lowers_a_risk() -> None:
    tags = {
        "plain": ("general",),
        "full": ("domain:metrics", "domain:logs", "risk:medium", "role:execute", "effects:none"),
        "twice": ("risk:high", "risk:low"),
        "typo": ("risk:hgih", "effects:nothing", "role:judge"),
    }
    skills = tuple(
        Skill(id=name, name=name, description="d", tags=each, examples=("e",))
        for name, each in tags.items()
    )
    card = Card(name="metrics", description="d", skills=skills).to_wire(URL, schemes={})

    found, problems = capabilities_of(card)

    by_id = {each.id: each for each in found}
    assert by_id["full"].domains == {"metrics", "logs"}
    assert by_id["full"].roles == {"execute"}
    assert (by_id["full"].risk, by_id["full"].effects) == ("medium", "none")
    assert by_id["twice"].risk == by_id["typo"].risk == "high"
    assert (by_id["plain"].risk, by_id["plain"].effects) == ("low", "unknown")
    assert by_id["plain"].providers == ("metrics",)
    assert problems == (
        "skill 'typo': malformed tag 'risk:hgih'",
        "skill 'typo': malformed tag 'effects:nothing'",
    )
