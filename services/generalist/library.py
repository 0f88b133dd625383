"""The runbooks of a team as they are now: read again when a file changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from services.generalist.runbooks import Listing, Runbooks, Unread, listed, read
from services.generalist.search import PassageIndex


@dataclass(frozen=True, slots=True)
class Shelf:
    """What was read, and its index."""

    runbooks: Runbooks
    index: PassageIndex


@dataclass(slots=True)
class Library:
    """Keeps an index of what lies below `roots`; blocking, for threads that may wait."""

    roots: Sequence[Path]
    _shelf: Shelf | None = None
    _listings: tuple[Listing, ...] = ()
    _reading: Lock = field(default_factory=Lock)

    def shelf(self) -> Shelf:
        """Return the runbooks as they are; a root that cannot be listed is named as unread."""
        with self._reading:
            listings, lost = list[Listing](), list[Unread]()
            for root in self.roots:
                try:
                    listings.append(listed(root))
                except OSError as error:
                    listings.append(Listing(()))
                    lost.append(Unread(str(root), error.strerror or "it cannot be listed"))
            if self._shelf is None or tuple(listings) != self._listings or lost:
                self._shelf = _read(self.roots, listings, lost)
                self._listings = tuple(listings)
            return self._shelf


def _read(roots: Sequence[Path], listings: Sequence[Listing], lost: Sequence[Unread]) -> Shelf:
    parts = [read(root, listing) for root, listing in zip(roots, listings, strict=True)]
    whole = Runbooks(
        passages=tuple(passage for part in parts for passage in part.passages),
        files=sum(part.files for part in parts),
        unread=(*lost, *(unread for part in parts for unread in part.unread)),
    )
    return Shelf(whole, PassageIndex(whole.passages))
