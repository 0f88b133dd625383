"""What one run may still spend: the least of the agent's, the call's and the caller's limits."""

from dataclasses import dataclass

from weft.core import Authority, Budget, Clock, Deadline, earliest
from weft.loop.config import AgentConfig
from weft.loop.invocation import Invocation
from weft.loop.state import AgentState


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """Fixed when the run starts."""

    authority: Authority
    run_ends: float | None
    """When the agent's own time budget is over, by the monotonic clock."""

    @classmethod
    def of(cls, config: AgentConfig, invocation: Invocation, clock: Clock) -> "AgentLimits":
        own = Budget(tokens=config.token_budget, cost_usd=config.max_cost_usd)
        rooted = invocation.authority.rooted(invocation.journal.root_id)
        authority = rooted.narrowed(budget=own).begun(clock)
        seconds = config.time_budget_seconds
        return cls(authority, None if seconds is None else clock.monotonic() + seconds)

    def left(self, state: AgentState) -> Budget:
        """Return what is left of the budget."""
        return self._left(state).budget

    def for_calls(self, state: AgentState, *, over: int = 1) -> Authority:
        """Return what each of `over` calls gets that the run makes together in this state."""
        left = self._left(state).narrowed(deadline=self.deadline_for_calls())
        return left if over <= 1 else left.narrowed(budget=left.budget.shared(over))

    def _left(self, state: AgentState) -> Authority:
        return self.authority.spent(state.usage, calls=state.model_calls)

    def until_deadline(self, clock: Clock) -> float | None:
        deadline = self.authority.deadline
        return None if deadline is None else deadline.remaining(clock)

    def deadline_for_calls(self) -> Deadline | None:
        """Return the instant that no model or tool call may outlive."""
        own = None if self.run_ends is None else Deadline(self.run_ends)
        return earliest(self.authority.deadline, own)
