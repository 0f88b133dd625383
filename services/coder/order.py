"""What is said to the program that runs a command."""

from typing import TypedDict

__all__ = ["Limits", "Order"]


class Limits(TypedDict):
    """What a command may take; bytes and seconds."""

    seconds: float
    cpu_seconds: int
    memory: int
    disk: int
    file: int
    processes: int
    open_files: int


class Order(TypedDict):
    """What is to be run, and within what."""

    argv: list[str]
    environment: dict[str, str]
    source: str
    """The project, of which `files` are copied."""
    files: list[str]
    changes: dict[str, str | None]
    """What other files hold in the copy; None: they are not in it."""
    place: str
    """Where the copy is, and the command begins."""
    linked: list[list[str]]
    """Pairs (what is there, its path in the copy), to be read only."""
    readable: list[str]
    shut_in: bool
    stage: str
    """An empty directory, which becomes the root of what is seen."""
    limits: Limits
