"""The token that carries authority along a call: whose, within which limits, through whom.

An EdDSA JWT made for one call and one audience. Only this form is read: no other algorithm, no
key from the token itself, nothing fetched.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import orjson
from pydantic import Field, ValidationError

from weft.core import (
    ALL_SCOPES,
    MAX_DEPTH,
    SYSTEM_CLOCK,
    UNLIMITED,
    Authority,
    Budget,
    Clock,
    Deadline,
    JsonObject,
    Principal,
    Record,
    TraceContext,
    random_hex,
)
from weft.core.errors import DeadlineExceededError, DepthExceededError, UnauthenticatedError
from weft.identity.keys import SigningKey, Trust, TrustedKey, b64, unb64

__all__ = ["Caller", "Minter", "Verifier", "seconds_for"]

LIFETIME_SECONDS = 60
LEEWAY_SECONDS = 5
MAX_TOKEN = 8192
HOP_SECONDS = 0.05
"""What a hop keeps of the remaining time for its own answer."""
DEFAULT_SECONDS = 300.0

_REFUSED = "no valid delegation token came with the request"


class Claims(Record):
    """What a token says, as it stands in the JWT."""

    iss: str
    aud: str
    jti: str
    exp: float
    tenant: str
    sub: str
    scope: tuple[str, ...]
    act: tuple[str, ...]
    run: str
    depth: int = Field(ge=0)
    rem_ms: int = Field(ge=0)
    rem_tokens: int | None = Field(default=None, ge=0)
    rem_cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    rem_calls: int | None = Field(default=None, ge=0)
    rem_hops: int | None = Field(default=None, ge=0)
    at: str = ""
    """The address it is for: stolen there, it is worth nothing anywhere else."""
    body: str | None = None
    """The digest of the one request it came with."""
    via: str | None = None
    """The token that is passed on here, by who may not speak for anybody of its own."""

    def authority(self, received: float) -> Authority:
        """Return what its receiver holds, who got it at this instant of their monotonic clock."""
        return Authority(
            principal=_delegated(self.tenant, self.sub, self.scope),
            budget=_limits(self.rem_tokens, self.rem_cost, self.rem_calls, self.rem_hops),
            deadline=Deadline(received + self.rem_ms / 1000),
            act=self.act,
            depth=self.depth + 1,
            root_id=self.run,
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends one request: what they may do, and which request they may do it with."""

    authority: Authority
    body: str | None = None
    """The digest of the one body that is meant; None where it may be any."""
    until: float | None = None
    """When, by the clock on the wall, the work is over that the authority was given for."""
    keys: frozenset[str] = frozenset()
    """The ids of the keys that vouch for it."""

    @property
    def principal(self) -> Principal:
        return self.authority.principal

    def under(self, trace: TraceContext) -> "Caller":
        """Return the same, asking from a place of `trace`."""
        asking = self.authority
        placed = Authority(
            asking.principal,
            asking.budget,
            asking.deadline,
            asking.act,
            asking.depth,
            trace,
            asking.root_id,
        )
        return Caller(placed, self.body, self.until, self.keys)

    def check_body(self, body: bytes) -> None:
        """Return if the token was made for a request of this body, or for any.

        Raises:
            UnauthenticatedError: It came with another request.
        """
        if self.body is not None and self.body != digest_of(body):
            raise UnauthenticatedError(_REFUSED)


@lru_cache(maxsize=512)
def _delegated(tenant: str, subject: str, scopes: tuple[str, ...]) -> Principal:
    # The same few callers come again and again; what was checked once is not checked anew.
    return Principal(tenant=tenant, subject=subject, scopes=frozenset(scopes), kind="delegated")


def _limits(tokens: int | None, cost: float | None, calls: int | None, hops: int | None) -> Budget:
    if tokens is None and cost is None and calls is None and hops is None:
        return UNLIMITED
    return Budget(tokens=tokens, cost_usd=cost, calls=calls, hops=hops)


def digest_of(body: bytes) -> str:
    """Return what a token says of the request that it is for."""
    return b64(hashlib.sha256(body).digest()).decode()


def seconds_for(authority: Authority, clock: Clock = SYSTEM_CLOCK) -> float:
    """Return the seconds that a peer gets which is called with `authority`.

    Raises:
        DeadlineExceededError: Too little is left to call anybody.
    """
    left = authority.remaining(clock)
    if left is None:
        left = DEFAULT_SECONDS
    if left < HOP_SECONDS:
        raise DeadlineExceededError("too little time is left to call another agent")
    return left - HOP_SECONDS


