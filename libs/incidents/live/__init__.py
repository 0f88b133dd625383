"""Systems that keep telemetry, read over their HTTP APIs for the two windows of an incident."""

from incidents.live.endpoints import Endpoint, endpoint
from incidents.live.recording import LiveFile, Recording, Windows, record
from incidents.live.sources import LiveSource, LiveSources, recorded, windows_of

__all__ = [
    "Endpoint",
    "LiveFile",
    "LiveSource",
    "LiveSources",
    "Recording",
    "Windows",
    "endpoint",
    "record",
    "recorded",
    "windows_of",
]
