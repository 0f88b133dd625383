"""Systems that keep telemetry, read over their HTTP APIs for the two windows of an incident."""

from incidents.live.endpoints import Endpoint, Kind, endpoint
from incidents.live.recording import record
from incidents.live.sources import LiveSource, LiveSources

__all__ = ["Endpoint", "Kind", "LiveSource", "LiveSources", "endpoint", "record"]
