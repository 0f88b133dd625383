"""Ceilings nobody may waive: module length, and the lint rules on function size."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("libs", "proto", "services", "router_service", "gateway", "deploy", "tests")
GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")
RECORDED = ROOT / "deploy" / "demo" / "incident"
CEILING = 500
WAIVER = re.compile(r"noqa:[^#\n]*\b(C901|PLR09\d\d)")


def modules() -> list[Path]:
    found = [path for source in SOURCES for path in (ROOT / source).rglob("*.py")]
    return [
        path
        for path in sorted(found)
        if not GENERATED.search(path.name) and RECORDED not in path.parents
    ]


def test_no_module_is_longer_than_the_ceiling() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := len(path.read_text().splitlines())) > CEILING
    }

    assert long == {}


def test_no_line_waives_a_ceiling() -> None:
    waived = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in modules()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if WAIVER.search(line)
    ]

    assert waived == []


def test_no_setting_waives_a_ceiling() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    ignored = "\n".join(
        line for line in settings.splitlines() if re.search(r"ignore|=\s*\[.*\"[A-Z]+\d*", line)
    )

    assert not re.search(r'"(C90\d?|PLR09\d\d)"', ignored.replace('"C90", "D"', ""))


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_folder_is_counted(source: str) -> None:
    assert (ROOT / source).is_dir()
