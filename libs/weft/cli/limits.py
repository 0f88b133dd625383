"""The limits of a key, as the command line says them."""

from collections.abc import Sequence
from typing import Literal

from pydantic import ValidationError

from weft.core import Allowance
from weft.core.errors import InputError

NONE = "none"


def limits_in(words: Sequence[str]) -> Allowance | Literal["none"] | None:
    """Return what `per_s=5 queued=10` or `none` mean; None is the front door's own limits.

    Raises:
        InputError: There is no such limit, or it cannot have that value.
    """
    if not words:
        return None
    if NONE in words:
        if len(words) > 1:
            raise InputError("--limit none stands alone")
        return "none"
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in Allowance.model_fields:
            names = ", ".join(f"{field}=N" for field in Allowance.model_fields)
            raise InputError(f"--limit {word}: say none, or some of {names}")
        values[name] = value
    try:
        return Allowance.model_validate_strings(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InputError(f"--limit {wrong['loc'][0]}: {wrong['msg']}") from error
