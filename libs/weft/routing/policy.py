"""What may run, and what needs a person's yes."""

from dataclasses import asdict, dataclass, field
from typing import ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from weft.core import JsonObject, Record, StrictRecord
from weft.core.errors import ConfigError
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

    def looser_than(self, other: "PolicyGate") -> list[str]:
        """Return the names of the settings that allow more than `other` does."""
        fields = []
        if self.max_risk.rank > other.max_risk.rank:
            fields.append("max_risk")
        if self.require_approval_above.rank > other.require_approval_above.rank:
            fields.append("require_approval_above")
        if not set(other.denied_protocols) <= set(self.denied_protocols):
            fields.append("denied_protocols")
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
                    f"the policy of tenant {tenant!r} is looser than the default in "
                    f"{', '.join(looser)}; a tenant can only tighten"
                )

    def of(self, tenant: str) -> PolicyGate:
        return self.tenants.get(tenant, self.default)


class _Written(StrictRecord):
    """The default and the tenants' rules, as a file has them; a tenant's say what differs."""

    default: PolicyGate = Field(default_factory=PolicyGate)
    tenants: dict[str, JsonObject] = Field(default_factory=dict)


def read_policies(text: str | bytes) -> Policies:
    """Return the policies that `text` writes down as JSON.

    Raises:
        ConfigError: It has another form, or a tenant's rules are looser than the default.
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
    return Policies(written.default, tenants)
