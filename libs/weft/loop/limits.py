"""What one run may still spend: the least of the agent's, the call's and the caller's limits."""

from dataclasses import dataclass

from weft.core import Budget, Clock, Deadline, earliest
from weft.loop.config import AgentConfig
from weft.loop.invocation import Invocation
from weft.loop.state import AgentState

UNLIMITED = Budget()


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """Fixed when the run starts."""

    budget: Budget
    deadline: Deadline | None
    run_ends: float | None
    """When the agent's own time budget is over, by the monotonic clock."""

    @classmethod
    def of(cls, config: AgentConfig, invocation: Invocation, clock: Clock) -> "AgentLimits":
        own = Budget(tokens=config.token_budget, cost_usd=config.max_cost_usd)
        budget = invocation.budget if own == UNLIMITED else own.within(invocation.budget)
        deadline = invocation.deadline
        if budget.seconds is not None:
            deadline = earliest(deadline, Deadline.after(budget.seconds, clock))
        seconds = config.time_budget_seconds
        return cls(budget, deadline, None if seconds is None else clock.monotonic() + seconds)

    def left(self, state: AgentState) -> Budget:
        """Return what is left of the budget."""
        if self.budget == UNLIMITED:
            return UNLIMITED
        return self.budget.minus(state.usage, calls=state.model_calls)

    def until_deadline(self, clock: Clock) -> float | None:
        return None if self.deadline is None else self.deadline.remaining(clock)

    def deadline_for_calls(self) -> Deadline | None:
        """Return the instant that no model or tool call may outlive."""
        own = None if self.run_ends is None else Deadline(self.run_ends)
        return earliest(self.deadline, own)
