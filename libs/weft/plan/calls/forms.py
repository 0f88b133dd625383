"""An answer that must be data, held to its form whoever gave it: a peer may be anybody."""

from weft.core import JsonObject, Path, Reason, Result, dumps, parts_of
from weft.loop import OUTPUT_INVALID, output_form


def held_to(schema: JsonObject, result: Result, path: Path) -> Result:
    """Return a completed result with its data in the form of `schema`, or that it has none.

    A peer that does not know of forms says in words what it can.
    """
    form = output_form(schema)
    fault = ""
    for said in (None if result.data is None else dumps(result.data).decode(), result.text):
        if said is None:
            continue
        try:
            output = form.read(said)
        except ValueError as error:
            fault = fault or str(error)
        else:
            files = tuple(part for part in result.parts if part.kind in ("bytes", "url"))
            parts = (*parts_of(result.text or output.text, output.data), *files)
            return result.model_copy(update={"parts": parts})
    message = f"the answer is not of the form that was asked for: {fault}"
    why = Reason(code=OUTPUT_INVALID, message=message, path=path)
    return result.model_copy(update={"status": "failed", "reasons": (why,), "partial": True})
