"""What an instance says of itself: its own, fresh, and answered by nobody else."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from tests.libs.a2a.harness import bound_socket, serving
from weft.a2a import Sealer, read_seal
from weft.a2a.client import MeshVouch, open_session
from weft.a2a.seals import LEEWAY_SECONDS, LIFETIME_SECONDS, PROOF_PATH
from weft.catalog import Entry
from weft.core import Authority, Clock, JsonObject, Principal
from weft.core.protocol_errors import CardRefusedError
from weft.identity import Minter, SigningKey, Trust
from weft.identity.keys import b64
from weft.service.presence import proving

LOGS, CODE = SigningKey.generate("logs"), SigningKey.generate("code", issuer=True)
TRUST = Trust((LOGS.trusted(), CODE.trusted()))
ENTRY = Entry(service="logs", instance="a", url="http://127.0.0.1:9", card="{}", started_at=1.5)
NOW = 1_800_000_000.0


class Fixed(Clock):
    """A clock that stands at one time."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def sealed(key: SigningKey = LOGS, entry: Entry = ENTRY, *, nonce: str = "") -> bytes:
    return Sealer(entry, key, Fixed(NOW)).sealed(nonce)


async def read(text: bytes, *, at: float = NOW, nonce: str = "") -> Entry:
    return await read_seal(text, TRUST, nonce=nonce, clock=Fixed(at))


async def test_a_fresh_seal_is_read_whole() -> None:
    assert await read(sealed()) == ENTRY


@pytest.mark.parametrize("apart", [-LEEWAY_SECONDS, 0, LIFETIME_SECONDS, 119])
async def test_clocks_may_differ_by_a_minute(apart: float) -> None:
    assert await read(sealed(), at=NOW + apart) == ENTRY


def by_hand(header: JsonObject, body: JsonObject, key: SigningKey = LOGS) -> bytes:
    signed = b64(json.dumps(header).encode()) + b"." + b64(json.dumps(body).encode())
    return signed + b"." + b64(key.sign(signed))


HEADER: JsonObject = {"alg": "EdDSA", "kid": LOGS.kid, "typ": "weft-instance+jws"}
BODY: JsonObject = {"entry": ENTRY.to_json(), "exp": NOW + 60, "nonce": ""}
AUTHORITY = Authority(Principal(tenant="t", subject="s"))
REFUSED = {
    "another service's key": sealed(CODE),
    "an unknown key": sealed(SigningKey.generate("logs")),
    "changed": sealed()[:-8] + b"AAAAAAAA",
    "another kind": by_hand({**HEADER, "typ": "JWT"}, BODY),
    "no kind": by_hand({"alg": "EdDSA", "kid": LOGS.kid}, BODY),
    "no algorithm": by_hand({**HEADER, "alg": "none"}, BODY),
    "critical": by_hand({**HEADER, "crit": ["x"]}, BODY),
    "no expiry": by_hand(HEADER, {"entry": ENTRY.to_json()}),
    "a far expiry": by_hand(HEADER, {**BODY, "exp": NOW + 10_000}),
    "an answer to somebody": sealed(nonce="a" * 32),
    "a token": Minter(LOGS, clock=Fixed(NOW)).mint(AUTHORITY, audience="logs", at="x").encode(),
    "noise": b"\xff.\x00.",
    "nothing": b"",
    "too much": b"a" * 600_000,
}


@pytest.mark.requirement("A2A-66")
@pytest.mark.parametrize("how", REFUSED)
async def test_what_is_no_fresh_word_of_the_service_itself_is_refused(how: str) -> None:
    with pytest.raises(CardRefusedError):
        await read(REFUSED[how])


async def test_a_seal_of_an_earlier_life_is_refused() -> None:
    with pytest.raises(CardRefusedError, match="earlier life"):
        await read(sealed(), at=NOW + LIFETIME_SECONDS + LEEWAY_SECONDS + 1)


async def test_an_answer_to_another_question_is_none() -> None:
    assert await read(sealed(nonce="a" * 32), nonce="a" * 32, at=NOW + 10_000) == ENTRY
    with pytest.raises(CardRefusedError, match="another question"):
        await read(sealed(nonce="a" * 32), nonce="b" * 32)


@asynccontextmanager
async def served(key: SigningKey = LOGS, *, instance: str = "a") -> AsyncIterator[Sealer]:
    """Serve an instance that proves itself, and nothing else."""
    bound = bound_socket()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    sealer = Sealer(Entry(service="logs", instance=instance, url=url, card="{}"), key, open=True)
    async with serving(proving(Starlette(), sealer), bound):
        yield sealer


async def test_an_instance_proves_itself_whatever_the_clocks_say() -> None:
    async with served() as sealer, open_session() as session:
        sealer.clock = Fixed(1.0)
        assert await MeshVouch(TRUST, session).prove(sealer.entry) == sealer.entry

        sealer.open = False
        assert await MeshVouch(TRUST, session).prove(sealer.entry) is None


async def test_what_listens_at_a_dead_ones_address_proves_nothing() -> None:
    async with (
        served() as real,
        served(SigningKey.generate("logs")) as stranger,
        open_session() as session,
    ):
        old = ENTRY.model_copy(update={"url": stranger.entry.url})
        vouch = MeshVouch(TRUST, session)

        assert await vouch.prove(old) is None
        # It passes the question on to the real one, whose answer names its own address.
        stranger.key, stranger.entry = real.key, real.entry
        assert await vouch.prove(old) is None
        assert await vouch.prove(ENTRY) is None


async def test_a_successor_answers_for_itself_only() -> None:
    async with served(instance="b") as sealer, open_session() as session:
        before = sealer.entry.model_copy(update={"instance": "a"})
        assert await MeshVouch(TRUST, session).prove(before) == sealer.entry


@pytest.mark.parametrize(
    ("method", "query", "status"),
    [
        ("GET", "?nonce=" + "a" * 32, 200),
        ("GET", "", 400),
        ("GET", "?nonce=" + "a" * 31, 400),
        ("GET", "?nonce=" + "g" * 32, 400),
        ("GET", "?nonce=" + "a" * 32 + "&nonce=" + "b" * 32, 400),
        ("POST", "?nonce=" + "a" * 32, 405),
    ],
)
async def test_only_a_question_of_its_form_is_answered(
    method: str, query: str, status: int
) -> None:
    async with served() as sealer, open_session() as session:
        url = sealer.entry.url + PROOF_PATH + query
        async with session.request(method, url) as answer:
            assert answer.status == status
