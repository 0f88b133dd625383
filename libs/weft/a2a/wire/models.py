"""The wire records of A2A 1.0 that a server reads; unknown fields are ignored."""

import hashlib
import re
from functools import cached_property
from typing import Annotated, Literal, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from weft.a2a.wire.parts import plain_base64, to_wire
from weft.core import JsonObject, Part, Parts
from weft.core.edge_errors import InvalidFieldsError
from weft.core.faults import faults_of

VERSION = "1.0"
SPOKEN = (VERSION, "0.3")
"""The versions that a method of 0.3 may be called under."""
Role = Literal["ROLE_USER", "ROLE_AGENT"]
TaskState = Literal[
    "TASK_STATE_SUBMITTED",
    "TASK_STATE_WORKING",
    "TASK_STATE_COMPLETED",
    "TASK_STATE_FAILED",
    "TASK_STATE_CANCELED",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_REJECTED",
    "TASK_STATE_AUTH_REQUIRED",
]
ENDED: frozenset[str] = frozenset(
    {"TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_REJECTED"}
)
WAITING: frozenset[str] = frozenset({"TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED"})

LIMIT_MEMBERS = ("tokens", "costUsd", "seconds", "depth")
"""The members of a message's metadata that limit what it may spend."""
SKILL = "skillId"
OWN_METADATA = "weft"
"""The member for what a task of ours says beyond plain A2A."""
RESERVED_METADATA = frozenset({*LIMIT_MEMBERS, SKILL, OWN_METADATA})
"""Members that say more than their author can: his of these names travel inside ours."""

MAX_ID = 256
_UNIQUE = re.compile(
    r"[0-9a-fA-F]{32}"
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|[0-7][0-9A-HJKMNP-TV-Z]{25}"
)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


Name = Annotated[str, Field(max_length=MAX_ID), AfterValidator(_printable)]


class Wire(BaseModel):
    """A value of the protocol: camelCase names, frozen, lenient."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True
    )


class WirePart(Wire):
    """One piece of content, as it is asked for; `part` is what it says."""

    text: str | None = None
    raw: str | None = None
    url: str | None = None
    data: JsonValue = None
    media_type: Annotated[Name | None, Field(min_length=1)] = None
    filename: Name | None = None
    metadata: JsonObject | None = None

    @field_validator("raw")
    @classmethod
    def _is_base64(cls, raw: str | None) -> str | None:
        try:
            return None if raw is None else plain_base64(raw)
        except ValueError as error:
            raise ValueError("raw content is base64") from error

    @model_validator(mode="after")
    def _has_one_content(self) -> "WirePart":
        given = [name for name in ("text", "raw", "url") if getattr(self, name) is not None]
        if self.data is not None or ("data" in self.model_fields_set and not given):
            given.append("data")
        if len(given) != 1:
            raise ValueError("a part has exactly one of text, raw, url and data")
        return self

    @property
    def part(self) -> Part:
        content = {"text": self.text, "bytes": self.raw, "url": self.url}
        given = {name: value for name, value in content.items() if value is not None}
        return Part.model_validate(
            {
                **(given or {"data": self.data}),
                "media_type": self.media_type,
                "filename": self.filename,
                "metadata": self.metadata or {},
            }
        )


class WireMessage(Wire):
    """One turn."""

    message_id: Annotated[Name, Field(min_length=1)]
    role: Role
    parts: Annotated[tuple[WirePart, ...], Field(min_length=1)]
    context_id: Name | None = None
    task_id: Name | None = None
    metadata: JsonObject | None = None
    extensions: tuple[str, ...] | None = None
    reference_task_ids: tuple[Name, ...] | None = None

    @property
    def unique(self) -> bool:
        """Whether the id is unique by form, so that a second use of it is a repeat."""
        return _UNIQUE.search(self.message_id) is not None

    @cached_property
    def content(self) -> Parts:
        return tuple([wire.part for wire in self.parts])


class Sparse(Wire):
    """A value whose members a caller may send as null where it means to say nothing."""

    @model_validator(mode="before")
    @classmethod
    def _said(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: member for name, member in value.items() if member is not None}


class SendConfiguration(Sparse):
    """How the caller wants its answer."""

    accepted_output_modes: tuple[str, ...] = ()
    history_length: Annotated[int, Field(ge=0)] | None = None
    return_immediately: bool = False
    task_push_notification_config: JsonObject | None = None


class Scoped(Sparse):
    """A request that may name the caller's tenant."""

    tenant: str | None = None


class SendMessageRequest(Scoped):
    """SendMessage and SendStreamingMessage."""

    message: WireMessage
    configuration: SendConfiguration = SendConfiguration()
    metadata: JsonObject | None = None


class TaskRequest(Scoped):
    """Names a task: SubscribeToTask, and the base of what asks for more."""

    id: Annotated[Name, Field(min_length=1)]


class GetTaskRequest(TaskRequest):
    """GetTask."""

    history_length: Annotated[int, Field(ge=0)] | None = None


class CancelTaskRequest(TaskRequest):
    """CancelTask."""

    metadata: JsonObject | None = None


T = TypeVar("T", bound=Wire)


def parse(kind: type[T], params: object) -> T:
    """Return the request's record.

    Raises:
        InvalidFieldsError: Something in it is wrong; every fault is named.
    """
    try:
        return kind.model_validate(params)
    except ValidationError as error:
        raise InvalidFieldsError(faults_of(error, kind)) from error


def body_hash(message: WireMessage) -> str:
    """Return what makes two messages of one id the same: everything but their metadata."""
    content = {
        "context_id": message.context_id,
        "task_id": message.task_id,
        "role": message.role,
        "parts": to_wire(message.content),
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
