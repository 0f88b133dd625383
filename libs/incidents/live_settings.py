"""Which live systems an analyst may read: its operator says so, a request never does."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from incidents.live_windows import LiveReader
from weft.core.errors import ConfigError
from weft.service import SpecialistSettings

if TYPE_CHECKING:
    from incidents.live import LiveSource

__all__ = ["LiveSettings", "live_reader"]


class LiveSettings(SpecialistSettings):
    """Where live systems answer; a user and password in a URL are its credential."""

    prometheus: str | None = None
    """Such as `http://127.0.0.1:9090`; read by the metrics analyst."""
    prometheus_token_file: Path | None = None
    """File with its bearer token, read anew for each run; so with the others."""
    loki: str | None = None
    """Read by the log analyst."""
    loki_token_file: Path | None = None
    loki_tenant: str = ""
    """`X-Scope-OrgID`, where it keeps several tenants."""
    jaeger: str | None = None
    """Its query service; read by the trace analyst."""
    jaeger_token_file: Path | None = None
    tempo: str | None = None
    """Read by the trace analyst."""
    tempo_token_file: Path | None = None
    tempo_tenant: str = ""
    """`X-Scope-OrgID`, where it keeps several tenants."""


def live_reader(settings: LiveSettings, kinds: Sequence[str], spool: Path) -> LiveReader | None:
    """Return what reads the systems of these kinds into `spool`; None where none is set. Blocking.

    Raises:
        ConfigError: A URL is none, a token cannot be read, or what reads them is not installed.
    """
    places = [
        (kind, str(getattr(settings, kind)), getattr(settings, f"{kind}_token_file"))
        for kind in kinds
        if getattr(settings, kind)
    ]
    if not places:
        return None
    try:
        # It brings an HTTP client, which an analyst of files does not load.
        live = import_module("incidents.live")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"live systems are set and cannot be read without {error.name}: "
            "pip install 'weft-incidents[live]'"
        ) from error
    sources: list[LiveSource] = [
        live.LiveSource(kind, url, token_file, getattr(settings, f"{kind}_tenant", ""))
        for kind, url, token_file in places
    ]
    for source in sources:
        source.opened()
    reader: LiveReader = live.LiveSources(tuple(sources), spool)
    return reader
