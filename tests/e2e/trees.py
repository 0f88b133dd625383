"""What every run tree keeps: a node for each path of the log, and use that adds up."""

from collections.abc import Iterator
from typing import Any

from tests.e2e.mesh import UpProcess

COUNTED = ("prompt_tokens", "completion_tokens", "total_tokens", "model_calls", "tool_calls")


def nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tree
    for child in tree["children"]:
        yield from nodes(child)


def checked_tree(mesh: UpProcess, run_id: str) -> dict[str, dict[str, Any]]:
    """Return the nodes of the run's tree by their path, once the tree keeps its promises."""
    with mesh.client() as client:
        tree: dict[str, Any] = client.get(f"/v1/runs/{run_id}/tree").json()
        run = client.get(f"/v1/runs/{run_id}").json()
        events = client.get(f"/v1/runs/{run_id}/events?limit=1000").json()["data"]
    by_path = {"/".join(node["path"]): node for node in nodes(tree)}
    assert {"/".join(event["path"]) for event in events} <= set(by_path)
    assert tree["usage"] == run["usage"]
    for node in by_path.values():
        below = [child["usage"] for child in node["children"]]
        # A use of what was granted is a call by whoever uses it, and a node of who was used.
        uses = sum(child["kind"] == "agent" for child in node["children"])
        for name in COUNTED:
            own = node["usage"][name] - sum(usage[name] for usage in below)
            most = uses if name == "tool_calls" else 0
            assert 0 <= own <= most or not below, (node["path"], name, own)
    return by_path
