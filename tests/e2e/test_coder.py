"""A project that is worked on through the whole mesh: a patch in the answer, applied by its user."""

import base64
import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.e2e.mesh import UpProcess, mesh_running
from tests.e2e.modelled import environment, scripted
from tests.services.coder.projects import made, needs_shutting_in
from weft.routing import GoalFrame
from weft.testing.openai_script import When, WireCall, WireReply

pytestmark = pytest.mark.timeout(180)
CODES, CHECKS = "You are the coder", "You check somebody"
FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": "",
    "tests/test_prices.py": (
        "from shop.prices import shown\n\ndef test_shown():\n    assert shown(1999) == '19.99'\n"
    ),
}
WRONG = "def shown(cents):\n    return str(cents / 100.0)[:4]\n"
RIGHT = "def shown(cents):\n    return f'{cents // 100}.{cents % 100:02}'\n"


def coding(name: str, **arguments: str) -> WireReply:
    call = WireCall(name=name, arguments={**arguments})
    return WireReply(calls=(call,), when=When(contains=CODES))


READING = GoalFrame.model_validate({"primary_goal": "generate_code", "complexity": "medium"})
SCRIPT = (
    WireReply(
        text=json.dumps(READING.to_json()),
        when=When(last_contains="result of the request"),
        repeat=True,
    ),
    coding("write_file", path="shop/prices.py", text=WRONG),
    WireReply(text="All tests passed!", when=When(contains=CODES)),
    coding("write_file", path="shop/prices.py", text=RIGHT),
    coding("run_tests"),
    WireReply(text="Cents are shown as a price.", when=When(contains=CODES)),
    WireReply(text=json.dumps({"choice": "pass"}), when=When(contains=CHECKS), repeat=True),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("shop"), FILES)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Iterator[UpProcess]:
    home = tmp_path_factory.mktemp("mesh") / "home"
    needs_shutting_in(home.parent / "tried")
    with (
        scripted(SCRIPT) as server,
        mesh_running(
            home,
            data=None,
            environment=environment(server.base_url),
            options=["--code", str(project)],
        ) as running,
    ):
        yield running


def test_what_was_asked_for_is_written_tested_and_applied_by_the_user(
    mesh: UpProcess, project: Path
) -> None:
    answer = mesh.weft("ask", "Write a function that shows a price, in shop/prices.py", "--json")

    assert answer.returncode == 0, answer.stdout + answer.stderr
    outcome = json.loads(answer.stdout)
    assert outcome["text"].startswith("`python -m pytest -q` passed: 1 passed")
    assert (project / "shop" / "prices.py").read_text() == ""
    apply = outcome["text"].splitlines()[-1].removeprefix("To apply it: ")
    subprocess.run(apply, shell=True, check=True)  # noqa: S602 - what the answer says to do
    assert (project / "shop" / "prices.py").read_text() == RIGHT

    with mesh.client() as client:
        run = client.get(f"/v1/runs/{outcome['run_id']}").json()
    assert '"passed": true' in json.dumps(run)
    patches = [part for part in _objects(run) if part.get("media_type") == "text/x-diff"]
    assert base64.b64decode(patches[0]["bytes"]).startswith(b"diff --git a/shop/prices.py")


def _objects(value: object) -> Iterator[dict[str, str]]:
    """Yield every object in a document."""
    members: Iterable[object] = value if isinstance(value, list) else ()
    if isinstance(value, dict):
        yield value
        members = value.values()
    for member in members:
        yield from _objects(member)
