"""The processes in which a specialist's calls run."""

from weft.service.settings import SpecialistSettings
from weft.tools import Processes

__all__ = ["processes_of"]


def processes_of(settings: SpecialistSettings) -> Processes:
    """Return what a specialist's tools share, with the limits that its settings say."""
    return Processes(
        at_a_time=settings.processes,
        memory=settings.process_memory,
        cpu_seconds=settings.process_cpu_seconds,
    )
