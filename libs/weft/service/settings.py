"""What a service reads from outside itself."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["ServiceSettings", "SpecialistSettings"]


class ServiceSettings(BaseSettings):
    """Shared by every service.

    Values come from the environment (`WEFT_PORT=8001`) or from arguments; a subclass may have a
    prefix of its own: `class Settings(ServiceSettings, env_prefix="X_")`.
    """

    model_config = SettingsConfigDict(env_prefix="WEFT_", frozen=True, extra="ignore")

    home: Path = Path(".weft")
    """Keys, credentials and databases of this machine's mesh; made with mode 0700."""
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    """0 lets the system choose; the address is published in the catalogue."""
    url: str | None = None
    """Where others reach this service; None is the address it listens on."""
    nats_url: str = "nats://127.0.0.1:4222"
    slots: int = Field(default=64, ge=1)
    """Runs this process carries out at a time."""
    log_level: str = "INFO"
    instance: str = Field(default_factory=lambda: f"{os.getpid():x}-{os.urandom(4).hex()}")
    """Tells replicas of one service apart."""


class SpecialistSettings(ServiceSettings):
    """What a specialist adds."""

    checkpointer: str | None = None
    """A database URL; None is a SQLite file named after the service in `home`."""
    model: str | None = None
    """None lets the library choose by the credentials it finds."""
    processes: int = Field(default=2, ge=1)
    """Calls of its tools that compute at a time, each in a process of its own; the rest wait."""
    process_memory: int = Field(default=1 << 30, ge=1 << 26)
    """Bytes that one such call may take."""
    process_cpu_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """CPU time that one such call may take."""
