import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given

from tests.libs.a2a.harness import Mesh, principal
from tests.libs.core.authorities import authorities
from weft.core import Authority, Budget, Clock, Deadline, Principal
from weft.core.errors import DeadlineExceededError, DepthExceededError, UnauthenticatedError
from weft.identity import Caller, Minter, SigningKey, Trust, Verifier

NOW = 1_800_000_000.0
AT = "http://127.0.0.1:9/"


class Fixed(Clock):
    """A clock that stands at one time."""

    def __init__(self, at: float = NOW) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


MESH = Mesh()
KEY = MESH.router.private


def an_authority(**more: Any) -> Authority:  # noqa: ANN401 - fields of an authority
    return Authority(principal(), root_id="a" * 32, **more)


def claims(**changed: object) -> dict[str, object]:
    token = Minter(MESH.router, clock=Fixed()).mint(an_authority(), audience="echo", at=AT)
    body = token.split(".")[1]
    made: dict[str, object] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return {**made, **changed}


def signed(header: dict[str, object] | None = None, **changed: object) -> str:
    head = {"alg": "EdDSA", "kid": MESH.router.kid, "typ": "JWT", **(header or {})}
    return by_hand(head, claims(**changed), KEY.sign)


def by_hand(head: object, body: object, sign: Any) -> str:  # noqa: ANN401 - bytes to bytes
    text = f"{_b64(json.dumps(head).encode())}.{_b64(json.dumps(body).encode())}"
    return f"{text}.{_b64(sign(text.encode()))}"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hs256(text: bytes) -> bytes:
    return hmac.new(KEY.public_key().public_bytes_raw(), text, hashlib.sha256).digest()


async def verify(token: str, *, clock: Clock | None = None) -> Caller:
    return await Verifier(MESH.trust, audience="echo", at=AT, clock=clock or Fixed()).verify(token)


@pytest.mark.requirement("A2A-64")
async def test_a_token_says_who_asks_and_what_is_left() -> None:
    authority = an_authority(
        budget=Budget(tokens=0, cost_usd=1.5), deadline=Deadline(NOW + 10), act=("gateway",)
    )

    caller = await verify(
        Minter(MESH.router, clock=Fixed()).mint(authority, audience="echo", at=AT)
    )

    assert caller.principal == Principal(
        tenant="t", subject="s", scopes=frozenset({"agents:*"}), kind="delegated"
    )
    assert caller.authority.budget == Budget(tokens=0, cost_usd=1.5)
    assert caller.authority.deadline == Deadline(NOW + 9.95)
    assert caller.authority.act == ("gateway", "router")
    assert (caller.authority.root_id, caller.authority.depth) == ("a" * 32, 1)


def test_a_token_is_a_jwt_that_others_can_read() -> None:
    token = Minter(MESH.router).mint(an_authority(), audience="echo", at=AT)

    read = jwt.decode(token, KEY.public_key(), algorithms=["EdDSA"], audience="echo")

    assert set(read) == {
        "iss", "aud", "jti", "exp", "tenant", "sub", "scope", "act", "run", "depth",
        "rem_ms", "rem_tokens", "rem_cost", "rem_calls", "rem_hops", "at", "body",
    }  # fmt: skip


BROKEN = {
    "alg none": by_hand({"alg": "none", "kid": MESH.router.kid}, claims(), lambda _: b""),
    "alg lies": by_hand({"alg": "none", "kid": MESH.router.kid}, claims(), KEY.sign),
    "hs256": by_hand({"alg": "HS256", "kid": MESH.router.kid}, claims(), hs256),
    "aud": signed(aud="metrics"),
    "other address": signed(at="http://127.0.0.1:8"),
    "no address": signed(at=""),
    "iss": signed(iss="echo"),
    "expired": signed(exp=NOW - 61),
    "kid path": signed({"kid": "../../x"}),
    "kid url": signed({"kid": "http://127.0.0.1:1/key"}),
    "jku": signed({"kid": "stranger", "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"}),
    "crit": signed({"crit": ["b64"]}),
    "far expiry": signed(exp=NOW + 3600),
    "no expiry": by_hand(
        {"alg": "EdDSA", "kid": MESH.router.kid},
        {name: value for name, value in claims().items() if name != "exp"},
        KEY.sign,
    ),
    "negative": signed(rem_tokens=-1),
    "signature": signed()[:-4] + "AAAA",
    "body": signed().replace(".", ".e30", 1),
    "padded": signed() + "=",
    "parts": "a.b",
    "empty": "",
    "long": "a." + "b" * 9000 + ".c",
}


