"""A target of our own making, kept in memory: what is done to it is counted."""

from dataclasses import dataclass, field, replace

from services.operator.actions import Action, FlagState, ServiceState, TargetState
from services.operator.target import TargetError
from weft.tools import NOT_DONE, UNKNOWN, EffectNotDone, Reconciled, done

STATE = TargetState(
    name="the test shop",
    services=(
        ServiceState(name="cart", replicas=1, most_replicas=4, can_restart=True, started_at=100.0),
        ServiceState(
            name="billing",
            replicas=2,
            can_restart=True,
            started_at=100.0,
            flags=(
                FlagState(name="new_tax", on=True, changed_at=900.0),
                FlagState(name="old_tax", on=False),
            ),
        ),
        ServiceState(name="search"),
    ),
    people=("on-call",),
)
NOW = 1000.0


@dataclass
class MemoryTarget:
    """Does what it is told, unless it `refuses` or is `silent`, and may lose one answer."""

    now: TargetState = STATE
    performed: list[Action] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    loses: bool = False
    remembers: bool = True
    refuses: str = ""
    silent: str = ""

    async def state(self) -> TargetState:
        if self.silent:
            raise TargetError(self.silent)
        return self.now

    async def perform(self, action: Action, *, key: str) -> None:
        if self.refuses:
            raise EffectNotDone(self.refuses)
        self.performed.append(action)
        self.keys.add(key)
        self.change(action)
        if self.loses:
            self.loses = False
            raise TargetError("the answer was lost")

    async def outcome(self, key: str) -> Reconciled:
        if not self.remembers:
            return UNKNOWN
        return done() if key in self.keys else NOT_DONE

    def change(self, action: Action) -> None:
        service = self.now.service(action.service)
        if service is None:
            return
        changed = service
        if action.kind == "restart_service":
            changed = service.model_copy(update={"started_at": NOW})
        elif action.kind == "scale_service":
            changed = service.model_copy(update={"replicas": action.replicas})
        elif action.kind == "set_flag":
            flags = tuple(
                FlagState(name=flag.name, on=bool(action.on), changed_at=NOW)
                if flag.name == action.flag
                else flag
                for flag in service.flags
            )
            changed = service.model_copy(update={"flags": flags})
        services = tuple(changed if each is service else each for each in self.now.services)
        self.now = self.now.model_copy(update={"services": services})


def fresh(**changes: object) -> MemoryTarget:
    return replace(MemoryTarget(), **changes)  # type: ignore[arg-type] # fields by name