class Minter:
    """Makes the tokens of one service's outgoing calls."""

    def __init__(self, key: SigningKey, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._key = key
        self._clock = clock
        header = orjson.dumps({"alg": "EdDSA", "kid": key.kid, "typ": "JWT"})
        self._header = b64(header) + b"."

    def mint(
        self,
        authority: Authority,
        *,
        audience: str,
        at: str,
        body: bytes | None = None,
        via: str | None = None,
    ) -> str:
        """Return a token for one call; everything in it is at most what `authority` holds.

        It is good at the address `at` only, and with `body` for that one request. Who is no issuer
        gives the token it was called with as `via`, and no more than that holds.

        Raises:
            DepthExceededError: The call would stand too deep.
            DeadlineExceededError: Too little time is left.
        """
        principal, budget = authority.principal, authority.budget
        claims = {
            "iss": self._key.service,
            "aud": audience,
            "jti": random_hex(16),
            "exp": int(self._clock.now()) + LIFETIME_SECONDS,
            "tenant": principal.tenant,
            "sub": principal.subject,
            "scope": sorted(principal.scopes),
            "act": authority.crossed(self._key.service).act,
            "run": authority.root_id,
            "depth": authority.depth,
            "rem_ms": int(seconds_for(authority, self._clock) * 1000),
            "rem_tokens": budget.tokens,
            "rem_cost": budget.cost_usd,
            "rem_calls": budget.calls,
            "rem_hops": budget.hops,
            "at": _address(at),
            "body": digest_of(body) if body is not None else None,
        }
        if via is not None:
            claims["via"] = via
        signed = self._header + b64(orjson.dumps(claims))
        return (signed + b"." + b64(self._key.sign(signed))).decode()


class Verifier:
    """Checks the tokens that come to one service, against the pinned keys of the others."""

    schemes: ClassVar[Mapping[str, JsonObject]] = {
        "delegation": {"httpAuthSecurityScheme": {"scheme": "Bearer", "bearerFormat": "JWT"}}
    }
    """What a card says of them."""

    def __init__(
        self,
        trust: Trust,
        *,
        audience: str,
        at: str | None = None,
        scopes: frozenset[str] = ALL_SCOPES,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`scopes` is the most that any token can give here.

        `at` is the address others know; None takes tokens for whichever address of the service.
        """
        self._trust = trust
        self._at = None if at is None else _address(at)
        self._audience = audience
        self._scopes = scopes
        self._clock = clock

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Return who stands behind the bearer token of these headers (names in lower case).

        Raises:
            UnauthenticatedError: There is none, or anything about it is wrong.
            DepthExceededError: The call stands too deep.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.isascii():
            raise UnauthenticatedError(_REFUSED)
        return await self.verify(token)

    async def verify(self, token: str) -> Caller:
        """As `authenticate`, for the bare token."""
        claims, key = await self._read(token)
        now = self._clock.now()
        if (
            claims.iss != key.service
            or claims.aud != self._audience
            or (self._at is not None and claims.at != self._at)
            or not now - LEEWAY_SECONDS < claims.exp <= now + LIFETIME_SECONDS + LEEWAY_SECONDS
        ):
            raise UnauthenticatedError(_REFUSED)
        lent = [(claims, key)]
        if not key.issuer:
            lent += await self._lenders(claims, now)
        if claims.depth >= MAX_DEPTH:
            raise DepthExceededError(f"calls nest at most {MAX_DEPTH} deep")
        return Caller(
            claims.authority(self._clock.monotonic()).narrowed(scopes=self._scopes),
            body=claims.body,
            until=min(_over(link) for link, _ in lent),
            keys=frozenset(key.kid for _, key in lent),
        )

    async def stands(self, caller: Caller) -> bool:
        """Tell whether a caller's authority still counts: its time, and every key behind it."""
        if caller.until is not None and self._clock.now() > caller.until:
            return False
        for kid in caller.keys:
            if await self._trust.find(kid) is None:
                return False
        return True

    async def _lenders(self, claims: Claims, now: float) -> list[tuple[Claims, TrustedKey]]:
        """Return what the issuer of the claims was given, they being a part of it, up to the root.

        Raises:
            UnauthenticatedError: They are its own invention.
        """
        lent: list[tuple[Claims, TrustedKey]] = []
        while True:
            if claims.via is None:
                raise UnauthenticatedError(_REFUSED)
            given, key = await self._read(claims.via)
            if given.iss != key.service or now > _over(given) or not _is_part(claims, given):
                raise UnauthenticatedError(_REFUSED)
            lent.append((given, key))
            if key.issuer:
                return lent
            claims = given

    async def _read(self, token: str) -> tuple[Claims, TrustedKey]:
        """Return what a known key signed; header fields that name or carry keys are ignored."""
        if len(token) > MAX_TOKEN:
            raise UnauthenticatedError(_REFUSED)
        signed, _, signature = token.encode().rpartition(b".")
        head, _, body = signed.partition(b".")
        try:
            header = orjson.loads(unb64(head))
            if not isinstance(header, dict) or header.get("alg") != "EdDSA" or "crit" in header:
                raise UnauthenticatedError(_REFUSED)
            key = await self._trust.find(str(header.get("kid")))
            if key is None or not key.signed(unb64(signature), signed):
                raise UnauthenticatedError(_REFUSED)
            return Claims.model_validate_json(unb64(body)), key
        except (ValueError, ValidationError) as error:
            raise UnauthenticatedError(_REFUSED) from error


def _over(claims: Claims) -> float:
    """Return when a token says nothing any more: it lasts as long as the work it is given for."""
    return claims.exp + claims.rem_ms / 1000 + LEEWAY_SECONDS


def _is_part(claims: Claims, given: Claims) -> bool:
    """Tell whether `claims` pass on at most what was `given`, to their issuer, for the same run."""
    passed = given.aud == claims.iss and claims.act == (*given.act, claims.iss)
    return passed and claims.depth > given.depth and given.authority(0).covers(claims.authority(0))


def _address(url: str) -> str:
    return url.rstrip("/")
