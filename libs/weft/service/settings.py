"""What a service reads from outside itself."""

import os
from pathlib import Path
from typing import Any, Final

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from weft.runs import KEEP_DAYS

__all__ = ["ModelSettings", "ServiceSettings", "SpecialistSettings"]


SHARED: Final = "WEFT_"
OWN: Final = frozenset(
    {"url", "port", "control_port", "instance", "checkpointer", "open", "api_key"}
)
"""What two services cannot have in common: with a prefix of its own one reads these under it alone."""


class _SharedEnvironment(EnvSettingsSource):
    """Variables that name a setting of every service."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if field_name in OWN:
            return None, field_name, False
        return super().get_field_value(field, field_name)


class ServiceSettings(BaseSettings):
    """Shared by every service.

    Values come from arguments or from the environment (`WEFT_PORT=8001`); a subclass may have a
    prefix of its own: `class Settings(ServiceSettings, env_prefix="X_")`. Then `X_LOG_LEVEL` is its
    own, and `WEFT_LOG_LEVEL` counts where there is none.
    """

    model_config = SettingsConfigDict(env_prefix=SHARED, frozen=True, extra="ignore")

    home: Path = Path(".weft")
    """Keys, credentials and databases of this machine's mesh; made with mode 0700."""
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    """0 lets the system choose; the address is published in the catalogue."""
    url: str | None = None
    """Where others reach this service; None is the address it listens on."""
    nats_url: str | None = None
    """The bus; None is the one of `weft up` in this home, else `nats://127.0.0.1:4222`."""
    log_level: str = "INFO"
    instance: str = Field(default_factory=lambda: f"{os.getpid():x}-{os.urandom(4).hex()}")
    """Tells replicas of one service apart."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is said of this service before what is said of all."""
        del dotenv_settings, file_secret_settings
        shared = _SharedEnvironment(settings_cls, env_prefix=SHARED)
        own_prefix = settings_cls.model_config.get("env_prefix") != SHARED
        return (init_settings, env_settings, *((shared,) if own_prefix else ()))


class ModelSettings(ServiceSettings):
    """What a service adds whose agents may ask a language model."""

    model: str | None = None
    """None lets the library choose by the credentials it finds."""
    model_patience_seconds: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    """How long a run waits for a model that gives no answer or no sign of life, before it goes on
    by rules."""


class SpecialistSettings(ModelSettings):
    """What a specialist adds."""

    open: bool = False
    """Serve whoever is on this machine, with neither mesh nor bus, token or key."""
    api_key: SecretStr | None = None
    """Serve who has this key, with neither mesh nor bus; 16 characters at least."""
    slots: int = Field(default=64, ge=1)
    """Tasks this process carries out at a time."""
    checkpointer: str | None = None
    """A database URL; None is a SQLite file named after the service in `home`."""
    keep_days: float = Field(default=KEEP_DAYS, ge=0, allow_inf_nan=False)
    """How long tasks that ended are kept; 0 is for good."""
    processes: int = Field(default=2, ge=1)
    """Calls of its tools that compute at a time, each in a process of its own; the rest wait."""
    process_memory: int = Field(default=1 << 30, ge=1 << 26)
    """Bytes that one such call may take."""
    process_cpu_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """CPU time that one such call may take."""
