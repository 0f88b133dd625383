"""Where what comes of a replay first differs from what is recorded."""

from collections.abc import Container, Iterable

from weft.core import JsonObject, JsonValue, Path, Record, Result, dumps

LONGEST = 120


class Difference(Record):
    """The first thing that is otherwise than it was."""

    path: Path = ()
    event: str = ""
    """The type of the event that tells of it."""
    what: str = ""
    recorded: str = ""
    replayed: str = ""

    def below(self, path: Path) -> "Difference":
        """Return the same, seen from a run in which it stands below `path`."""
        return self.model_copy(update={"path": (*path, *self.path)})


def difference_in(
    then: Result, now: Result, *, event: str, but: Container[str] = ()
) -> Difference | None:
    """Return where two results first differ in another member than those in `but`."""
    before, after = then.to_json(), now.to_json()
    for name in before:
        if name not in but and before[name] != after.get(name):
            recorded, replayed = first_difference(before[name], after.get(name))
            return Difference(event=event, what=name, recorded=recorded, replayed=replayed)
    return None


def first_difference(then: JsonValue, now: JsonValue) -> tuple[str, str]:
    """Return what stands where two values first differ, each in a line."""
    if isinstance(then, dict) and isinstance(now, dict):
        return _in_members(then, now)
    if isinstance(then, list) and isinstance(now, list):
        for one, other in zip(then, now, strict=False):
            if one != other:
                return first_difference(one, other)
        return f"{len(then)} entries", f"{len(now)} entries"
    if isinstance(then, str) and isinstance(now, str):
        pairs = zip((*then.split("\n"), ""), (*now.split("\n"), ""), strict=False)
        then, now = next(((one, other) for one, other in pairs if one != other), (then, now))
    return in_a_line(then), in_a_line(now)


def in_a_line(value: JsonValue) -> str:
    """Return the value as a person reads it, cut where it is long."""
    text = value if isinstance(value, str) else dumps(value).decode()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _in_members(then: JsonObject, now: JsonObject) -> tuple[str, str]:
    names: Iterable[str] = sorted({*then, *now})
    name = next((name for name in names if then.get(name) != now.get(name)), "")
    before, after = first_difference(then.get(name), now.get(name))
    return f"{name}: {before}", f"{name}: {after}"
