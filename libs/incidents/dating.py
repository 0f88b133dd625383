"""What a recording's times leave open: their zone, and their year."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_A_DAY = timedelta(days=1)
_HOURS, _MINUTES = 24, 60
NAMED_ZONES = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3,
    "JST": 9, "KST": 9, "EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
"""Hours ahead of UTC, of the names that mean one zone only."""


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


@lru_cache(maxsize=4096)
def _midnight(year: int, month: int, day: int) -> float | None:
    """Return unix seconds at which a day begins in UTC; None if there is no such day."""
    try:
        return datetime(year, month, day, tzinfo=UTC).timestamp()
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Dating:
    """How times are read that do not say all of themselves."""

    zone: str = "UTC"
    """The name of the zone of times that tell none."""
    near: float | None = None
    """Unix seconds that times without a year are not far behind; None: when the file was written."""

    def seconds(
        self, date: tuple[int, int, int], time: tuple[int, int, float], zone: str = ""
    ) -> float | None:
        """Return unix seconds; a year of 0 is the last one possible. None if there is no such time."""
        year, month, day = date
        hour, minute, second = time
        if not (hour < _HOURS and minute < _MINUTES and second <= _MINUTES):
            return None
        if not year:
            year = self._year(month, day)
        start = _midnight(year, month, day)
        if start is None:
            return None
        written = start + hour * 3600 + minute * 60 + second
        ahead = _ahead(zone)
        return written - (self._offset(written) if ahead is None else ahead)

    def placed(self, written: datetime) -> datetime:
        """Return a time that tells no zone in the dating's."""
        return written.replace(tzinfo=_zone(self.zone))

    def _year(self, month: int, day: int) -> int:
        """Return the year in which a day of no year lies, at most a day after `near`."""
        last = datetime.fromtimestamp(self.near or 0.0, UTC) + _A_DAY
        return last.year if (month, day) <= (last.month, last.day) else last.year - 1

    def _offset(self, written: float) -> float:
        if self.zone == "UTC":
            return 0.0
        offset = self.placed(datetime.fromtimestamp(written, UTC)).utcoffset()
        return offset.total_seconds() if offset else 0.0


@lru_cache(maxsize=256)
def _ahead(zone: str) -> float | None:
    """Return how many seconds a written zone is ahead of UTC; None if it names none."""
    name = zone.strip().upper()
    if name in NAMED_ZONES:
        return NAMED_ZONES[name] * 3600.0
    if not name or name[0] not in "+-":
        return None
    digits = name[1:].replace(":", "").ljust(4, "0")
    if not digits.isdigit():
        return None
    seconds = int(digits[:2]) * 3600.0 + int(digits[2:4]) * 60.0
    return -seconds if name[0] == "-" else seconds


UTC_DATING = Dating()
