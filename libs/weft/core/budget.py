"""What a run may still spend, and what it has spent."""

from pydantic import Field

from weft.core.record import Record, StrictRecord


class Budget(StrictRecord):
    """Limits that only shrink on their way down; 0 is none left, None inherits."""

    tokens: int | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    calls: int | None = Field(default=None, ge=0)
    """Peer and model calls."""
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    hops: int | None = Field(default=None, ge=0)

    def within(self, outer: "Budget") -> "Budget":
        """Return the smaller of both limits, field by field."""
        # Made for every call: what limits nothing is not worth a check of all its fields.
        if outer == UNLIMITED:
            return self
        if self == UNLIMITED:
            return outer
        mine, theirs = self.model_dump(), outer.model_dump()
        return Budget(**{name: _least(mine[name], theirs[name]) for name in mine})

    def covers(self, other: "Budget") -> bool:
        """Tell whether `other` allows no more than this of anything but time."""
        limits = (
            (self.tokens, other.tokens),
            (self.cost_usd, other.cost_usd),
            (self.calls, other.calls),
            (self.hops, other.hops),
        )
        return all(is_within(theirs, mine) for mine, theirs in limits)

    def minus(self, usage: "Usage", *, calls: int = 0) -> "Budget":
        """Return what is left after `usage`, never below 0."""
        return self.model_copy(
            update={
                "tokens": _left(self.tokens, usage.total_tokens),
                "cost_usd": _left(self.cost_usd, usage.cost_usd or 0.0),
                "calls": _left(self.calls, calls),
            }
        )

    def shared(self, parts: int) -> "Budget":
        """Return what each of `parts` gets of what is spent; time and hops are everybody's."""
        return self.model_copy(
            update={
                "tokens": None if self.tokens is None else self.tokens // parts,
                "cost_usd": None if self.cost_usd is None else self.cost_usd / parts,
                "calls": None if self.calls is None else self.calls // parts,
            }
        )

    def exhausted(self) -> str | None:
        """Return the name of the first dimension with nothing left."""
        spent = (name for name in ("tokens", "cost_usd", "calls") if getattr(self, name) == 0)
        return next(spent, None)


UNLIMITED = Budget()


class Usage(Record):
    """What was spent, children and failed attempts included."""

    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    total_tokens: int = Field(default=0, ge=0)
    cached_tokens: int = Field(default=0, ge=0)
    cost_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """None where a model of unknown price took part."""
    model_calls: int = Field(default=0, ge=0)
    tool_calls: int = Field(default=0, ge=0)
    unknown: bool = False
    """Some peer did not report what it spent."""
    estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        if other == NO_USAGE:
            return self
        if self == NO_USAGE:
            return other
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost_usd=sum(costs) if costs else None,
            model_calls=self.model_calls + other.model_calls,
            tool_calls=self.tool_calls + other.tool_calls,
            unknown=self.unknown or other.unknown,
            estimated=self.estimated or other.estimated,
        )


NO_USAGE = Usage()


def is_within(value: float | None, limit: float | None) -> bool:
    """Tell whether a limit of `value` allows no more than `limit`; None is no limit."""
    return limit is None or (value is not None and value <= limit)


def _least(mine: float | None, theirs: float | None) -> float | None:
    limits = [limit for limit in (mine, theirs) if limit is not None]
    return min(limits, default=None)


def _left(limit: float | None, spent: float) -> float | None:
    return None if limit is None else max(limit - spent, 0)
