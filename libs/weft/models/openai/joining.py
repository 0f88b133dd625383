"""Which call each piece of a stream belongs to, whatever its server does with indexes and ids.

Servers leave indexes out or number every call 0, send no ids, an id with each piece, or the id
before the name, and whole calls in one piece. What tells two calls apart is then, in this order:
the index, the id, and a name that comes after arguments that are complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from weft.core import JsonObject, JsonValue, loads
from weft.models.base import ToolCallDelta
from weft.models.chunks import CallIds
from weft.models.openai.reply import called, identity, named


@dataclass(slots=True, eq=False)
class _Open:
    """A call as far as it has come."""

    at: int
    index: int | str | None
    id: str = ""
    name: str = ""
    again: str = ""
    """Its name, come once more behind complete arguments: if more follow, they are a new call's."""
    arguments: list[str] = field(default_factory=list)
    shown: bool = False
    shown_id: bool = False

    @property
    def complete(self) -> bool:
        text = "".join(self.arguments).strip()
        if not text.endswith("}"):
            return False
        try:
            return isinstance(loads(text), dict)
        except ValueError:
            return False


class StreamedCalls:
    """Puts the calls of one reply together."""

    def __init__(self, ids: CallIds) -> None:
        self._ids = ids
        self._calls: list[_Open] = []
        self._by_index: dict[int | str, _Open] = {}

    @property
    def called(self) -> bool:
        return any(call.shown for call in self._calls)

    def take(self, entries: Sequence[JsonObject]) -> tuple[ToolCallDelta, ...]:
        """Return what the entries of one piece add.

        Raises:
            OddReplyError: One of them has not the form of a call.
        """
        taken: list[_Open] = []
        deltas: list[ToolCallDelta] = []
        for entry in entries:
            given, (name, arguments) = identity(entry), called(entry)
            call = self._candidate(_index(entry.get("index")), given)
            if call is not None:
                begins = _begins(call, given, name, arguments, twice=call in taken)
                if call.again and not name and (begins or arguments):
                    name, begins = call.again, True
                elif name and not begins and call.complete:
                    call.again = name
                call = None if begins else call
            call = call or self._opened(_index(entry.get("index")))
            taken.append(call)
            if (delta := self._added(call, given, name, arguments)) is not None:
                deltas.append(delta)
        return tuple(deltas)

    def rest(self) -> tuple[ToolCallDelta, ...]:
        """Return the ids of calls that came without one; a call of which nothing came is none.

        Raises:
            OddReplyError: A call has arguments and no name.
        """
        missing = [call for call in self._calls if not call.shown_id]
        for call in missing:
            if not call.shown and call.arguments:
                named(call.name)
        return tuple(
            ToolCallDelta(index=call.at, id=self._ids.admit(None)) for call in missing if call.shown
        )

    def _candidate(self, index: int | str | None, given: str) -> _Open | None:
        """Return the call that a piece goes on with, if it does not begin one."""
        if given:
            for call in reversed(self._calls):
                if call.id == given and (index is None or call.index in (None, index)):
                    return call
        if index is not None:
            return self._by_index.get(index)
        return self._calls[-1] if self._calls else None

    def _opened(self, index: int | str | None) -> _Open:
        call = _Open(len(self._calls), index)
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _added(self, call: _Open, given: str, name: str, arguments: str) -> ToolCallDelta | None:
        """Return what is new of a call; nothing before its name is known."""
        call.id, call.name = call.id or given, call.name or name
        if arguments:
            call.arguments.append(arguments)
        if not call.name:
            return None
        first, call.shown = not call.shown, True
        tell_id = bool(call.id) and not call.shown_id
        if not (first or tell_id or arguments):
            return None
        call.shown_id = call.shown_id or tell_id
        return ToolCallDelta(
            index=call.at,
            id=self._ids.admit(call.id) if tell_id else "",
            name=call.name if first else "",
            arguments="".join(call.arguments) if first else arguments,
        )


def _begins(call: _Open, given: str, name: str, arguments: str, *, twice: bool) -> bool:
    """Tell whether a piece that could go on with `call` begins another one.

    `twice`: another entry of the same piece was the call's.
    """
    if given and call.id and given != call.id:
        if name:
            return bool(call.name)
        # Some servers give each piece an id of its own.
        return call.complete or not arguments
    if not (name and call.name):
        return False
    if given and given == call.id:
        return bool(arguments) and call.complete
    return twice or name != call.name or (bool(arguments) and call.complete)


def _index(value: JsonValue) -> int | str | None:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None
