"""What is published: two wheels that do not overlap, and locks without what their service lacks."""

import os
import re
import subprocess
import sys
import tomllib
from email import message_from_string
from email.message import Message
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest

from deploy import local
from tests.conftest import ROOT

INCIDENTS = ROOT / "libs" / "incidents"
LOCKS = ROOT / "deploy" / "locks"
SPECIALISTS = ("code-analyst", "log-analyst", "metrics-analyst", "trace-analyst")
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which both wheels are unpacked."""
    made = tmp_path_factory.mktemp("wheels")
    for project in local.OUR_OWN:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(made)]
        subprocess.run(build, cwd=project, check=True, capture_output=True)
    names: list[str] = []
    for wheel in sorted(made.glob("*.whl")):
        with ZipFile(wheel) as archive:
            names += archive.namelist()
            archive.extractall(made / "site")
    assert len(set(names)) == len(names)
    return made / "site"


def metadata(site: Path, name: str) -> Message:
    (file,) = site.glob(f"{name}-*.dist-info/METADATA")
    return message_from_string(file.read_text())


def locked(group: str) -> set[str]:
    pins = re.findall(r"(?m)^([a-z0-9][a-z0-9._-]*)==", (LOCKS / f"{group}.txt").read_text())
    return set(pins)


def test_each_package_is_in_one_wheel_with_its_types_and_nothing_else(site: Path) -> None:
    packages = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}

    assert packages == {"incidents", "weft", "weftapi"}
    for name, folder in {"incidents": INCIDENTS, "weft": ROOT / "libs" / "weft"}.items():
        modules = {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
        files = [path for path in (site / name).rglob("*") if path.is_file()]
        assert {
            str(file.relative_to(site / name)) for file in files if file.suffix == ".py"
        } == modules
        rest = [file for file in files if file.suffix not in {".py", ".pyi", ".typed", ".md"}]
        # Beside code and prompts, what our shipped contracts compare.
        assert {file.name for file in rest} <= {"grounding_pairs.txt"}
        assert (site / name / "py.typed").is_file()


def test_an_analyst_is_made_of_the_two_wheels(site: Path) -> None:
    code = "import incidents.analyst, weft.service; print(incidents.__file__, weft.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(site)}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=site, env=environment, check=True, capture_output=True
    )

    places = done.stdout.decode().split()
    assert places == [str(site / name / "__init__.py") for name in ("incidents", "weft")]


def test_the_analysts_wheel_asks_for_the_library_that_it_stands_on(site: Path) -> None:
    library, incidents = metadata(site, "weft_mesh"), metadata(site, "weft_incidents")
    wanted = [one for one in incidents.get_all("Requires-Dist", []) if one.startswith("weft-mesh")]

    assert incidents["Version"] == library["Version"]
    assert wanted == [f"weft-mesh[nats,serve]>={library['Version']}"]
    assert {"serve", "front-door"} <= set(library.get_all("Provides-Extra", []))


@pytest.mark.parametrize("group", SPECIALISTS)
def test_a_specialist_installs_no_front_door_and_no_grpc(group: str) -> None:
    assert locked(group).isdisjoint({"fastapi", "grpcio", "protobuf", "pyjwt", "typer"})
    assert {"starlette", "uvicorn", "uvloop", "httptools"} <= locked(group)
    # An HTTP client is for live systems, which source code is none of.
    assert ("aiohttp" in locked(group)) == (group != "code-analyst")


def test_only_the_gateway_installs_fastapi() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]

    assert {name for name in groups if name != "demo" and "fastapi" in locked(name)} == {
        "dev",
        "gateway",
    }


def test_the_bootstrap_installs_every_distribution() -> None:
    steps = [
        local.uv_steps("uv", Path("env"), Path("lock")),
        local.pip_steps(Path("env"), Path("l")),
    ]

    for *_, last in steps:
        places = [word for flag, word in pairwise(last) if flag == "-e"]
        assert places == [str(ROOT), str(INCIDENTS)]
