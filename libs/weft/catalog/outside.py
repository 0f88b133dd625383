"""Agents outside the mesh that somebody here added: which, for whom, and on which terms.

What such an agent says of itself is its card, kept as it was when it was added; all that gives it a
part in the mesh (its name, domains, whether it only reads, how risky it is) was said here.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from weft.catalog.base import RiskLevel
from weft.core import ROUTER, JsonObject, StrictRecord
from weft.core.addresses import Network, network_of
from weft.core.errors import ConfigError
from weft.core.private_files import read_file

__all__ = ["OUTSIDE_FILE", "Credential", "OutsideAgent", "read_outside", "written_outside"]

OUTSIDE_FILE: Final = "outside_agents.json"
"""The file's name in the home of the mesh."""
MAX_SECRET = 16 * 1024
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_RESERVED = frozenset({ROUTER, "gateway"})


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None or text in _RESERVED:
        raise ValueError(
            "a name is a small letter, then up to 39 of a-z, 0-9, - and _, and no part of the mesh"
        )
    return text


def _header(text: str) -> str:
    if _HEADER.fullmatch(text) is None:
        raise ValueError("a header's name has letters, digits and -")
    return text


def _network(text: str) -> str:
    network_of(text)
    return text


class Credential(StrictRecord):
    """Where the secret for an agent is found when it is called; the secret itself stands nowhere here."""

    kind: Literal["env", "file"]
    place: str = Field(min_length=1)
    """The variable of the router's environment, or the file."""
    header: Annotated[str, AfterValidator(_header)] = "Authorization"
    """`Authorization` carries it as a bearer token, any other header as it is."""

    @classmethod
    def named(cls, text: str, *, header: str) -> "Credential":
        """Return what `env:NAME` or `file:PATH` names.

        Raises:
            ConfigError: It names neither.
        """
        kind, colon, place = text.partition(":")
        if not colon or not place or kind not in {"env", "file"}:
            raise ConfigError(
                "a credential is named, never written: env:NAME for a variable of the router's "
                "environment, or file:PATH"
            )
        place = str(Path(place).absolute()) if kind == "file" else place
        try:
            return cls.model_validate({"kind": kind, "place": place, "header": header})
        except ValidationError as error:
            raise ConfigError(_first(error)) from error

    @property
    def words(self) -> str:
        """Where it is looked for."""
        if self.kind == "env":
            return f"the variable {self.place} in the router's environment"
        return f"the file {self.place}"

    def read(self, environment: Mapping[str, str] = os.environ) -> str | None:
        """Return the secret as its header carries it, or None where there is none; it blocks."""
        if self.kind == "env":
            secret = environment.get(self.place, "")
        else:
            try:
                secret = read_file(Path(self.place))[:MAX_SECRET].decode()
            except (OSError, UnicodeDecodeError):
                return None
        secret = secret.strip()
        if not secret or not (secret.isascii() and secret.isprintable()):
            return None
        return f"Bearer {secret}" if self.header.lower() == "authorization" else secret


class OutsideAgent(StrictRecord):
    """One agent outside the mesh, as it was added."""

    name: Annotated[str, AfterValidator(_name)]
    card_url: str
    """Where its card is served; its interfaces lie on the same host."""
    card: JsonObject
    """Its card when it was added: while another one is served, it is not called."""
    tenants: tuple[str, ...] = Field(default=("local",), min_length=1)
    """Whose requests may go to it."""
    default_for: tuple[str, ...] = ()
    """Tenants whose work is handed to it where no other agent is named."""
    domains: tuple[str, ...] = ()
    """Of what it can do, whatever its card says; () is of all."""
    reads: bool = False
    """It changes nothing, so that a question may be put to it by its skills."""
    risk: RiskLevel = "medium"
    credential: Credential | None = None
    networks: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Addresses beside public ones that it may have."""
    hosts: tuple[str, ...] = ()
    """Further hosts on which its card may offer interfaces."""
    deduplicates: bool = False
    """It executes a message of one id once: an answer that got lost may be asked for again."""

    @model_validator(mode="after")
    def _serves_its_default(self) -> "OutsideAgent":
        if strangers := sorted({*self.default_for} - {*self.tenants}):
            raise ValueError(f"it cannot be the default of {', '.join(strangers)}: not its tenants")
        return self

    @property
    def listed(self) -> tuple[Network, ...]:
        """The networks as such."""
        return tuple(network_of(text) for text in self.networks)


class _File(StrictRecord):
    agents: tuple[OutsideAgent, ...] = ()

    @model_validator(mode="after")
    def _one_of_each(self) -> "_File":
        names = [agent.name for agent in self.agents]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two agents are called {', '.join(twice)}")
        defaults = [tenant for agent in self.agents for tenant in agent.default_for]
        if twice := sorted({tenant for tenant in defaults if defaults.count(tenant) > 1}):
            raise ValueError(f"two agents are the default of {', '.join(twice)}")
        return self


def read_outside(text: str | bytes) -> tuple[OutsideAgent, ...]:
    """Return the agents that `text` writes down as JSON.

    Raises:
        ConfigError: It has another form; the sentence says where.
    """
    try:
        return _File.model_validate_json(text).agents
    except ValidationError as error:
        raise ConfigError(f"the agents outside the mesh cannot be read: {_first(error)}") from error


def written_outside(agents: tuple[OutsideAgent, ...]) -> bytes:
    """Return the text of the file.

    Raises:
        ConfigError: They exclude each other.
    """
    try:
        whole = _File(agents=agents)
    except ValidationError as error:
        raise ConfigError(_first(error)) from error
    return whole.model_dump_json(indent=1, exclude_defaults=True).encode()


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    place = "/".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}" if place else str(fault["msg"])
