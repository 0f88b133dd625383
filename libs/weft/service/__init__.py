"""Hosting a process: settings, health, credentials, its place in the mesh, and what serves it.

Names are imported when they are first used: reading a key file needs no HTTP server, and a process
of another mesh no NATS.
"""

from importlib import import_module

_PUBLIC = {
    "weft.service.command_line": ("settings_from",),
    "weft.service.front": ("FrontMember", "front_member"),
    "weft.service.isolation": ("processes_of",),
    "weft.service.keys": ("KeyFile", "KeyRecord", "NewKey", "new_key"),
    "weft.service.language_model": ("opened_model",),
    "weft.service.mesh": ("Member", "announced", "member"),
    "weft.service.outside_file": ("OutsideFile",),
    "weft.service.patience": ("patience_of",),
    "weft.service.presence": ("proving",),
    "weft.service.serving": ("Listening", "Opening", "Served", "serve", "unannounced"),
    "weft.service.settings": ("ModelSettings", "ServiceSettings", "SpecialistSettings"),
    "weft.service.specialist": ("agent_app",),
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605 - one table names everything


def __getattr__(name: str) -> object:
    """Import a public name from the module that defines it."""
    if name not in _HOME:
        raise AttributeError(f"module 'weft.service' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
