"""When live systems are looked at: the time a question names, around its alert, or just now."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Protocol

from incidents.inquiry import Inquiry, named_window
from incidents.times import moment
from weft.core import JsonValue
from weft.core.errors import InputError
from weft.core.result import Window

__all__ = ["LiveReader", "LiveWindows", "windows_of"]

INCIDENT_SECONDS = 900.0
"""What is looked at where nobody said when: the last quarter of an hour."""
LEAD_SECONDS = 300.0
"""An alert fires after its fault began: so much before it belongs to the incident still."""
BASELINE_SECONDS = 3_600.0
MOST_SECONDS = 86_400.0
_LEAST_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class LiveWindows:
    """When the incident was, and the normal time before it; unix seconds."""

    incident: Window
    baseline: Window
    is_named: bool = False
    """Whether the request said when."""


class LiveReader(Protocol):
    """Reads live systems into a place of its own."""

    async def recorded(self, windows: LiveWindows) -> str:
        """Return the name of what was read; raises `ConfigError`."""

    def forget(self, name: str) -> None:
        """Remove what was read; blocking."""


def windows_of(metadata: Mapping[str, JsonValue], question: str, *, now: float) -> LiveWindows:
    """Return what to look at: `window`, else the question's time words, else `alert_time`, else now.

    Raises:
        InputError: A window that is named is none.
    """
    named = _named(metadata.get("window"), now)
    named = named or _asked(question, now) or _around(metadata.get("alert_time"), now)
    incident = named or Window(start=now - INCIDENT_SECONDS, end=now)
    length = max(BASELINE_SECONDS, incident.end - incident.start)
    baseline = Window(start=incident.start - length, end=incident.start)
    return LiveWindows(incident, baseline, is_named=named is not None)


def _asked(question: str, now: float) -> Window | None:
    window = Inquiry.of(question).window(now - MOST_SECONDS, now)
    if window is None:
        return None
    start = max(window.start, now - 30 * MOST_SECONDS)
    end = min(window.end, now)
    if end - start < _LEAST_SECONDS:
        return None
    return Window(start=max(start, end - MOST_SECONDS), end=end)


def _around(value: JsonValue, now: float) -> Window | None:
    alert = moment(value)
    if alert is None:
        return None
    end = max(min(now, alert + INCIDENT_SECONDS), alert + _LEAST_SECONDS)
    return Window(start=alert - LEAD_SECONDS, end=end)


def _named(value: JsonValue, now: float) -> Window | None:
    if value is None:
        return None
    named = named_window(value)
    end = now if named.end == inf else named.end
    start = end - INCIDENT_SECONDS if named.start == -inf else named.start
    if not 0 < end - start <= MOST_SECONDS:
        raise InputError(
            f"window must end after its start, and be no longer than {MOST_SECONDS:.0f} s",
            field="window",
        )
    return Window(start=start, end=end)
