"""What travels with a call on somebody's behalf, and only shrinks on its way."""

from dataclasses import dataclass, replace

from pydantic import JsonValue

from weft.core.budget import UNLIMITED, Budget, Usage, is_within
from weft.core.clock import SYSTEM_CLOCK, Clock, Deadline, earliest
from weft.core.errors import DepthExceededError
from weft.core.principal import LOCAL, Principal
from weft.core.record import JsonObject
from weft.core.trace import TraceContext

__all__ = ["MAX_DEPTH", "ROUTER", "Authority"]

ROUTER = "router"
"""The service that runs the mesh's plans, by which calls of these come; its runs' pool, too."""
MAX_DEPTH = 8
"""How many services may stand behind one another."""


@dataclass(frozen=True, slots=True)
class Authority:
    """On whose behalf a call is made, within which limits, and through whom it came.

    Its methods give back at most what they were called on. Inside a process the deadline is an
    instant of the monotonic clock; what crosses a border carries the seconds that remain.
    """

    principal: Principal = LOCAL
    budget: Budget = UNLIMITED
    deadline: Deadline | None = None
    act: tuple[str, ...] = ()
    """The services that the call came through, outermost first."""
    depth: int = 0
    """How many services lie between the root's run and whoever holds this."""
    trace: TraceContext | None = None
    root_id: str = ""
    """The mesh-wide run that is worked for; "" outside of one."""

    def narrowed(
        self,
        *,
        budget: Budget | None = None,
        deadline: Deadline | None = None,
        scopes: frozenset[str] | None = None,
    ) -> "Authority":
        """Return what is within these limits too; None adds none."""
        principal = self.principal
        if scopes is not None and (shared := principal.shared(scopes)) != principal.scopes:
            principal = principal.model_copy(update={"scopes": shared})
        return Authority(
            principal,
            self.budget if budget is None else budget.within(self.budget),
            earliest(self.deadline, deadline),
            self.act,
            self.depth,
            self.trace,
            self.root_id,
        )

    def rooted(self, run_id: str) -> "Authority":
        """Return the same for the run `run_id`, where it works for none of the mesh yet."""
        return self if self.root_id else replace(self, root_id=run_id)

    def spent(self, usage: Usage, *, calls: int = 0) -> "Authority":
        """Return what is left once so much was used."""
        if self.budget == UNLIMITED:
            return self
        return replace(self, budget=self.budget.minus(usage, calls=calls))

    def begun(self, clock: Clock = SYSTEM_CLOCK) -> "Authority":
        """Return the same with its budget's seconds running from now."""
        seconds = self.budget.seconds
        if seconds is None:
            return self
        return self.narrowed(deadline=Deadline.after(seconds, clock))

    def for_call(self) -> "Authority":
        """Return what a peer gets that is called from here: one hop fewer."""
        hops = self.budget.hops
        if hops is None:
            return self
        return self.narrowed(budget=Budget(hops=max(hops - 1, 0)))

    def crossed(self, service: str) -> "Authority":
        """Return what the next service holds once `service` has passed this on to it.

        Raises:
            DepthExceededError: It would stand too deep.
        """
        if self.depth >= MAX_DEPTH:
            raise DepthExceededError(f"calls nest at most {MAX_DEPTH} deep")
        return Authority(
            self.principal,
            self.budget,
            self.deadline,
            (*self.act, service),
            self.depth + 1,
            self.trace,
            self.root_id,
        )

    def remaining(self, clock: Clock = SYSTEM_CLOCK) -> float | None:
        """Return the seconds left, by deadline and budget; None without a limit."""
        return _left_at(self, clock.monotonic())

    def covers(self, other: "Authority", clock: Clock = SYSTEM_CLOCK) -> bool:
        """Tell whether `other` is no more than this, passed on for the same run."""
        now = clock.monotonic()
        return (
            is_within(_left_at(other, now), _left_at(self, now))
            and self.root_id == other.root_id
            and self.depth <= other.depth
            and self.act == other.act[: len(self.act)]
            and self.principal.covers(other.principal)
            and self.budget.covers(other.budget)
        )

    def terms(self) -> JsonObject:
        """Return as JSON what neither subject, scopes, root nor deadline say, without defaults."""
        kind = self.principal.kind
        terms: JsonObject = {
            "kind": "" if kind == "key" else kind,
            "budget": self.budget.model_dump(mode="json", exclude_none=True),
            "act": [*self.act],
            "depth": self.depth,
            "traceparent": "" if self.trace is None else self.trace.header,
        }
        return {name: term for name, term in terms.items() if term}

    def with_terms(self, terms: JsonObject) -> "Authority":
        """Return this with what `terms` wrote down of another, by whatever version of it."""
        act, depth, header = (terms.get(name) for name in ("act", "depth", "traceparent"))
        principal, kind = self.principal, terms.get("kind") or "key"
        if principal.kind != kind:
            principal = principal.model_copy(update={"kind": kind})
        return Authority(
            principal,
            _limits(terms.get("budget")),
            self.deadline,
            tuple(str(service) for service in act) if isinstance(act, list) else (),
            depth if isinstance(depth, int) else 0,
            TraceContext.read(header) if isinstance(header, str) else None,
            self.root_id,
        )


def _limits(stored: JsonValue) -> Budget:
    """Return the limits that this version knows of those that were written down."""
    if not isinstance(stored, dict) or not stored:
        return UNLIMITED
    limits = {name: limit for name, limit in stored.items() if name in Budget.model_fields}
    return Budget.model_validate(limits)


def _left_at(authority: Authority, now: float) -> float | None:
    left = None if authority.deadline is None else authority.deadline.at - now
    limits = [limit for limit in (left, authority.budget.seconds) if limit is not None]
    return min(limits, default=None)
