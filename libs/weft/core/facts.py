"""What a source of evidence simply shows: counts, times and names, without any verdict."""

from pydantic import JsonValue, ValidationError

from weft.core.record import JsonObject, Record
from weft.core.result import Result, Window

MOST_FACTS = 200
"""So many of one result are read."""


class Fact(Record):
    """One thing that was counted, measured or read, beside the same of normal times."""

    predicate: str
    """What kind of thing: `errors`, `requests`, `change` ..., as `weft.report` knows them."""
    subject: str = ""
    """The service it is of."""
    what: str = ""
    """The operation, metric or message."""
    value: JsonValue = None
    before: float | None = None
    """The same of normal times; None where nothing was compared."""
    total: int | None = None
    """Of how many `value` is a part."""
    total_before: int | None = None
    unit: str = ""
    at: float | None = None
    """Unix seconds of when it happened, or of its first sign."""
    until: float | None = None
    place: str = ""
    """File and line that show it."""
    departs: bool = False
    """It is worse than in normal times by more than these differ among themselves."""
    source: str = ""
    """The source it is of; whoever reads a result fills it in, like the window."""
    window: Window | None = None
    """The time that was looked at, from the first row of the incident to its last."""


def facts_in(result: Result) -> tuple[Fact, ...]:
    """Return what a result's tools show, each with the source that its coverage names."""
    facts: list[Fact] = []
    for artifact in result.artifacts:
        data = artifact.data
        listed = data.get("facts") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(listed, list):
            continue
        coverage = data.get("coverage")
        reading = coverage if isinstance(coverage, dict) else {}
        update = {"source": str(reading.get("source", artifact.name)), "window": _window(reading)}
        for item in listed[:MOST_FACTS]:
            try:
                fact = Fact.model_validate(item)
            except ValidationError:
                continue  # of another make: it is no fact in this sense
            facts.append(fact.model_copy(update=update))
    return tuple(facts)


def _window(coverage: JsonObject) -> Window | None:
    try:
        return Window.model_validate(coverage.get("window"))
    except ValidationError:
        return None  # nothing was looked at, or it is of another make
