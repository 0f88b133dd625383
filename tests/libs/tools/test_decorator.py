"""Functions become tools: schema, descriptions, and what cannot be a tool."""

import logging
import socket
import subprocess
import sys
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from weft.core.errors import ConfigError, DuplicateToolError, ToolDefinitionError
from weft.tools import Tool, ToolContext, ToolRegistry, tool


class Unit(Enum):
    METRE = "m"
    FOOT = "ft"


class Item(BaseModel):
    sku: str
    title: str = "untitled"
    count: int = Field(default=1, ge=1)


def order(
    customer: str,
    items: list[Item],
    unit: Unit = Unit.METRE,
    schema: Literal["short", "long"] = "short",
    *,
    note: Annotated[str | None, Field(description="from the annotation")] = None,
    context: ToolContext | None = None,
) -> str:
    return f"{customer} {len(items)} {unit} {schema} {note} {context}"


GOOGLE = """Place an order.

    It is sent at once.

    Args:
        customer (str): who pays,
            by name
        items: what is bought
        note: hidden by the annotation

    Returns:
        A receipt.
    """
NUMPY = """Place an order.

    It is sent at once.

    Parameters
    ----------
    customer : str
        who pays,
        by name
    items : list
        what is bought

    Returns
    -------
    str
        A receipt.
    """
SPHINX = """Place an order.

    It is sent at once.

    :param str customer: who pays,
        by name
    :param items: what is bought
    :returns: A receipt.
    """


@pytest.mark.requirement("TOOL-1")
@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_signature_and_docstring_give_the_schema(docstring: str) -> None:
    order.__doc__ = docstring

    made = tool(order)

    item = {
        "type": "object",
        "properties": {
            "sku": {"type": "string"},
            "title": {"type": "string", "default": "untitled"},
            "count": {"type": "integer", "default": 1, "minimum": 1},
        },
        "required": ["sku"],
    }
    assert made.name == "order"
    assert made.description == "Place an order.\n\nIt is sent at once."
    assert made.parameters == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "customer": {"type": "string", "description": "who pays, by name"},
            "items": {
                "type": "array",
                "items": {"$ref": "#/$defs/Item"},
                "description": "what is bought",
            },
            "unit": {"$ref": "#/$defs/Unit", "default": "m"},
            "schema": {"type": "string", "enum": ["short", "long"], "default": "short"},
            "note": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "default": None,
                "description": "from the annotation",
            },
        },
        "required": ["customer", "items"],
        "$defs": {"Item": item, "Unit": {"type": "string", "enum": ["m", "ft"]}},
    }


def test_a_type_in_parentheses_may_hold_parentheses_and_quotes() -> None:
    @tool
    def plan(town: str, when: tuple[int, int] = (1, 2), price: float = 0.0, sep: str = ")") -> str:
        """Plan a trip.

        Args:
            town: Where to (roughly): a name.
            when (tuple[int, int], default (1, 2)): First and last day.
            price (float, optional. Defaults to Decimal('0')) : At most.
            sep (str, default ')'): Between names: one character.
        """
        return f"{town}{when}{price}{sep}"

    properties: Any = plan.parameters["properties"]
    assert {name: each.get("description") for name, each in properties.items()} == {
        "town": "Where to (roughly): a name.",
        "when": "First and last day.",
        "price": "At most.",
        "sep": "Between names: one character.",
    }


def test_a_docstring_in_no_style_is_all_description() -> None:
    @tool
    def ping() -> str:
        """Note: this one only pings."""
        return "pong"

    assert ping.description == "Note: this one only pings."
    assert ping.parameters == {"type": "object", "properties": {}, "additionalProperties": False}


async def test_a_tool_is_callable_as_before() -> None:
    @tool(name="plus")
    def add(a: int, b: int = 1) -> int:
        return a + b

    @tool
    async def later(a: int) -> int:
        return a

    sums: int = add(2)
    assert (sums, add(a=2, b=3), await later(4)) == (3, 5, 4)
    assert (add.name, add.spec.name, later.is_async) == ("plus", "plus", True)


def starred(*values: int) -> int:
    return len(values)


def keyworded(**values: int) -> int:
    return len(values)


def bare(value) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001 - the point of the test
    return len(value)


def opaque(value: socket.socket) -> int:
    return value.fileno()


@pytest.mark.requirement("TOOL-2")
@pytest.mark.parametrize(
    ("function", "parameter"),
    [(starred, "values"), (keyworded, "values"), (bare, "value"), (opaque, "value")],
)
def test_what_json_cannot_fill_is_refused_at_decoration(function: object, parameter: str) -> None:
    with pytest.raises(ToolDefinitionError) as caught:
        tool(function)  # type: ignore[call-overload]

    assert caught.value.function in str(caught.value)
    assert repr(parameter) in str(caught.value)
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize(
    "options", [{"name": "a b"}, {"scope": "world"}, {"key": "missing"}, {"timeout": 0}]
)
def test_a_wrong_option_is_refused_at_decoration(options: dict[str, object]) -> None:
    def noop(a: int = 1) -> int:
        return a

    with pytest.raises(ToolDefinitionError):
        tool(**options)(noop)  # type: ignore[call-overload]


@pytest.mark.requirement("FX-17")
def test_an_idempotent_tool_that_cannot_find_out_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def pay(amount: int) -> int:
        return amount

    with caplog.at_level(logging.WARNING, logger="weft.tools"):
        tool(idempotent=True, passes_key=True)(pay)
        tool(pay)
        assert caplog.messages == []
        tool(idempotent=True)(pay)

    assert caplog.messages == ["tool.unknown_outcomes_need_a_person"]


@pytest.mark.requirement("FX-17")
def test_it_prints_nothing_where_nobody_has_set_logging_up() -> None:
    made = "from weft import tool\ndef pay(): ...\ntool(idempotent=True)(pay)"

    done = subprocess.run([sys.executable, "-c", made], capture_output=True, check=False)

    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")


def _named(name: str) -> Tool:
    @tool(name=name)
    def noop() -> None:
        """Do nothing."""

    return noop


def test_a_registry_adds_all_tools_or_none() -> None:
    registry = ToolRegistry([_named("a")])
    held = registry.snapshot()

    with pytest.raises(DuplicateToolError) as caught:
        registry.add_all([_named("b"), _named("a")])
    with pytest.raises(TypeError):
        registry.add(len)  # type: ignore[arg-type]
    assert registry.names == ("a",)
    assert isinstance(caught.value, ValueError)

    registry.add(_named("c"))
    assert list(registry.names) == ["a", "c"]
    assert list(held.names) == ["a"]
    assert [spec.name for spec in registry.specs] == ["a", "c"]


async def test_a_function_may_close_over_a_name_that_is_assigned_later() -> None:
    @tool
    async def double(number: int) -> int:
        """Double a number."""
        return number * factor

    factor = 2

    assert await double(4) == 8
