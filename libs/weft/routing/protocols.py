"""What a coordination protocol is, and the registry that holds them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from weft.catalog import Capability
from weft.plan import Node
from weft.routing.frame import GoalFrame, Level, TaskType

DELEGATE = "a2a_peer"
"""Available when a delegate resolves."""


@dataclass(frozen=True, slots=True)
class View:
    """What a protocol may build one part of a plan from."""

    goal: TaskType
    """The part's own goal."""
    name: str
    """The id of the part's root node."""
    working: tuple[Capability, ...] = ()
    """W: required capabilities, else the eligible ones nearest to the goal."""
    required: tuple[Capability, ...] = ()
    grants: tuple[str, ...] = ()
    """Ids of the eligible capabilities."""
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of those that play some, by id."""
    earlier: tuple[str, ...] = ()
    """The ids of the parts before this one."""
    proposer: Capability | None = None
    """Who says what the one required capability would do, where somebody does."""
    delegate: str | None = None
    test_tool: str | None = None
    """The tool with which the coder runs its own tests."""
    tests: bool = False
    """Whether somebody offers `role:test`."""
    code_loop: bool = False
    """Whether execution is the loop of coding and testing."""
    memory: bool = False
    explained: bool = False
    """Whether a language model puts reports into words, too."""


Build = Callable[[GoalFrame, View], Node]


@dataclass(frozen=True, slots=True)
class Protocol:
    """A way to coordinate peers for some kinds of goals."""

    id: str
    description: str
    handles: frozenset[TaskType]
    build: Build
    primary_for: frozenset[TaskType] = frozenset()
    """The goals it is the canonical choice for."""
    requires_capabilities: frozenset[str] = frozenset()
    min_capabilities: int = 0
    risk_max: Level = Level.MEDIUM
    cost: Level = Level.MEDIUM
    latency: Level = Level.MEDIUM


@dataclass(slots=True)
class ProtocolRegistry:
    """Protocols by id; filled once, before the first request."""

    _by_id: dict[str, Protocol] = field(default_factory=dict)

    def register(self, protocol: Protocol) -> None:
        """Add a protocol.

        Raises:
            ValueError: Its id is taken, or it is canonical for a goal that it does not handle.
        """
        if protocol.id in self._by_id:
            raise ValueError(f"there is a protocol {protocol.id!r} already")
        stray = protocol.primary_for - protocol.handles
        if stray:
            listed = ", ".join(sorted(stray))
            raise ValueError(f"{protocol.id!r} is primary for {listed} without handling it")
        self._by_id[protocol.id] = protocol

    def register_many(self, protocols: Iterable[Protocol]) -> None:
        for protocol in protocols:
            self.register(protocol)

    def __len__(self) -> int:
        """Return how many there are: two counts of one registry are equal only if it is."""
        return len(self._by_id)

    def get(self, name: str) -> Protocol | None:
        return self._by_id.get(name)

    def all(self) -> tuple[Protocol, ...]:
        """Return every protocol by id."""
        return tuple(sorted(self._by_id.values(), key=lambda protocol: protocol.id))
