"""What the README shows is so: its specialist runs as it stands there."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.mesh import mesh_running

pytestmark = pytest.mark.timeout(90)


def specialist() -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (found,) = (block for block in blocks if "agent_app" in block)
    return str(found)


def policies() -> str:
    (found,) = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return str(found)


@pytest.mark.requirement("RT-39")
def test_the_specialist_and_the_policies_of_the_readme_are_the_meshs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policies.json").write_text(policies())
    monkeypatch.setenv("ROUTER_POLICIES", str(tmp_path / "policies.json"))
    project = tmp_path / "project"
    greeter = project / "services" / "greeter"
    greeter.mkdir(parents=True)
    (greeter / "main.py").write_text(specialist())
    for part in ("router_service", "gateway"):
        (project / part).symlink_to(ROOT / part)

    with mesh_running(tmp_path / "home", project=project) as mesh, mesh.client() as client:
        body = {"input": "Greet somebody", "agent": "greeter"}
        answer = client.post("/v1/runs", json=body, headers={"prefer": "wait=30"}).json()
        asked = mesh.weft("ask", "Greet Ada")
        again = mesh.weft("ask", "--thread", "greetings", "Greet Ada")
        also = mesh.weft("ask", "--thread", "greetings", "and Bob?")
        denied = mesh.weft("explain", "--protocol", "debate", "Compare tea and coffee")

    assert answer["status"] == "completed", answer
    assert "Hello, world!" in answer["output"]["text"]
    assert "no language model" in answer["output"]["text"].splitlines()[0].lower()
    assert asked.returncode == 0, asked.stderr
    assert "Hello, Ada!" in asked.stdout
    assert "Hello, Ada!" in again.stdout
    assert "Hello, Bob!" in also.stdout
    assert "finished by greeter" in asked.stderr
    assert denied.returncode == 1
    assert "policy_denied: " in denied.stderr


def test_every_command_of_the_readme_exists() -> None:
    text = (ROOT / "README.md").read_text()

    for path in re.findall(r"python3? (deploy/\S+\.py)", text):
        assert (ROOT / path).is_file(), path
    for module in re.findall(r"python3? -m ([\w.]+)", text):
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module
