"""Requests to a mesh over HTTP, and what a run that ended, waits or failed must keep."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.e2e.mesh import UpProcess
from tests.e2e.trees import checked_tree

Run = dict[str, Any]


def asked(mesh: UpProcess, words: str, **more: object) -> Run:
    """Return the run of a request once it stands still."""
    with mesh.client() as client:
        answer = client.post(
            "/v1/runs", json={"input": words, **more}, headers={"prefer": "wait=50"}
        )
    assert answer.status_code == 200, answer.text
    run: Run = answer.json()
    return run


def answered(mesh: UpProcess, run: Run, payload: object) -> Run:
    """Return a run once it stands still again behind the answer to its one question."""
    [question] = run["interrupts"]
    responses = [{"interrupt_id": question["id"], "payload": payload}]
    with mesh.client() as client:
        resumed = client.post(
            f"/v1/runs/{run['run_id']}/resume",
            json={"responses": responses},
            headers={"prefer": "wait=50"},
        )
    assert resumed.status_code == 200, resumed.text
    after: Run = resumed.json()
    return after


def canceled(mesh: UpProcess, run_id: str, **body: object) -> httpx.Response:
    with mesh.client() as client:
        return client.post(f"/v1/runs/{run_id}/cancel", json=body)


@dataclass(frozen=True)
class Failure:
    """Why a run failed: each reason with what, where and who."""

    code: str
    text: str
    whole: Run

    @property
    def peers(self) -> set[str]:
        return {why["peer"] for why in self.whole["error"]["errors"]}


def failure(mesh: UpProcess, run: Run) -> Failure:
    """Return why `run` failed, once it is told as every failure must be (RT-37)."""
    assert (run["status"], run["success"]) == ("failed", False), run
    error, tree = run["error"], checked_tree(mesh, run["run_id"])
    assert error["errors"]
    for why in error["errors"]:
        assert why["code"]
        assert why["message"]
        assert why["peer"]
        # What is said to have failed can be found, and is not shown as if all were well.
        assert tree[why["pointer"].strip("/")]["status"] == "failed", why
        assert "Traceback" not in why["message"]
    text = " ".join([error["detail"], *(why["message"] for why in error["errors"])])
    return Failure(error["code"], text, run)


def completed(mesh: UpProcess, run: Run) -> dict[str, Run]:
    """Return the tree of a run that completed, by path: nothing in it is left in doubt."""
    assert run["status"] == "completed", run
    assert run["output"]["text"].strip()
    tree = checked_tree(mesh, run["run_id"])
    assert {node["status"] for node in tree.values()} <= {"completed", "skipped"}, tree
    return tree
