"""Content once: what of a result stands in a step of its run is kept there, and named here.

An agent's evidence is its tools' output, a report quotes the findings of its peers: written out,
each would stand in a database three times. Names stand beside the rest, never inside it, so that no
content can be taken for one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from weft.checkpoint.bounds import MOST_BYTES, bounded
from weft.core import JsonObject, JsonValue, Path, Result, data_of, dumps, text_of
from weft.events import Event, RunCompleted, RunFailed

AT_ONCE_BYTES = 16_384
"""So much, results and steps together, is compared in less time than handing it to a thread takes."""
FROM_BYTES = 2_048
"""A shorter result, or output of one, is kept as it is."""
SMALLEST_BYTES = 192
"""What is shorter is not worth a name."""
DEEPEST = 8
"""Levels at which equal values are looked for: each costs one more writing of the whole."""

Keys = tuple[str | int, ...]
"""Where in a JSON value another one stands."""
_REST, _SHARED = "rest", "shared"
_IN_RESULT = {"in": "result"}
"""In the place of an event's output, which has other members."""
_NAMES = {_REST, _SHARED}


def takes_long(result: JsonObject, steps: Iterable[JsonObject]) -> bool:
    """Tell whether `folded` is better left to a thread than called where others wait."""
    left = AT_ONCE_BYTES - len(dumps(result))
    if left > AT_ONCE_BYTES - FROM_BYTES:
        return False
    for outcome in steps:
        if left < 0:
            break
        left -= len(dumps(outcome))
    return left < 0


def folded(result: JsonObject, steps: Mapping[Path, JsonObject]) -> JsonObject:
    """Return what is kept of a `Result` whose run recorded `steps`; `unfolded` is the inverse."""
    if not steps or len(dumps(result)) < FROM_BYTES:
        return _whole(result)
    places: dict[bytes, tuple[Path, Keys]] = {}
    for path, outcome in steps.items():
        for keys, text in _values(outcome):
            places.setdefault(text, (path, keys))
    shared: list[JsonValue] = []
    rest = _rest(result, (), places, shared)
    return {_REST: rest, _SHARED: shared} if shared else _whole(result)


def unfolded(stored: JsonObject, step: Callable[[Path], JsonObject | None]) -> JsonObject:
    """Return the result of which `stored` was kept; `step` returns the outcome at a path."""
    names = stored.get(_SHARED)
    if stored.keys() != _NAMES or not isinstance(names, list):
        return stored
    outcomes: dict[Path, JsonObject | None] = {}
    whole: JsonObject = {_REST: stored[_REST]}
    for name in names:
        match name:
            case [list(to), list(path), list(keys)]:
                place = tuple(map(str, path))
                if place not in outcomes:
                    outcomes[place] = step(place)
                _put(whole, [_REST, *to], _at(outcomes[place], keys))
            case _:
                pass
    result = whole[_REST]
    return result if isinstance(result, dict) else stored


def steps_named(stored: JsonObject) -> tuple[Path, ...]:
    """Return the paths of the steps that `unfolded` asks for, each once."""
    names = stored.get(_SHARED)
    if stored.keys() != _NAMES or not isinstance(names, list):
        return ()
    paths: dict[Path, None] = {}
    for name in names:
        match name:
            case [list(), list(path), list()]:
                paths[tuple(map(str, path))] = None
            case _:
                pass
    return tuple(paths)


def names_result(event: Event, result: JsonObject) -> bool:
    """Tell whether the last event of a run repeats its result, and more than a few words of it."""
    match event:
        case RunCompleted(data=data) | RunFailed(data=data) if data.output is not None:
            output = data.output.to_json()
        case _:
            return False
    return len(dumps(output)) >= FROM_BYTES and output == _output(result)


def without_output(event: Event) -> JsonObject:
    """Return what is kept of the data of an event that names its run's result."""
    return {**event.data.model_dump(mode="json", exclude={"output"}), "output": {**_IN_RESULT}}


def lacks_output(data: JsonObject) -> bool:
    """Tell whether the data of a run's last event names its result."""
    return data.get("output") == _IN_RESULT


def with_output(data: JsonObject, result: JsonObject | None) -> JsonObject:
    """Return the data of a run's last event as it was told, of a run with this result."""
    whole: JsonObject = {**data, "output": _output(result or {})}
    return whole if len(dumps(whole)) <= MOST_BYTES else bounded(whole)


def _output(result: JsonObject) -> JsonObject:
    """Return what a run's last event says of its result."""
    parts = Result.answer_in(result)
    return {"text": text_of(parts), "data": data_of(parts)}


def _whole(result: JsonObject) -> JsonObject:
    """Return what is kept of a result that shares nothing, unlike any that does."""
    return {_REST: result, _SHARED: []} if result.keys() == _NAMES else result


def _values(value: JsonValue, keys: Keys = ()) -> Iterator[tuple[Keys, bytes]]:
    """Yield where each larger value of `value` stands, with its text."""
    if _is_short(value):
        return
    text = dumps(value)
    if len(text) < SMALLEST_BYTES:
        return
    yield keys, text
    if len(keys) < DEEPEST:
        for key, member in _members(value):
            yield from _values(member, (*keys, key))


def _rest(
    value: JsonValue,
    keys: Keys,
    places: Mapping[bytes, tuple[Path, Keys]],
    shared: list[JsonValue],
) -> JsonValue:
    """Return `value` with None for each part that has a place, which is added to `shared`."""
    if _is_short(value):
        return value
    text = dumps(value)
    if (place := places.get(text)) is not None:
        shared.append([[*keys], [*place[0]], [*place[1]]])
        return None
    if isinstance(value, str) or len(text) < SMALLEST_BYTES or len(keys) >= DEEPEST:
        return value
    members = [
        (key, _rest(member, (*keys, key), places, shared)) for key, member in _members(value)
    ]
    return (
        {str(key): rest for key, rest in members}
        if isinstance(value, dict)
        else [rest for _, rest in members]
    )


def _is_short(value: JsonValue) -> bool:
    """Tell, without writing it, whether a value is worth no name."""
    if isinstance(value, str):
        return len(value) < SMALLEST_BYTES
    return not isinstance(value, dict | list)


def _members(value: JsonValue) -> Iterator[tuple[str | int, JsonValue]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _at(value: JsonValue, keys: list[JsonValue]) -> JsonValue:
    """Return what stands at `keys`; None where nothing does."""
    for key in keys:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def _put(whole: JsonObject, keys: list[JsonValue], part: JsonValue) -> None:
    """Write `part` into the place at `keys`, which `folded` left empty there."""
    *way, last = keys
    match _at(whole, way), last:
        case dict() as place, str():
            place[last] = part
        case list() as place, int() if last < len(place):
            place[last] = part
        case _:
            pass
