"""What a tool may be made of, and what is refused when it is defined."""

import functools
import math
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field

from weft.core import JsonObject, JsonValue, ToolCall
from weft.core.errors import ToolDefinitionError
from weft.tools import Tool, ToolContext, ToolExecution, call_tool, tool


class Unit(Enum):
    METRE = "m"


class Window(BaseModel):
    start: int = 0


async def made(defined: Tool, **arguments: JsonValue) -> ToolExecution:
    return await call_tool(
        defined, ToolCall(id="1", name=defined.name, arguments=arguments), ToolContext()
    )


def shown(defined: Tool, parameter: str) -> JsonObject:
    properties: Any = defined.parameters["properties"]
    found: JsonObject = properties[parameter]
    return found


@pytest.mark.requirement("TOOL-1")
async def test_a_pydantic_field_as_a_default_is_read_as_one() -> None:
    @tool
    def book(
        hotel: str = Field(description="Its name."),
        nights: int = Field(default=3, description="How many.", ge=1),
        tags: list[str] = Field(default_factory=list, max_length=2),  # noqa: B008 - the point
        note: str | None = Field(None, max_length=5),
    ) -> str:
        """Book nights.

        Args:
            nights: Not this: the field says it.
            tags: What for.
        """
        return f"{hotel} {nights} {tags} {note}"

    assert book.parameters["required"] == ["hotel"]
    assert shown(book, "hotel") == {"type": "string", "description": "Its name."}
    assert shown(book, "nights") == {
        "type": "integer", "default": 3, "minimum": 1, "description": "How many.",
    }  # fmt: skip
    assert shown(book, "tags")["description"] == "What for."
    assert (await made(book, hotel="Aurora")).content == "Aurora 3 [] None"
    assert (await made(book, hotel="Aurora", nights=1, note=None)).content == "Aurora 1 [] None"
    assert "greater than or equal to 1" in (await made(book, hotel="A", nights=0)).content
    assert "at most 5" in (await made(book, hotel="A", note="too long")).content


@pytest.mark.requirement("TOOL-1")
@pytest.mark.parametrize(
    "annotation",
    [
        int,
        Annotated[int, Field(ge=1, description="how many")],
        Unit,
        Window,
        list[int],
        dict[str, int],
    ],
    ids=str,
)
async def test_null_fits_where_it_is_the_default(annotation: object) -> None:
    def orders(limit: object = None) -> str:
        """List orders."""
        return repr(limit)

    orders.__annotations__["limit"] = annotation
    defined = tool(orders)

    choices: Any = shown(defined, "limit")["anyOf"]
    assert {"type": "null"} in choices
    assert shown(defined, "limit")["default"] is None
    assert (await made(defined, limit=None)).content == "None"
    assert (await made(defined)).content == "None"
    assert "invalid arguments" in (await made(defined, limit="x" * 5)).content
    if get_description := shown(defined, "limit").get("description"):
        assert get_description == "how many"


async def test_what_takes_null_already_is_shown_as_it_is() -> None:
    @tool
    def find(anything: JsonValue = None, text: str | None = None) -> str:
        """Find."""
        return f"{anything} {text}"

    assert shown(find, "anything") == {"$ref": "#/$defs/JsonValue", "default": None}
    assert shown(find, "text") == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}


def unlike(value: int = "all") -> None:  # type: ignore[assignment]
    """Take a default of another type."""


def below(value: Annotated[int, Field(ge=1)] = 0) -> None:
    """Take a default that breaks its own bound."""


def endless(value: float = math.inf) -> None:
    """Take no limit."""


def no_number(value: float = math.nan) -> None:
    """Take no number."""


def opaque(value: JsonValue = object()) -> None:  # type: ignore[assignment]  # noqa: B008 - the point of the test
    """Take a default without JSON form."""


def renamed(value: int = Field(1, alias="other")) -> None:
    """Take a value under another name."""


def unreadable(value: "int |") -> None:  # type: ignore[valid-type]  # noqa: F722
    """Say nothing of its type."""


def _explode(value: int) -> int:
    raise SystemExit(value)


def exploding(value: Annotated[int, AfterValidator(_explode)] = 1) -> None:
    """Leave the process while its default is checked."""


