"""Which events of its peers a run's log has already."""

from collections.abc import Iterable

from weft.events import Envelope, Event


class Adoption:
    """How far each peer's own log stands in the run's: a peer tells all of it again."""

    def __init__(self) -> None:
        self._seqs: dict[str, int] = {}

    def learn(self, envelopes: Iterable[Envelope]) -> None:
        """Take note of what earlier owners of the run adopted."""
        for envelope in envelopes:
            if (origin := envelope.origin) is not None:
                self._seqs[origin.run_id] = max(self._seqs.get(origin.run_id, 0), origin.seq)

    def takes(self, event: Event) -> bool:
        """Tell whether the event is the run's own, or new of its peer; it is adopted then."""
        origin = event.origin
        if origin is None:
            return True
        if origin.seq <= self._seqs.get(origin.run_id, 0):
            return False
        self._seqs[origin.run_id] = origin.seq
        return True
