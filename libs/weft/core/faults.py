"""What is wrong with a body, in words for whoever wrote it: no name of a class of ours in them."""

from typing import get_args

from pydantic import BaseModel, ValidationError

from weft.core.errors import did_you_mean

__all__ = ["faults_of"]

MAX_FAULTS = 50
_OBJECT = frozenset({"model_type", "model_attributes_type", "dict_type"})
_WORDS = {"missing": "this is required", "list_type": "this must be an array"}


def faults_of(error: ValidationError, kind: type[BaseModel]) -> list[tuple[str, str]]:
    """Return (JSON pointer, message) of everything that kept a body from being a `kind`."""
    faults: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        names = [str(step) for step in fault["loc"] if not _is_arm(step)]
        pointer = "".join(f"/{name.replace('~', '~0').replace('/', '~1')}" for name in names)
        if fault["type"] == "extra_forbidden":
            fields = _fields(kind, names[:-1])
            message = f"there is no such field{did_you_mean(names[-1][:100], fields)}"
        elif fault["type"] in _OBJECT:
            message = "this must be an object"
        else:
            message = _WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        faults.setdefault(pointer[:200], message)
    return list(faults.items())[:MAX_FAULTS]


def _is_arm(step: str | int) -> bool:
    """Tell whether this names the arm of a union that was tried, which is no part of the JSON."""
    return isinstance(step, str) and (step == "str" or step.startswith("list["))


def _fields(kind: type[BaseModel], names: list[str]) -> list[str]:
    """Return the names that an object at this place may have."""
    kinds = [kind]
    for name in names:
        if not name.isdigit():
            kinds = [
                inner
                for model in kinds
                for key, field in model.model_fields.items()
                if name in {key, field.alias}
                for inner in _models(field.annotation)
            ]
    return sorted(
        {field.alias or key for model in kinds for key, field in model.model_fields.items()}
    )


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
