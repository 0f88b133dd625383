"""The table of settings in the documents says what services read, each setting and its default."""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import BaseSettings

from gateway.main import Settings as GatewaySettings
from incidents.analyst import IncidentSettings
from router_service.main import Settings as RouterSettings
from services.coder.main import Settings as CoderSettings
from services.generalist.main import Settings as GeneralistSettings
from services.operator.main import Settings as OperatorSettings
from weft.service import ServiceSettings, SpecialistSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "running.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)
ALL: Mapping[str, type[BaseSettings]] = {"router": RouterSettings, "gateway": GatewaySettings}
SPECIALISTS: Mapping[str, type[BaseSettings]] = {
    "specialists": SpecialistSettings,
    "analysts": IncidentSettings,
    "coder": CoderSettings,
    "generalist": GeneralistSettings,
    "operator": OperatorSettings,
}
READERS: Mapping[str, type[BaseSettings]] = {**ALL, **SPECIALISTS}


def named(words: str) -> set[str]:
    """Return the readers that a cell of the table names."""
    if words.strip() == "every service":
        return {*ALL, *SPECIALISTS}
    readers = {word.strip() for word in words.split(",")}
    return readers | (set(SPECIALISTS) if "specialists" in readers else set())


def test_every_setting_stands_in_the_table_with_those_who_read_it() -> None:
    told = {name: named(whose) for name, whose, _ in ROW.findall(DOCUMENT.read_text())}

    read: dict[str, set[str]] = {}
    for reader, settings in READERS.items():
        for name in settings.model_fields:
            read.setdefault(name.upper(), set()).add(reader)
    assert told == read


def test_the_defaults_are_those_of_the_code() -> None:
    shown = {name: default for name, _, default in ROW.findall(DOCUMENT.read_text())}

    every: list[type[BaseSettings]] = [*READERS.values(), ServiceSettings]
    for settings in every:
        for name, field in settings.model_fields.items():
            cell, default = shown[name.upper()], field.default
            if isinstance(default, bool):
                assert f"`{str(default).lower()}`" in cell
            elif isinstance(default, int | float):
                assert {f"`{default}`", f"`{default:g}`"} & set(re.findall("`[^`]*`", cell))
            elif isinstance(default, str | Path) and str(default):
                assert f"`{default}`" in cell
