"""Who is out there: services with their cards, as last heard of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from weft.core import Principal, Record, name_digest

Effects = Literal["none", "unknown"]
RiskLevel = Literal["low", "medium", "high"]
Sealed = Callable[[], bytes]


class Capability(Record):
    """Something a peer can do; two peers offering one id are two providers."""

    id: str
    description: str = ""
    domains: frozenset[str] = frozenset()
    """Empty means `general`."""
    risk: RiskLevel = "low"
    roles: frozenset[str] = frozenset()
    effects: Effects = "unknown"
    tool_name: str | None = None
    tags: frozenset[str] = frozenset()
    examples: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    """Service names, sorted."""


class Entry(Record):
    """One instance of a service; its card is opaque here, and all that says what it can do."""

    service: str
    instance: str
    url: str
    card: str
    """The signed agent card, as JSON text."""
    started_at: float = 0.0

    @property
    def key(self) -> str:
        """What it stands under; nobody but its own process may write there."""
        return f"{name_digest(self.service)}.{name_digest(self.instance)}"


class OutsideTerms(Record):
    """For whom an agent outside the mesh is there, and for what."""

    tenants: frozenset[str]
    default_for: frozenset[str] = frozenset()
    """Tenants whose work is handed to it where no other agent is named."""
    domains: frozenset[str] = frozenset()
    risk: RiskLevel = "medium"


class Provider(Entry):
    """An instance whose card was verified, with what that card offers."""

    capabilities: tuple[Capability, ...] = ()
    problems: tuple[str, ...] = ()
    """What its card says of them and nobody can read: it counts as not said, and a risk as high."""
    outside: OutsideTerms | None = None
    """None of a member of the mesh; nobody vouches for the card of any other."""

    def serves(self, principal: Principal) -> bool:
        """Tell whether its service may be called on behalf of `principal`."""
        at_home = self.outside is None or principal.tenant in self.outside.tenants
        return at_home and principal.may_call(self.service)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All living entries at one revision; equal revisions hold equal entries."""

    revision: int
    entries: tuple[Entry, ...]
    stale: bool = False
    """The source could not be asked lately: this is the last good list."""
    awaited: frozenset[str] = frozenset()
    """Services that were there, or say so, of which no instance has answered yet."""
    arriving: bool = False
    """Somebody is being asked for the first time: in a moment there may be more entries."""
    withdrawn: frozenset[str] = frozenset()
    """Services whose last instance took itself back: stopped, and not failed."""
    hanging: Mapping[str, float] = field(default_factory=dict)
    """Services whose last instance took questions and answered none, with the monotonic time of the
    first."""

    def of(self, service: str) -> Sequence[Entry]:
        return [entry for entry in self.entries if entry.service == service]


@dataclass(frozen=True, slots=True)
class Offers:
    """What may be called at one revision; equal revisions hold equal providers."""

    revision: int
    providers: tuple[Provider, ...]
    away: tuple[Provider, ...] = ()
    """Those of services that were there a moment ago and of which nobody answers now."""

    def outside(self, principal: Principal) -> tuple[Provider, ...]:
        """Return the agents outside the mesh that may be called on behalf of `principal`."""
        return tuple(
            provider
            for provider in self.providers
            if provider.outside is not None and provider.serves(principal)
        )

    def with_away(self) -> "Offers":
        """Return the same as if who is away were there."""
        return replace(self, providers=(*self.providers, *self.away), away=())


class Catalog(ABC):
    """Publishes this process and knows the others; reading never waits."""

    @abstractmethod
    async def publish(self, entry: Entry, sealed: Sealed) -> None:
        """Announce `entry` and keep it alive until withdrawn or this process dies.

        `sealed` gives its newest signed form, which is what others get to read.
        """

    @abstractmethod
    async def withdraw(self, entry: Entry) -> None:
        """Take `entry` back at once."""

    def doubt(self, entry: Entry) -> None:  # noqa: B027 - who asks nobody has nobody to doubt
        """Ask `entry` whether it is there: it owes somebody an answer."""

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """Return what is known now."""

    @abstractmethod
    async def aclose(self) -> None:
        """Withdraw what was published and stop listening."""