@pytest.mark.requirement("TOOL-2")
@pytest.mark.parametrize(
    ("function", "why"),
    [
        (unlike, "does not fit its type"),
        (below, "does not fit its type"),
        (endless, "use None for no limit"),
        (no_number, "use None for no limit"),
        (opaque, "has no JSON form"),
        (renamed, "leave out the alias"),
        (unreadable, "cannot be read"),
        (5, "made of a function"),
    ],
)
def test_what_json_cannot_say_is_refused_at_decoration(
    function: Callable[..., object], why: str
) -> None:
    with pytest.raises(ToolDefinitionError, match=why):
        tool(function)


@pytest.mark.parametrize("given", ["inf", "NaN", "-Infinity"])
async def test_a_number_that_json_cannot_say_is_no_argument(given: str) -> None:
    @tool
    def wait(seconds: float) -> str:
        """Wait."""
        return str(seconds)

    assert "finite number" in (await made(wait, seconds=given)).content


async def test_a_validator_of_the_tools_own_may_raise_anything() -> None:
    @tool
    def leave(value: Annotated[int, AfterValidator(_explode)]) -> str:
        """Leave."""
        return str(value)

    left = await made(leave, value=1)

    assert left.content == "Error: invalid arguments: SystemExit: 1"


def convert(amount: float, to: str = "EUR", *, fee: float = 0.0) -> str:
    """Convert money.

    Args:
        amount: How much.
        to: Into what.
        fee: What it costs.
    """
    return f"{amount} {to} {fee}"


async def later(order: str, times: int = 1) -> str:
    """Find an order later."""
    return order * times


class Lookup:
    """Finds things."""

    async def __call__(self, order: str) -> str:
        """Find an order."""
        return order


class Plain:
    """Finds plain things."""

    def __call__(self, order: str) -> str:
        return order

    def find(self, order: str) -> str:
        """Find by method."""
        return order


@pytest.mark.requirement("TOOL-1")
@pytest.mark.parametrize(
    ("function", "name", "description", "parameters", "arguments", "content"),
    [
        (functools.partial(convert, to="NOK"), "convert", "Convert money.", ["amount", "fee"],
         {"amount": 1}, "1.0 NOK 0.0"),
        (functools.partial(convert, 2.0, fee=1), "convert", "Convert money.", ["to"],
         {"to": "SEK"}, "2.0 SEK 1"),
        (functools.partial(functools.partial(later, times=2)), "later", "Find an order later.",
         ["order"], {"order": "a"}, "aa"),
        (Lookup(), "Lookup", "Find an order.", ["order"], {"order": "a"}, "a"),
        (functools.partial(Lookup()), "Lookup", "Find an order.", ["order"], {"order": "a"}, "a"),
        (Plain(), "Plain", "Finds plain things.", ["order"], {"order": "a"}, "a"),
        (Plain().find, "find", "Find by method.", ["order"], {"order": "a"}, "a"),
    ],
)  # fmt: skip
async def test_whatever_can_be_called_makes_a_tool(
    function: Callable[..., object],
    name: str,
    description: str,
    parameters: list[str],
    arguments: dict[str, Any],
    content: str,
) -> None:
    defined = tool(function)

    assert (defined.name, defined.description) == (name, description)
    properties: Any = defined.parameters["properties"]
    assert list(properties) == parameters
    assert (await made(defined, **arguments)).content == content
    assert tool(name="other")(function).name == "other"


def test_what_is_bound_may_be_of_any_type() -> None:
    def save(text: str, where: Path, client: object) -> str:
        """Save."""
        return f"{text} {where} {client}"

    defined = tool(functools.partial(save, client=object(), where=Path()))

    assert list(shown(defined, "text")) == ["type"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"idempotnt": True}, "did you mean 'idempotent'"),
        ({"retries": 3}, "known: "),
        ({"labels": "read"}, r"write \['read'\]"),
        ({"tags": "a"}, "several texts"),
        ({"examples": "a"}, "several texts"),
        ({"timeout": "5"}, "number of seconds"),
        ({"timeout": math.nan}, "number of seconds"),
        ({"not_done_on": ["ValueError"]}, "takes exceptions"),
    ],
)
def test_an_option_that_nobody_reads_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ToolDefinitionError, match=why):
        tool(**options)(convert)
