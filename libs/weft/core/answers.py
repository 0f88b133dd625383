"""What a person's answer to an interrupt may be: one rule for every door it comes in by."""

from pydantic import JsonValue

from weft.core.errors import InputError
from weft.core.misfits import misfits
from weft.core.record import JsonObject
from weft.core.result import Interrupt

APPROVAL = "approval"
"""The member of a task's metadata that holds what a gate decided; no request may say it."""
DECLINED: JsonObject = {"approved": False, "canceled": True}
"""The answer of somebody who closed the question in place of answering it."""
YES = frozenset({"approve", "approved", "yes"})
NO = frozenset({"refuse", "refused", "no"})


def option_of(answer: JsonValue) -> str | None:
    """Return the option an answer names: the answer itself, or the `outcome` of an object."""
    named = answer.get("outcome") if isinstance(answer, dict) else answer
    return named.strip() if isinstance(named, str) else None


def approves(answer: JsonValue) -> bool | None:
    """Return what an answer says to the question for an approval; None if it says neither."""
    said = answer.get("approved") if isinstance(answer, dict) else answer
    if isinstance(said, str) and not isinstance(answer, dict):
        word = said.strip().casefold()
        return True if word in YES else False if word in NO else None
    return said if isinstance(said, bool) else None


def check_answer(interrupt: Interrupt, answer: JsonValue) -> None:
    """Return if `answer` is one that whoever asked can read.

    Raises:
        InputError: It names no option of the question, or has not the form that was asked for.
    """
    if interrupt.reason == "approval":
        fits = approves(answer) is not None
    elif interrupt.options and not isinstance(answer, dict):
        fits = option_of(answer) in interrupt.options
    else:
        schema = interrupt.response_schema
        fits = schema is None or not any(misfits(answer, schema))
        if interrupt.options and schema is None:
            fits = option_of(answer) in interrupt.options
    if not fits:
        raise InputError(
            f"interrupt {interrupt.id!r} does not take this answer: {_wanted(interrupt)}",
            field="responses",
        )


def _wanted(interrupt: Interrupt) -> str:
    options = ", ".join(repr(option) for option in interrupt.options)
    schema = interrupt.response_schema
    if interrupt.reason == "approval":
        return "say 'approve' or 'refuse', or send {\"approved\": true} or {\"approved\": false}"
    if schema is not None and schema.get("type") == "object":
        names = schema.get("properties")
        members = ", ".join(names) if isinstance(names, dict) else ""
        form = f"an object with the members {members}"
        return f"say one of {options}, or send {form}" if options else f"send {form}"
    return f"say one of {options}" if options else "send what its response_schema describes"
