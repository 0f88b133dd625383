"""Which processes a command left behind."""

import psutil

_others: set[int] = set()
"""Who was there when the test began: servers of the whole session are nobody's command."""


def note_others() -> None:
    """Take whoever is there now for no command's."""
    _others.clear()
    _others.update(process.pid for process in psutil.Process().children(recursive=True))


def left_of() -> list[psutil.Process]:
    """Return the processes below this one that run somebody's program, and did not before."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.pid not in _others and process.status() != psutil.STATUS_ZOMBIE
    ]
