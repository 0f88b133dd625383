"""From a function's signature to a JSON schema and a validator of what a model sends."""

import inspect
import json
import types
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import PydanticJsonSchemaWarning

from weft.core import JsonObject
from weft.core.contained import contained, described
from weft.core.errors import InputError, ToolDefinitionError
from weft.core.storable import storable
from weft.tools.context import ToolContext
from weft.tools.signature import name_of, parameters_of


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
            ArgumentsError: Something is missing, unknown, of another type, or has no JSON form.
        """
        try:
            with contained():
                record = self.model.model_validate(dict(arguments))
                values = {name: getattr(record, _field(at)) for at, name in enumerate(self.names)}
                return Arguments(values, _json(record))
        except ValidationError as error:
            problems = tuple(map(_problem, error.errors(include_url=False)))
            raise ArgumentsError(problems) from None
        except Exception as error:  # types may bring validators of their own
            raise ArgumentsError((storable(described(error)),)) from error


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
    function = name_of(fn)
    for parameter in parameters_of(fn):
        if _is_context(parameter.annotation):
            context_names.append(parameter.name)
            continue
        description = descriptions.get(parameter.name)
        fields[_field(len(names))] = _field_of(function, parameter, description)
        names.append(parameter.name)
    config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=False,
        protected_namespaces=(),
        # "inf" and "NaN" are texts that would pass for numbers, which JSON cannot say.
        allow_inf_nan=False,
    )
    model = create_model(f"{function}_arguments", __config__=config, **fields)
    return ArgumentSchema(model, tuple(names), tuple(context_names))


def json_schema_of(annotation: object, field: FieldInfo | None = None) -> JsonObject:
    """Return the JSON schema of a type, or of a field of it.

    Raises:
        PydanticUserError: It has none.
    """
    fields: dict[str, Any] = {"value": (annotation, field or Field(...))}
    model = create_model("type", **fields)
    whole = _without_titles(model.model_json_schema())
    definitions = {"$defs": whole["$defs"]} if "$defs" in whole else {}
    return {**whole["properties"]["value"], **definitions}


def _is_context(annotation: object) -> bool:
    if get_origin(annotation) is Annotated:
        return _is_context(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return any(_is_context(argument) for argument in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, ToolContext)


def _field_of(
    name: str, parameter: inspect.Parameter, description: str | None
) -> tuple[object, FieldInfo]:
    """Return the field of one parameter, having checked that JSON can fill it, its default too."""
    annotation, given = parameter.annotation, parameter.default
    required = given is inspect.Parameter.empty
    field = given if isinstance(given, FieldInfo) else Field(... if required else given)
    if field.alias or field.validation_alias:
        why = "a model uses the parameter's own name: rename it, and leave out the alias"
        raise ToolDefinitionError(name, parameter.name, why)
    if field.default is None and not _takes_null(annotation):
        annotation = _nullable(annotation)
    _check(name, parameter.name, annotation, field)
    options: dict[str, Any] = {"alias": parameter.name}
    if description and not (field.description or _has_description(annotation)):
        options["description"] = description
    return Annotated[annotation, Field(**options)], field


def _takes_null(annotation: object) -> bool:
    fields: dict[str, Any] = {"value": (annotation, ...)}
    try:
        create_model("type", **fields)(value=None)
    except Exception:  # noqa: BLE001 - no type, or one that refuses it by code of its own
        return False
    return True


def _nullable(annotation: object) -> object:
    """Return a type that null fits: a model that is shown the default may send it."""
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        return Annotated[(_nullable(inner), *extras)]
    return Union[annotation, None]  # noqa: UP007 - a postponed annotation may be no type yet


def _check(function: str, parameter: str, annotation: object, field: FieldInfo) -> None:
    """Refuse a type without JSON form, and a default that no model could send.

    Raises:
        ToolDefinitionError: It is one of them.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PydanticJsonSchemaWarning)
            schema = json_schema_of(annotation, field)
    except PydanticJsonSchemaWarning as error:
        why = f"its default {field.default!r} has no JSON form: use None, and fill it in the body"
        raise ToolDefinitionError(function, parameter, why) from error
    except Exception as error:  # classes may describe themselves, by code of their own
        why = f"{annotation!r} has no JSON form"
        raise ToolDefinitionError(function, parameter, why) from error
    try:
        json.dumps(schema, allow_nan=False)
    except ValueError as error:
        why = "an infinite number or none at all (NaN) has no JSON form: use None for no limit"
        raise ToolDefinitionError(function, parameter, why) from error
    if not field.is_required() and field.default_factory is None:
        _check_default(function, parameter, annotation, field)


def _check_default(function: str, parameter: str, annotation: object, field: FieldInfo) -> None:
    fields: dict[str, Any] = {"value": (annotation, field)}
    model = create_model("type", __config__=ConfigDict(validate_default=True), **fields)
    try:
        model()
    except Exception as error:  # validators may be the tool's own code
        problems = error.errors() if isinstance(error, ValidationError) else []
        problem = problems[0]["msg"] if problems else f"{type(error).__name__}: {error}"
        why = f"its default {field.default!r} does not fit its type: {problem}"
        raise ToolDefinitionError(function, parameter, why) from error


def _has_description(annotation: object) -> bool:
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return any(isinstance(extra, FieldInfo) and extra.description for extra in extras)


def _json(record: BaseModel) -> JsonObject:
    """Return the arguments as JSON; a default of another type than its annotation is no problem."""
    return record.model_dump(mode="json", by_alias=True, warnings=False)


def _field(at: int) -> str:
    """Name a field so that it hides nothing of pydantic's; the alias is the parameter's name."""
    return f"argument_{at}"


def _problem(error: Any) -> str:  # noqa: ANN401 - pydantic's own error dictionary
    path = ".".join(str(part) for part in error["loc"]) or "(arguments)"
    return f"{path}: {error['msg']}"


def _without_titles(schema: Any) -> Any:  # noqa: ANN401 - any JSON schema
    """Drop generated titles: they repeat names and cost tokens in every model call."""
    if isinstance(schema, list):
        return [_without_titles(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    by_name = {"properties", "$defs"}
    return {
        key: {name: _without_titles(inner) for name, inner in value.items()}
        if key in by_name and isinstance(value, dict)
        else _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
