"""What may run, and what needs a person's yes."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import ClassVar
from zlib import crc32

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from weft.core import JsonObject, Record, StrictRecord
from weft.core.errors import ConfigError, did_you_mean
from weft.routing.frame import Level, Risk


class PolicyVerdict(Record):
    """Whether a part may run, and under which condition."""

    allow: bool
    require_approval: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PolicyGate:
    """One tenant's rules, or everybody's."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    max_risk: Risk = Level.HIGH
    require_approval_above: Risk = Level.MEDIUM
    denied_protocols: tuple[str, ...] = ()

    def check(
        self, protocol_id: str, risk: Risk, *, approval_required: bool = False
    ) -> PolicyVerdict:
        """Decide on one part: denied protocol, then risk, then approval."""
        if protocol_id in self.denied_protocols:
            return PolicyVerdict(allow=False, reason=f"protocol {protocol_id} is denied")
        if risk.rank > self.max_risk.rank:
            return PolicyVerdict(
                allow=False, reason=f"risk {risk} is above the limit {self.max_risk}"
            )
        if approval_required:
            return PolicyVerdict(allow=True, require_approval=True, reason="approval required")
        if risk.rank > self.require_approval_above.rank:
            limit = self.require_approval_above
            return PolicyVerdict(
                allow=True, require_approval=True, reason=f"risk {risk} is above {limit}"
            )
        return PolicyVerdict(allow=True)

    @property
    def revision(self) -> int:
        """Return a number that equal rules share, and others hardly ever."""
        levels = (self.max_risk.value, self.require_approval_above.value)
        return crc32(" ".join((*levels, *sorted(set(self.denied_protocols)))).encode())

    def looser_than(self, other: "PolicyGate") -> list[str]:
        """Say which settings allow more than `other` does, and what would not."""
        fields = []
        if self.max_risk.rank > other.max_risk.rank:
            fields.append(f"max_risk {self.max_risk} (at most {other.max_risk})")
        if self.require_approval_above.rank > other.require_approval_above.rank:
            most = other.require_approval_above
            fields.append(f"require_approval_above {self.require_approval_above} (at most {most})")
        missing = sorted(set(other.denied_protocols) - set(self.denied_protocols))
        if missing:
            fields.append(f"denied_protocols without {', '.join(missing)} (name them, too)")
        return fields


@dataclass(frozen=True, slots=True)
class Policies:
    """A default, and stricter rules for some tenants.

    Raises:
        ConfigError: A tenant's rules allow what the default does not.
    """

    default: PolicyGate = field(default_factory=PolicyGate)
    tenants: dict[str, PolicyGate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tenant, gate in self.tenants.items():
            looser = gate.looser_than(self.default)
            if looser:
                raise ConfigError(
                    f"the policy of tenant {tenant!r} is looser than the default: "
                    f"{'; '.join(looser)}. A tenant's rules can only tighten: make these as strict "
                    "as the default, or loosen the default and tighten other tenants"
                )

    def of(self, tenant: str) -> PolicyGate:
        return self.tenants.get(tenant, self.default)


class _Written(StrictRecord):
    """The default and the tenants' rules, as a file has them; a tenant's say what differs."""

    default: PolicyGate = Field(default_factory=PolicyGate)
    tenants: dict[str, JsonObject] = Field(default_factory=dict)


def read_policies(text: str | bytes, protocols: Iterable[str]) -> Policies:
    """Return the policies that `text` writes down as JSON, over these `protocols`.

    Raises:
        ConfigError: It has another form, denies a protocol that there is not, or a tenant's rules
            are looser than the default.
    """
    try:
        written = _Written.model_validate_json(text)
        common = asdict(written.default)
        gate = TypeAdapter(PolicyGate)
        tenants = {
            name: gate.validate_python({**common, **rules})
            for name, rules in written.tenants.items()
        }
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(map(str, first["loc"]))
        raise ConfigError(f"the policies cannot be read: {place}: {first['msg']}") from error
    names = sorted(protocols)
    for rules in (written.default, *tenants.values()):
        for name in rules.denied_protocols:
            if name not in names:
                # Nothing would be denied, and nobody told.
                hint = did_you_mean(name, names)
                raise ConfigError(f"denied_protocols: there is no protocol {name!r}{hint}")
    return Policies(written.default, tenants)
