"""What is left to spend where: a purse per node, each inside its parent's."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from weft.core import NO_USAGE, Budget, Usage

RESERVED_FOR_SYNTHESIS = 0.1


@dataclass(slots=True)
class Purse:
    """A limit and what was spent of it; what a child spends, its parents have spent too."""

    limit: Budget
    parent: "Purse | None" = None
    spent: Usage = NO_USAGE
    calls: int = 0
    waiting: int = 0
    """Branches that have not started; they share what is free."""
    lent: list["Purse"] = field(default_factory=list)
    """Running branches; what they have not spent is not free."""

    @property
    def bounded(self) -> bool:
        limit = self.limit
        return not (limit.tokens is None and limit.cost_usd is None and limit.calls is None)

    @property
    def words(self) -> str:
        """Return what was spent of which limit."""
        limit, spent = self.limit, self.spent
        parts = (
            (spent.total_tokens, limit.tokens, "tokens"),
            (spent.cost_usd or 0.0, limit.cost_usd, "USD"),
            (self.calls, limit.calls, "calls of peers and models"),
        )
        said = [
            f"{used:.6g} of {most:.6g} {unit}" for used, most, unit in parts if most is not None
        ]
        return f"{' and '.join(said) or 'nothing'} spent"

    def left(self) -> Budget:
        """Return what may still be spent here: no more than is left in any purse around."""
        if not self.bounded:
            return self.limit
        left = self.limit.minus(self.spent, calls=self.calls)
        for purse in self._outwards():
            # What another branch overspent is missing here, too.
            if purse is not self and purse.bounded:
                left = left.within(purse.limit.minus(purse.spent, calls=purse.calls))
        return left

    def spend(self, usage: Usage) -> None:
        """Count one peer call with what it reported."""
        for purse in self._outwards():
            if usage is not NO_USAGE:
                purse.spent = purse.spent + usage
            purse.calls += 1 + usage.model_calls

    def count(self, calls: int) -> None:
        """Count calls whose usage somebody else reports with their own."""
        for purse in self._outwards():
            purse.calls += calls

    def _outwards(self) -> "Iterator[Purse]":
        purse: Purse | None = self
        while purse is not None:
            yield purse
            purse = purse.parent

    def child(self, own: Budget | None) -> "Purse":
        """Return a purse that may spend the smaller of `own` and what is left here."""
        if own is None:
            return self
        return Purse(own.within(self.left()), self)

    def open_for(self, branches: int) -> None:
        """Prepare to be split evenly over `branches`."""
        self.waiting = branches

    def share(self) -> "Purse":
        """Return the next branch's part: what is free, over the branches not yet started."""
        parts, self.waiting = max(self.waiting, 1), self.waiting - 1
        if not self.bounded:
            # What it spends is its own all the same: it may be stopped before it says so.
            return Purse(self.limit, self)
        free = self.left()
        for branch in self.lent:
            held = branch.left()
            free = _without(free, held)
        purse = Purse(free.shared(parts), self)
        self.lent.append(purse)
        return purse

    def give_back(self, purse: "Purse") -> None:
        """Take back what a branch leaves unused."""
        if purse in self.lent:
            self.lent.remove(purse)


def reserve(purse: Purse) -> Purse:
    """Return a purse for branches that keeps a tenth back for the synthesis after them."""
    if not purse.bounded:
        return purse
    return Purse(_scaled(purse.left(), 1 - RESERVED_FOR_SYNTHESIS), purse)


def _scaled(budget: Budget, factor: float) -> Budget:
    return budget.model_copy(
        update={
            "tokens": None if budget.tokens is None else int(budget.tokens * factor),
            "cost_usd": None if budget.cost_usd is None else budget.cost_usd * factor,
            "calls": None if budget.calls is None else _most(budget.calls, factor),
        }
    )


def _most(calls: int, factor: float) -> int:
    # A tenth of a few calls is none: the rules synthesis needs no call at all.
    return calls - int(calls * (1 - factor))


def _without(budget: Budget, held: Budget) -> Budget:
    return budget.model_copy(
        update={
            "tokens": _less(budget.tokens, held.tokens),
            "cost_usd": _less(budget.cost_usd, held.cost_usd),
            "calls": _less(budget.calls, held.calls),
        }
    )


def _less(free: float | None, held: float | None) -> float | None:
    return None if free is None else max(free - (held or 0), 0)
