"""Systems that keep telemetry, read over their HTTP APIs for the two windows of an incident."""

from incidents.live.endpoints import Endpoint, endpoint
from incidents.live.recording import LiveFile, Recording, Windows, record

__all__ = ["Endpoint", "LiveFile", "Recording", "Windows", "endpoint", "record"]
