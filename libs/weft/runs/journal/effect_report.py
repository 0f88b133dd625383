"""What became of a run's effects, told if the run is cancelled."""

from collections.abc import Iterable, Mapping

from weft.core import JsonObject
from weft.events import Event

EFFECT_EVENTS = frozenset({"agent.effect.intended", "agent.effect.settled"})
_OUTCOMES: Mapping[str, str] = {"done": "done", "not_done": "not_started"}
"""How a report says what became of an effect; one without an outcome yet is unknown."""


class EffectReport:
    """What whoever works on the run says of its parts, with what the log says of each effect."""

    def __init__(self) -> None:
        self.parts: JsonObject = {}
        self._logged: dict[str, JsonObject] = {}

    def note(self, events: Iterable[Event]) -> None:
        """Keep what events of the log say of effects, the run's own and those of its peers."""
        for event in events:
            if event.type in EFFECT_EVENTS:
                data = event.data.to_json()
                self._logged[str(data.get("key"))] = {
                    "key": data.get("key"),
                    "tool": data.get("tool_name"),
                    "path": [*event.path],
                    "outcome": _OUTCOMES.get(str(data.get("outcome")), "unknown"),
                }

    def to_json(self) -> JsonObject:
        """Return both; where both know an effect, what was said of it."""
        listed = self.parts.get("effects")
        said = listed if isinstance(listed, list) else []
        keys = {str(effect.get("key")) for effect in said if isinstance(effect, dict)}
        logged = [effect for key, effect in self._logged.items() if key not in keys]
        return {**self.parts, "effects": [*logged, *said]}
