"""Data that is not there is refused before there is a run of it."""

from pathlib import Path

import pytest

from tests.libs.server.door import opened
from weft.checkpoint import Checkpointer
from weft.core import JsonValue
from weft.server import ApiOptions


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "incident").mkdir(parents=True)
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    (tmp_path / "secret").mkdir()
    return tmp_path / "root"


@pytest.mark.requirement("DIAG-2")
@pytest.mark.parametrize("named", ["typo", "/etc", "../secret", "", "out/secret", "~"])
async def test_a_directory_that_is_not_below_a_root_is_refused_with_what_is(
    checkpointer: Checkpointer, root: Path, named: str
) -> None:
    body = {"input": "echo why", "metadata": {"data": named}}

    async with opened(checkpointer, options=ApiOptions(data_roots=[root])) as house:
        ana = await house.client("ana")
        answer = await ana.post("/v1/runs", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/metadata/data"
    assert "there is: incident" in error["message"]
    assert house.script.executed == []


@pytest.mark.requirement("DIAG-2")
@pytest.mark.parametrize("named", ["incident", ".", "/incident", 7, {"rows": []}])
async def test_data_that_is_there_or_is_no_path_is_let_through(
    checkpointer: Checkpointer, root: Path, named: JsonValue
) -> None:
    if named == "/incident":
        named = str(root / "incident")
    body = {"input": "echo why", "metadata": {"data": named}}

    async with opened(checkpointer, options=ApiOptions(data_roots=[root])) as house:
        ana = await house.client("ana")
        assert (await ana.post("/v1/runs", json=body)).status_code == 202


async def test_where_the_front_door_cannot_know_it_refuses_nothing(
    checkpointer: Checkpointer,
) -> None:
    body = {"input": "echo why", "metadata": {"data": "elsewhere"}}

    async with opened(checkpointer) as house:
        ana = await house.client("ana")
        assert (await ana.post("/v1/runs", json=body)).status_code == 202


async def test_without_a_root_the_refusal_says_how_to_set_one(checkpointer: Checkpointer) -> None:
    body = {"input": "echo why", "metadata": {"data": "x"}}

    async with opened(checkpointer, options=ApiOptions(data_roots=[])) as house:
        ana = await house.client("ana")
        answer = await ana.post("/v1/runs", json=body)

    assert "--data-root" in answer.json()["errors"][0]["message"]