@pytest.mark.requirement("A2A-64")
@pytest.mark.parametrize(
    "how",
    [
        pytest.param("alg none", marks=pytest.mark.requirement("SEC-11")),
        pytest.param("alg lies", marks=pytest.mark.requirement("SEC-11")),
        pytest.param("hs256", marks=pytest.mark.requirement("SEC-12")),
        pytest.param("aud", marks=pytest.mark.requirement("SEC-13")),
        pytest.param("iss", marks=pytest.mark.requirement("SEC-14")),
        pytest.param("expired", marks=pytest.mark.requirement("SEC-15")),
        pytest.param("kid path", marks=pytest.mark.requirement("SEC-16")),
        pytest.param("kid url", marks=pytest.mark.requirement("SEC-16")),
        pytest.param("jku", marks=pytest.mark.requirement("SEC-17")),
        "other address", "no address", "crit", "far expiry", "no expiry", "negative", "signature", "body", "padded", "parts",
        "empty", "long",
    ],
)  # fmt: skip
async def test_a_token_that_is_not_wholly_right_is_refused_in_equal_words(how: str) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        await verify(BROKEN[how])

    assert str(caught.value) == "no valid delegation token came with the request"


async def test_the_same_token_untouched_is_taken() -> None:
    assert (await verify(signed())).principal.subject == "s"


@pytest.mark.requirement("A2A-64")
async def test_the_ninth_call_in_a_row_is_refused_by_caller_and_callee() -> None:
    with pytest.raises(DepthExceededError):
        await verify(signed(depth=8))
    with pytest.raises(DepthExceededError):
        Minter(MESH.router).mint(an_authority(depth=8), audience="echo", at=AT)
    assert (await verify(signed(depth=7))).authority.depth == 8


def test_a_call_with_no_time_left_is_not_made() -> None:
    minter = Minter(MESH.router, clock=Fixed())

    with pytest.raises(DeadlineExceededError):
        minter.mint(an_authority(deadline=Deadline(NOW + 0.04)), audience="echo", at=AT)


@pytest.mark.requirement("A2A-65")
@given(authorities(NOW, deepest=7))
async def test_what_arrives_is_never_more_than_what_was_held(held: Authority) -> None:
    caller = await verify(Minter(MESH.router, clock=Fixed()).mint(held, audience="echo", at=AT))

    arrived = caller.authority
    assert held.covers(arrived, Fixed())
    assert not arrived.covers(held, Fixed())
    assert arrived.principal.scopes <= held.principal.scopes
    assert arrived.principal.subject == held.principal.subject
    assert arrived.budget == held.budget.model_copy(update={"seconds": None})
    assert (arrived.depth, arrived.act) == (held.depth + 1, (*held.act, "router"))


async def test_scopes_that_the_receiver_does_not_give_are_dropped() -> None:
    verifier = Verifier(MESH.trust, audience="echo", scopes=frozenset({"agents:*"}), clock=Fixed())

    caller = await verifier.verify(signed(scope=["admin", "agents:echo", "runs:write"]))

    assert caller.principal.scopes == {"agents:echo"}


async def test_a_token_made_for_one_request_comes_with_no_other() -> None:
    minter = Minter(MESH.router, clock=Fixed())
    bound = await verify(minter.mint(an_authority(), audience="echo", at=AT, body=b"this"))

    bound.check_body(b"this")
    with pytest.raises(UnauthenticatedError):
        bound.check_body(b"that")


def by(key: SigningKey, **changed: object) -> str:
    """Return a token of `key` that says whatever is wanted."""
    return by_hand_of(key, {"act": [key.service], **changed})


