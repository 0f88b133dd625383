"""The token that carries authority along a call: whose, within which limits, through whom.

An EdDSA JWT made for one call and one audience. Only this form is read: no other algorithm, no
key from the token itself, nothing fetched.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from pydantic import Field, ValidationError

from weft.core import ALL_SCOPES, SYSTEM_CLOCK, Budget, Clock, Principal, Record
from weft.core.errors import DeadlineExceededError, DepthExceededError, UnauthenticatedError
from weft.identity.keys import SigningKey, Trust, TrustedKey, b64, unb64
from weft.loop import Task

LIFETIME_SECONDS = 60
LEEWAY_SECONDS = 5
MAX_DEPTH = 8
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
    at: str = ""
    """The address it is for: stolen there, it is worth nothing anywhere else."""
    body: str | None = None
    """The digest of the one request it came with."""
    via: str | None = None
    """The token that is passed on here, by who may not speak for anybody of its own."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what is left of the run's limits."""

    principal: Principal
    budget: Budget = field(default_factory=Budget)
    seconds: float | None = None
    act: tuple[str, ...] = ()
    run: str | None = None
    """The mesh-wide run the call works for."""
    depth: int = -1
    """-1 is a caller outside the mesh: what it starts stands at depth 0."""
    body: str | None = None
    until: float | None = None
    """When, by the clock on the wall, the work is over that the authority was given for."""
    keys: frozenset[str] = frozenset()
    """The ids of the keys that vouch for it."""

    def check_body(self, body: bytes) -> None:
        """Return if the token was made for a request of this body, or for any.

        Raises:
            UnauthenticatedError: It came with another request.
        """
        if self.body is not None and self.body != digest_of(body):
            raise UnauthenticatedError(_REFUSED)


def digest_of(body: bytes) -> str:
    """Return what a token says of the request that it is for."""
    return b64(hashlib.sha256(body).digest()).decode()


def remaining(task: Task, clock: Clock = SYSTEM_CLOCK) -> float:
    """Return the seconds a peer gets for `task`.

    Raises:
        DeadlineExceededError: Too little is left to call anybody.
    """
    left = DEFAULT_SECONDS if task.deadline is None else task.deadline.remaining(clock)
    if task.budget.seconds is not None:
        left = min(left, task.budget.seconds)
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
        task: Task,
        *,
        audience: str,
        at: str,
        body: bytes | None = None,
        via: str | None = None,
    ) -> str:
        """Return a token for one call; everything in it is at most what `task` holds.

        It is good at the address `at` only, and with `body` for that one request. Who is no issuer
        gives the token it was called with as `via`, and no more than that holds.

        Raises:
            DepthExceededError: The call would stand too deep.
            DeadlineExceededError: Too little time is left.
        """
        if task.depth >= MAX_DEPTH:
            raise DepthExceededError(f"calls nest at most {MAX_DEPTH} deep")
        budget = task.budget
        claims = {
            "iss": self._key.service,
            "aud": audience,
            "jti": secrets.token_hex(16),
            "exp": int(self._clock.now()) + LIFETIME_SECONDS,
            "tenant": task.principal.tenant,
            "sub": task.principal.subject,
            "scope": sorted(task.principal.scopes),
            "act": [*task.act, self._key.service],
            "run": task.run_id,
            "depth": task.depth,
            "rem_ms": int(remaining(task, self._clock) * 1000),
            "rem_tokens": budget.tokens,
            "rem_cost": budget.cost_usd,
            "at": _address(at),
            "body": digest_of(body) if body is not None else None,
        }
        if via is not None:
            claims["via"] = via
        signed = self._header + b64(orjson.dumps(claims))
        return (signed + b"." + b64(self._key.sign(signed))).decode()


class Verifier:
    """Checks the tokens that come to one service, against the pinned keys of the others."""

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
        principal = Principal(
            tenant=claims.tenant,
            subject=claims.sub,
            scopes=self._scopes.intersection(claims.scope) | _agents(claims.scope, self._scopes),
            kind="delegated",
        )
        return Caller(
            principal=principal,
            budget=Budget(tokens=claims.rem_tokens, cost_usd=claims.rem_cost),
            seconds=claims.rem_ms / 1000,
            act=claims.act,
            run=claims.run or None,
            depth=claims.depth,
            body=claims.body,
            until=min(_over(each) for each, _ in lent),
            keys=frozenset(each.kid for _, each in lent),
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
    same = (claims.tenant, claims.sub, claims.run) == (given.tenant, given.sub, given.run)
    passed = given.aud == claims.iss and claims.act == (*given.act, claims.iss)
    every_agent = "agents:*" in given.scope
    scopes = all(
        scope in given.scope or (every_agent and scope.startswith("agents:"))
        for scope in claims.scope
    )
    less = (
        claims.depth > given.depth
        and claims.rem_ms <= given.rem_ms
        and _at_most(claims.rem_tokens, given.rem_tokens)
        and _at_most(claims.rem_cost, given.rem_cost)
    )
    return same and passed and scopes and less


def _at_most(value: float | None, limit: float | None) -> bool:
    return limit is None or (value is not None and value <= limit)


def _address(url: str) -> str:
    return url.rstrip("/")


def _agents(claimed: tuple[str, ...], allowed: frozenset[str]) -> frozenset[str]:
    """Return single-agent scopes, which `agents:*` covers without naming them."""
    if "agents:*" not in allowed:
        return frozenset()
    return frozenset(scope for scope in claimed if scope.startswith("agents:"))
