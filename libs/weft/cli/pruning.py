"""`weft prune`: what it took, and what became of the files."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from weft.core import JsonObject
from weft.local.upkeep import PrunedDatabase

_UNITS = ("bytes", "kB", "MB", "GB")


def document(outcomes: Sequence[PrunedDatabase], *, running: bool) -> JsonObject:
    """Return what `weft prune --json` prints."""
    return {"databases": [asdict(outcome) for outcome in outcomes], "mesh_runs": running}


def report(outcomes: Sequence[PrunedDatabase], *, running: bool) -> Iterator[str]:
    """Yield a line for each database, and what is to know of the room they take."""
    for outcome in outcomes:
        pruned = outcome.pruned
        room = ""
        if outcome.bytes_before is not None and outcome.bytes_after is not None:
            room = f"; {_size(outcome.bytes_before)} before, {_size(outcome.bytes_after)} now"
        yield (
            f"{outcome.name}: contents of {pruned.runs} runs and {pruned.threads} threads, "
            f"{pruned.forgotten} runs wholly{room}"
        )
    if running and any(outcome.bytes_after is not None for outcome in outcomes):
        yield (
            "The files keep their size while the mesh runs, and fill their free room first; stop it "
            "and prune again to make them smaller."
        )


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1000 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - as units are named
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