def by_hand_of(key: SigningKey, changed: dict[str, object]) -> str:
    body = claims(iss=key.service, **changed)
    return by_hand({"alg": "EdDSA", "kid": key.kid}, body, key.sign)


CODE = SigningKey.generate("code_analyst")
METRICS = SigningKey.generate("metrics")
ALL = Trust((MESH.router.trusted(), CODE.trusted(), METRICS.trusted()))


async def verify_all(token: str, *, at: float = NOW) -> Caller:
    return await Verifier(ALL, audience="echo", at=AT, clock=Fixed(at)).verify(token)


@pytest.mark.requirement("A2A-64")
async def test_a_specialists_key_speaks_for_nobody() -> None:
    for changed in ({}, {"tenant": "other"}, {"scope": ["admin"]}, {"sub": "root"}):
        with pytest.raises(UnauthenticatedError):
            await verify_all(by(CODE, **changed))


def handed(exp: float = NOW + 60) -> str:
    """Return what the router gave the code analyst."""
    return signed(
        aud="code_analyst",
        act=["router"],
        rem_tokens=100,
        rem_calls=7,
        rem_hops=3,
        rem_ms=5000,
        exp=exp,
    )


PART: dict[str, object] = {
    "act": ["router", "code_analyst"], "depth": 1, "rem_tokens": 50, "rem_calls": 7,
    "rem_hops": 2, "rem_ms": 4000,
}  # fmt: skip


@pytest.mark.requirement("A2A-65")
async def test_a_specialist_passes_on_a_part_of_what_it_was_given() -> None:
    caller = await verify_all(by_hand_of(CODE, {**PART, "via": handed()}))

    assert caller.authority.act == ("router", "code_analyst")
    assert (caller.authority.budget.tokens, caller.authority.depth) == (50, 2)
    assert caller.principal.subject == "s"


MORE: dict[str, dict[str, object]] = {
    "other tenant": {"tenant": "other"},
    "other subject": {"sub": "root"},
    "other run": {"run": "b" * 32},
    "new scope": {"scope": ["agents:*", "admin"]},
    "more tokens": {"rem_tokens": 101},
    "no limit": {"rem_tokens": None},
    "more calls": {"rem_calls": 8},
    "more hops": {"rem_hops": 4},
    "more time": {"rem_ms": 5001},
    "not deeper": {"depth": 0},
    "forgets who called": {"act": ["code_analyst"]},
    "nothing given": {"via": None},
    "given to another": {"via": signed(aud="metrics", act=["router"], rem_tokens=100)},
    "given by itself": {"via": by(CODE, aud="code_analyst")},
    "long over": {"via": handed(exp=NOW - 11)},
}


@pytest.mark.requirement("A2A-65")
@pytest.mark.parametrize("how", MORE)
async def test_a_specialist_passes_on_no_more_than_it_was_given(how: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await verify_all(by_hand_of(CODE, {**PART, "via": handed(), **MORE[how]}))


async def test_a_chain_is_followed_to_its_root() -> None:
    first = by_hand_of(CODE, {**PART, "aud": "metrics", "via": handed()})
    act = ["router", "code_analyst", "metrics"]
    second = {**PART, "act": act, "depth": 2, "via": first}
    stolen = by_hand_of(CODE, {**PART, "aud": "metrics", "via": handed(exp=NOW - 100)})

    assert (await verify_all(by_hand_of(METRICS, second))).authority.act == tuple(act)
    with pytest.raises(UnauthenticatedError):
        await verify_all(by_hand_of(METRICS, {**second, "via": stolen}))


async def test_what_is_passed_on_by_the_library_is_taken() -> None:
    authority = an_authority(
        budget=Budget(tokens=50, calls=1, hops=1),
        deadline=Deadline(NOW + 4),
        depth=1,
        act=("router",),
    )
    token = Minter(CODE, clock=Fixed()).mint(authority, audience="echo", at=AT, via=handed())

    assert (await verify_all(token)).authority.act == ("router", "code_analyst")
