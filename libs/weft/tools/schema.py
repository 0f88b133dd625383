"""From a function's signature to a JSON schema and a validator of what a model sends."""

import inspect
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.fields import FieldInfo

from weft.core import JsonObject
from weft.core.errors import InputError, ToolDefinitionError
from weft.tools.context import ToolContext

_BOTH = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class ArgumentsError(InputError):
    """What the model sent does not fit; every problem with its path."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("invalid arguments: " + "; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Arguments:
    """Validated arguments: as Python values for the body, as JSON for keys and records."""

    values: Mapping[str, object]
    json: JsonObject


@dataclass(frozen=True, slots=True)
class ArgumentSchema:
    """Validates the arguments of one function."""

    model: type[BaseModel]
    names: tuple[str, ...]
    context_names: tuple[str, ...]
    """Parameters that get the `ToolContext`."""

    def json_schema(self) -> JsonObject:
        """Return the schema that a model is shown."""
        schema: JsonObject = _without_titles(self.model.model_json_schema(by_alias=True))
        schema.setdefault("properties", {})
        return schema

    def validate(self, arguments: Mapping[str, object]) -> Arguments:
        """Convert `arguments` as leniently as models write: `"3"` is an integer where one is due.

        Raises:
            ArgumentsError: Something is missing, unknown or of another type.
            ValueError: A value has no JSON form.
        """
        try:
            found = self.model.model_validate(dict(arguments))
        except ValidationError as error:
            raise ArgumentsError(tuple(map(_problem, error.errors(include_url=False)))) from None
        values = {name: getattr(found, _field(at)) for at, name in enumerate(self.names)}
        return Arguments(values, _json(found))


def argument_schema(
    fn: Callable[..., object], *, descriptions: Mapping[str, str]
) -> ArgumentSchema:
    """Read the signature of `fn`.

    Raises:
        ToolDefinitionError: A parameter cannot be filled from JSON.
    """
    fields: dict[str, Any] = {}
    names: list[str] = []
    context_names: list[str] = []
    for parameter in _parameters(fn):
        if _is_context(parameter.annotation):
            context_names.append(parameter.name)
            continue
        fields[_field(len(names))] = _described(fn, parameter, descriptions.get(parameter.name))
        names.append(parameter.name)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, protected_namespaces=())
    model = create_model(f"{fn.__name__}_arguments", __config__=config, **fields)
    return ArgumentSchema(model, tuple(names), tuple(context_names))


def json_schema_of(annotation: object) -> JsonObject:
    """Return the JSON schema of a type.

    Raises:
        PydanticUserError: It has none.
    """
    fields: dict[str, Any] = {"value": (annotation, ...)}
    model = create_model("type", **fields)
    whole = _without_titles(model.model_json_schema())
    definitions = {"$defs": whole["$defs"]} if "$defs" in whole else {}
    return {**whole["properties"]["value"], **definitions}


def _parameters(fn: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(fn, eval_str=True, locals=_enclosed(fn))
    except NameError as error:
        raise ToolDefinitionError(fn.__name__, error.name or "", str(error)) from error
    parameters = list(signature.parameters.values())
    for parameter in parameters:
        if parameter.kind not in _BOTH:
            why = "a tool's parameters are passed by name: no `*`, `**` or `/`"
            raise ToolDefinitionError(fn.__name__, parameter.name, why)
        if parameter.annotation is inspect.Parameter.empty:
            raise ToolDefinitionError(fn.__name__, parameter.name, "annotate it with its type")
    return parameters


def _enclosed(fn: Callable[..., object]) -> dict[str, object]:
    """Return names of enclosing functions that `fn` uses, where postponed annotations may point."""
    code, cells = getattr(fn, "__code__", None), getattr(fn, "__closure__", None) or ()
    found: dict[str, object] = {}
    for name, cell in zip(code.co_freevars if code else (), cells, strict=True):
        # The cell of a name that is assigned after the decoration is still empty.
        with suppress(ValueError):
            found[name] = cell.cell_contents
    return found


def _is_context(annotation: object) -> bool:
    if get_origin(annotation) is Annotated:
        return _is_context(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return any(_is_context(each) for each in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, ToolContext)


def _described(
    fn: Callable[..., object], parameter: inspect.Parameter, description: str | None
) -> tuple[object, FieldInfo]:
    """Return the field of one parameter, having checked that JSON can fill it."""
    try:
        json_schema_of(parameter.annotation)
    except (PydanticUserError, PydanticInvalidForJsonSchema) as error:
        why = f"{parameter.annotation!r} has no JSON form"
        raise ToolDefinitionError(fn.__name__, parameter.name, why) from error
    options: dict[str, Any] = {"alias": parameter.name}
    if description and not _has_description(parameter.annotation):
        options["description"] = description
    required = parameter.default is inspect.Parameter.empty
    default = ... if required else parameter.default
    return parameter.annotation, Field(default, **options)


def _has_description(annotation: object) -> bool:
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return any(isinstance(extra, FieldInfo) and extra.description for extra in extras)


def _json(found: BaseModel) -> JsonObject:
    """Return the arguments as JSON; a default of another type than its annotation is no problem."""
    return found.model_dump(mode="json", by_alias=True, warnings=False)


def _field(at: int) -> str:
    """Name a field so that it hides nothing of pydantic's; the alias is the parameter's name."""
    return f"argument_{at}"


def _problem(error: Any) -> str:  # noqa: ANN401 - pydantic's own error dictionary
    path = ".".join(str(part) for part in error["loc"]) or "(arguments)"
    return f"{path}: {error['msg']}"


def _without_titles(schema: Any) -> Any:  # noqa: ANN401 - any JSON schema
    """Drop generated titles: they repeat names and cost tokens in every model call."""
    if isinstance(schema, list):
        return [_without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    by_name = {"properties", "$defs"}
    return {
        key: {name: _without_titles(each) for name, each in value.items()}
        if key in by_name and isinstance(value, dict)
        else _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
