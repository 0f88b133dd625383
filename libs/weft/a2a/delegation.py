"""The token that carries authority along a call: whose, within which limits, through whom.

An EdDSA JWT made for one call and one audience. Only this form is read: no other algorithm, no
key from the token itself, nothing fetched.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from pydantic import Field, ValidationError

from weft.a2a.keys import SigningKey, Trust, TrustedKey, b64, unb64
from weft.core import ALL_SCOPES, SYSTEM_CLOCK, Budget, Clock, Principal, Record
from weft.core.errors import DeadlineExceededError, DepthExceededError, UnauthenticatedError
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

    def mint(self, task: Task, *, audience: str) -> str:
        """Return a token for one call; everything in it is at most what `task` holds.

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
        }
        signed = self._header + b64(orjson.dumps(claims))
        return (signed + b"." + b64(self._key.sign(signed))).decode()


class Verifier:
    """Checks the tokens that come to one service, against the pinned keys of the others."""

    def __init__(
        self,
        trust: Trust,
        *,
        audience: str,
        scopes: frozenset[str] = ALL_SCOPES,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`scopes` is the most that any token can give here."""
        self._trust = trust
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
            or not now - LEEWAY_SECONDS < claims.exp <= now + LIFETIME_SECONDS + LEEWAY_SECONDS
        ):
            raise UnauthenticatedError(_REFUSED)
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
        )

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


def _agents(claimed: tuple[str, ...], allowed: frozenset[str]) -> frozenset[str]:
    """Return single-agent scopes, which `agents:*` covers without naming them."""
    if "agents:*" not in allowed:
        return frozenset()
    return frozenset(scope for scope in claimed if scope.startswith("agents:"))
