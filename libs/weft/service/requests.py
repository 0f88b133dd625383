"""What clients send: bodies, and the headers that say how to answer."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.requests import Request

from weft.core import JsonObject, Principal, Record
from weft.core.edge_errors import InvalidFieldsError, InvalidIdempotencyKeyError
from weft.core.errors import ForbiddenError, InputError, UnauthenticatedError
from weft.core.protocol_errors import BodyTooLargeError, InvalidJsonError

MAX_PROMPT = 256 * 1024
MAX_TIMEOUT_S = 3600.0
MAX_WAIT_S = 600.0
RESERVED_METADATA = frozenset({"principal", "tenant", "risk"})
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_WAIT = re.compile(r"\bwait=(\d{1,6})\b")

B = TypeVar("B", bound=BaseModel)


class Body(Record):
    """A client's JSON: unknown fields and wrong types are refused, nothing is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def checked_id(value: str) -> str:
    """Return a client's id if it may be one.

    Raises:
        ValueError: It is empty, too long, a dot segment, or holds `/` or a control character.
    """
    if not 1 <= len(value) <= 128:  # noqa: PLR2004 - the one place that says it
        raise ValueError("an id has 1 to 128 characters")
    if value in {".", ".."} or "/" in value:
        raise ValueError("an id is neither '.' nor '..' and holds no '/'")
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in value):
        raise ValueError("an id holds no control characters")
    return value


def _metadata(value: JsonObject) -> JsonObject:
    if reserved := sorted(RESERVED_METADATA & value.keys()):
        raise ValueError(f"the server alone sets {', '.join(reserved)}")
    if any(isinstance(each, str) and len(each) > 512 for each in value.values()):  # noqa: PLR2004 - the one place that says it
        raise ValueError("a text has at most 512 characters")
    return value


ClientId = Annotated[str, AfterValidator(checked_id)]
Metadata = Annotated[JsonObject, Field(max_length=16), AfterValidator(_metadata)]


class TextPart(Body):
    """A piece of text."""

    text: str


class InputMessage(Body):
    """One message of the caller's."""

    role: Literal["user"]
    content: str | list[TextPart]

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class RunBudget(Body):
    """What the run may spend; 0 is nothing of it, null inherits."""

    tokens: int | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    calls: int | None = Field(default=None, ge=0)


class RunRequest(Body):
    """A run as its client asks for it; exactly one of `input` and `prompt`."""

    input: str | Annotated[list[InputMessage], Field(min_length=1)] | None = None
    prompt: str | None = None
    thread_id: ClientId | None = None
    if_not_exists: Literal["create", "reject"] = "create"
    agent: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    goal: JsonObject | None = None
    protocol: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    on_conflict: Literal["reject", "enqueue", "interrupt"] = "reject"
    on_disconnect: Literal["continue"] = "continue"
    budget: RunBudget = RunBudget()
    timeout_s: float | None = Field(default=None, gt=0, le=MAX_TIMEOUT_S, allow_inf_nan=False)
    interrupt_ttl_s: Literal[86400] = 86400
    webhook_id: None = None
    metadata: Metadata = Field(default_factory=dict)

    def text(self) -> str:
        """Return what was asked.

        Raises:
            InvalidFieldsError: Not exactly one of `input` and `prompt`, or nothing in it.
            BodyTooLargeError: It is over 256 KiB.
        """
        if (self.input is None) == (self.prompt is None):
            raise InvalidFieldsError([("/input", "send exactly one of 'input' and 'prompt'")])
        asked = self.prompt if self.input is None else self.input
        if isinstance(asked, list):
            asked = "\n\n".join(message.text() for message in asked)
        text = asked or ""
        if not text.strip():
            name = "/prompt" if self.input is None else "/input"
            raise InvalidFieldsError([(name, "there is nothing in it")])
        if len(text) * 4 > MAX_PROMPT and len(text.encode()) > MAX_PROMPT:
            raise BodyTooLargeError(MAX_PROMPT, "prompt")
        return text

    def fingerprint(self, text: str) -> str:
        """Return the SHA-256 of what is asked, defaults filled in, whatever the answer's shape."""
        asked = self.model_dump(exclude={"input", "prompt"})
        asked["input"] = text
        return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


class CancelRequest(Body):
    """Why a run shall stop, and how long calls in flight may take to end."""

    reason: str = Field(default="", max_length=500)
    grace_s: float = Field(default=5.0, ge=0, le=30, allow_inf_nan=False)


class Answer(Body):
    """What a person says to one interrupt."""

    interrupt_id: str = Field(min_length=1, max_length=128)
    status: Literal["resolved", "canceled"] = "resolved"
    payload: JsonValue = None


class ResumeRequest(Body):
    """Answers to a run's interrupts; all open ones unless `partial`."""

    responses: list[Answer] = Field(min_length=1, max_length=100)
    partial: bool = False


def body_of(request: Request, kind: type[B]) -> B:
    """Return the request's body as `kind`.

    Raises:
        InvalidJsonError: There is none.
        InvalidFieldsError: Fields are unknown, missing or wrong; every one is named.
    """
    body: JsonObject | None = request.state.body
    if body is None:
        raise InvalidJsonError("the body is empty: send a JSON object")
    return validated(body, kind)


def validated(body: Mapping[str, JsonValue], kind: type[B]) -> B:
    """Return `body` as `kind`; raises as `body_of`."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise InvalidFieldsError(_faults(error)) from None


def principal_of(request: Request, scope: str | None = None) -> Principal:
    """Return who asks.

    Raises:
        UnauthenticatedError: Nobody does: the path is open.
        ForbiddenError: They lack `scope`.
    """
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None:
        raise UnauthenticatedError("this needs a valid bearer credential")
    if scope is not None and not principal.may(scope):
        raise ForbiddenError(scope)
    return principal


def idempotency_key(request: Request) -> str | None:
    """Return the caller's key.

    Raises:
        InvalidIdempotencyKeyError: There are two, or it is not 1 to 128 visible ASCII characters.
    """
    values = request.headers.getlist("idempotency-key")
    if not values:
        return None
    if len(values) != 1 or _KEY.fullmatch(values[0]) is None:
        raise InvalidIdempotencyKeyError
    return values[0]


def timeout_of(request: Request) -> float | None:
    """Return the seconds that `Weft-Timeout-Ms` leaves.

    Raises:
        InputError: It is no integer from 1 to 3,600,000.
    """
    value = request.headers.get("weft-timeout-ms")
    if value is None:
        return None
    known = value.isascii() and value.isdigit() and len(value) < 8  # noqa: PLR2004 - digits of the largest
    if not known or not 0 < int(value) <= MAX_TIMEOUT_S * 1000:
        raise InputError("Weft-Timeout-Ms must be an integer from 1 to 3600000")
    return int(value) / 1000


def wait_of(request: Request) -> float | None:
    """Return how long the caller prefers to wait, at most `MAX_WAIT_S`."""
    match = _WAIT.search(request.headers.get("prefer", ""))
    return min(float(match[1]), MAX_WAIT_S) if match else None


def wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


def _faults(error: ValidationError) -> list[tuple[str, str]]:
    faults: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        # Below the first name stand also the arms of unions, which are no part of the JSON.
        first, *rest = each["loc"] or ("",)
        arms = {"str", "list[InputMessage]", "list[TextPart]"}
        names = [str(part) for part in (first, *rest) if part is first or part not in arms]
        pointer = "".join(
            f"/{name.replace('~', '~0').replace('/', '~1')}" for name in names if name
        )
        faults.setdefault(pointer[:200], each["msg"].removeprefix("Value error, "))
    return list(faults.items())[:50]
