"""What a service reads from its environment: its own first, then what is said to all."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from weft.service import SpecialistSettings, settings_from


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


def test_every_setting_is_a_flag_that_counts_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEMO_PORT", "1")
    monkeypatch.setenv("DEMO_KEEP_DAYS", "3")

    settings = settings_from(Settings, ["--open", "--port", "2"])

    assert (settings.open, settings.port, settings.keep_days) == (True, 2, 3.0)
    assert settings_from(Settings, []).port == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "abc"], "--port (DEMO_PORT): Input should be a valid integer"),
        (["--keep-days", "-1"], "--keep-days (DEMO_KEEP_DAYS)"),
        (["--nope"], "unrecognized arguments: --nope"),
    ],
)
def test_a_flag_that_cannot_be_used_is_named(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        settings_from(Settings, arguments)

    assert ended.value.code == 2
    assert words in capsys.readouterr().err
