"""What a service reads from its environment: its own first, then what is said to all."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from weft.service import SpecialistSettings


class Settings(SpecialistSettings, env_prefix="DEMO_"):
    """A specialist's with a prefix of its own."""


def test_what_is_said_to_all_counts_where_nothing_is_said_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEFT_HOME", "/shared")
    monkeypatch.setenv("WEFT_KEEP_DAYS", "7")
    monkeypatch.setenv("WEFT_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("DEMO_LOG_LEVEL", "WARNING")

    settings = Settings()

    assert (settings.home, settings.keep_days) == (Path("/shared"), 7.0)
    assert settings.log_level == "WARNING"
    assert Settings(home=Path("given")).home == Path("given")


def test_what_two_services_cannot_share_is_read_of_one_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("PORT", "1"), ("URL", "http://a"), ("CHECKPOINTER", "sqlite:a")):
        monkeypatch.setenv(f"WEFT_{name}", value)

    settings = Settings()

    assert (settings.port, settings.url, settings.checkpointer) == (0, None, None)
    assert SpecialistSettings().port == 1
    monkeypatch.setenv("DEMO_PORT", "2")
    assert Settings().port == 2


def test_days_below_zero_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_KEEP_DAYS", "-1")

    with pytest.raises(ValidationError, match="keep_days"):
        Settings()
