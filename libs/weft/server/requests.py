"""What clients send: bodies, and the headers that say how to answer."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, Field, JsonValue, ValidationError
from starlette.requests import Request

from weft.core import APPROVAL, JsonObject, Principal, dumps
from weft.core.edge_errors import InvalidFieldsError, InvalidIdempotencyKeyError
from weft.core.errors import ForbiddenError, InputError, UnauthenticatedError
from weft.core.faults import faults_of
from weft.core.messages import MAX_PROMPT, prompt_fits, shows_something
from weft.core.numbers import whole_number
from weft.core.protocol_errors import BodyTooLargeError, InvalidJsonError, MediaTypeError
from weft.server.bodies import Body
from weft.server.parts import InputPart

__all__ = ["principal_of", "validated"]

MAX_TIMEOUT_S = 3600.0
MAX_WAIT_S = 600.0
MAX_SECONDS = 10**15
"""What still reads as a wish to wait for long; it is granted up to `MAX_WAIT_S`."""
RESERVED_METADATA = frozenset({APPROVAL, "principal", "tenant", "risk"})
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
MAX_METADATA = 16 * 1024
"""Bytes of a run's metadata as JSON: it is copied into every task of the run."""
MAX_METADATA_TEXT = 512

B = TypeVar("B", bound=BaseModel)


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


def path_id(value: str) -> str:
    """Return the thread id that a path names.

    Raises:
        InvalidFieldsError: It is no id.
    """
    try:
        return checked_id(value)
    except ValueError as error:
        raise InvalidFieldsError([("/thread_id", str(error))]) from None


def _metadata(value: JsonObject) -> JsonObject:
    if reserved := sorted(RESERVED_METADATA & value.keys()):
        raise ValueError(f"the server alone sets {', '.join(reserved)}")
    if any(len(text) > MAX_METADATA_TEXT for text in _texts(value)):
        raise ValueError(f"a text, or a name, has at most {MAX_METADATA_TEXT} characters")
    if len(dumps(value)) > MAX_METADATA:
        raise ValueError(f"metadata has at most {MAX_METADATA} bytes")
    return value


def _texts(value: JsonValue) -> Iterator[str]:
    """Yield every text in it, names included; the JSON guard bounds how deep that goes."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child)


ClientId = Annotated[str, AfterValidator(checked_id)]
Metadata = Annotated[JsonObject, Field(max_length=16), AfterValidator(_metadata)]


class InputMessage(Body):
    """One message of the caller's."""

    role: Literal["user"]
    content: str | list[InputPart]

    def text(self) -> str:
        """Return what it says.

        Raises:
            MediaTypeError: It holds more than text, which no plan hands on yet.
        """
        if isinstance(self.content, str):
            return self.content
        for part in self.content:
            if part.text is None:
                raise MediaTypeError(
                    f"a goal is said in text: parts of type {part.media_type[:80]!r} are not taken"
                )
        return "\n".join(part.text or "" for part in self.content)


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
            MediaTypeError: A part of it is no text.
        """
        if (self.input is None) == (self.prompt is None):
            raise InvalidFieldsError([("/input", "send exactly one of 'input' and 'prompt'")])
        content = self.prompt if self.input is None else self.input
        if isinstance(content, list):
            content = "\n\n".join(message.text() for message in content)
        text = content or ""
        if not shows_something(text):
            name = "/prompt" if self.input is None else "/input"
            raise InvalidFieldsError([(name, "there is nothing in it")])
        if not prompt_fits(text):
            raise BodyTooLargeError(MAX_PROMPT, "prompt")
        return text

    def fingerprint(self, text: str) -> str:
        """Return the SHA-256 of what is asked, defaults filled in, whatever the answer's shape."""
        content = self.model_dump(exclude={"input", "prompt"})
        content["input"] = text
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


class CancelRequest(Body):
    """Why a run shall stop, and how long calls in flight may take to end."""

    reason: str = Field(default="", max_length=500)
    grace_s: float = Field(default=5.0, ge=0, le=30, allow_inf_nan=False)


class RatingRequest(Body):
    """What who asked thinks of a run's outcome."""

    rating: Literal["good", "bad"]


class InterruptResponse(Body):
    """What a person says to one interrupt."""

    interrupt_id: str = Field(min_length=1, max_length=256)
    status: Literal["resolved", "canceled"] = "resolved"
    payload: JsonValue = None


class ResumeRequest(Body):
    """Answers to a run's interrupts; all open ones unless `partial`."""

    responses: list[InterruptResponse] = Field(min_length=1, max_length=100)
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
        raise InvalidFieldsError(faults_of(error, kind)) from None


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
    most = int(MAX_TIMEOUT_S * 1000)
    milliseconds = whole_number(value, least=1, most=most)
    if milliseconds is None:
        raise InputError(f"Weft-Timeout-Ms must be an integer from 1 to {most}")
    return milliseconds / 1000


def wait_of(request: Request) -> float | None:
    """Return how long the caller prefers to wait, at most `MAX_WAIT_S`.

    Raises:
        InputError: It is no whole number of seconds.
    """
    for preference in ",".join(request.headers.getlist("prefer")).split(","):
        name, equals, value = preference.partition(";")[0].partition("=")
        if equals and name.strip().lower() == "wait":
            seconds = whole_number(value.strip().strip('"'), least=0, most=MAX_SECONDS)
            if seconds is None:
                raise InputError("Prefer: wait=N takes a whole number of seconds")
            return min(float(seconds), MAX_WAIT_S)
    return None


def wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")
