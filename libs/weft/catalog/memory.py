"""Catalogues that need no server: one shared inside a process, and a list that never changes."""

from collections.abc import Iterable

from weft.catalog.base import Catalog, Entry, Sealed, Snapshot


class MemoryCatalog(Catalog):
    """Shared by everything in one process."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = {(entry.service, entry.instance): entry for entry in entries}
        self._revision = len(self._entries)
        self._withdrawn: set[str] = set()

    async def publish(self, entry: Entry, sealed: Sealed = bytes) -> None:
        """Take the entry at its word: nobody outside this process put it here."""
        del sealed
        self._entries[entry.service, entry.instance] = entry
        self._withdrawn.discard(entry.service)
        self._revision += 1

    async def withdraw(self, entry: Entry) -> None:
        if self._entries.pop((entry.service, entry.instance), None) is not None:
            self._revision += 1
            if all(service != entry.service for service, _ in self._entries):
                self._withdrawn.add(entry.service)

    def snapshot(self) -> Snapshot:
        entries = tuple(self._entries[key] for key in sorted(self._entries))
        return Snapshot(self._revision, entries, withdrawn=frozenset(self._withdrawn))

    async def aclose(self) -> None:
        """Nothing is open."""
