"""Changes to dictionaries and lists that can be taken back together."""

from collections.abc import Callable, Iterable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Undo:
    """What to do to have everything as it was."""

    def __init__(self) -> None:
        self._back: list[Callable[[], object]] = []

    def __bool__(self) -> bool:
        return bool(self._back)

    def put(self, table: dict[K, V], key: K, value: V) -> None:
        """Set `table[key]`."""
        if key in table:
            before = table[key]
            self._back.append(lambda: table.__setitem__(key, before))
        else:
            self._back.append(lambda: table.pop(key))
        table[key] = value

    def extend(self, items: list[V], added: Iterable[V]) -> None:
        """Append to a list."""
        length = len(items)
        items.extend(added)
        self._back.append(lambda: items.__delitem__(slice(length, None)))

    def drop(self, table: dict[K, V], key: K) -> bool:
        """Remove `key`; tell whether it was there."""
        if key not in table:
            return False
        before = table.pop(key)
        self._back.append(lambda: table.__setitem__(key, before))
        return True

    def all(self) -> None:
        """Take back every change since `forget`, last one first."""
        while self._back:
            self._back.pop()()

    def forget(self) -> None:
        self._back.clear()
