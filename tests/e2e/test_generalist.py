"""A team's own runbooks, asked through the whole mesh."""

from collections.abc import Iterator

import pytest

from tests.e2e.mesh import UpProcess, mesh_running

pytestmark = pytest.mark.timeout(150)
KEYS = """# Payment
## Rotate the provider's API key
1. Ask finance for the new key.
2. Run `vault kv put payment/key value=-`.
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    books = tmp_path_factory.mktemp("books")
    (books / "payment.md").write_text(KEYS)
    home = tmp_path_factory.mktemp("mesh")
    with mesh_running(home, options=["--runbooks", str(books)]) as running:
        yield running


def test_a_runbook_is_quoted_and_what_none_says_is_not_made_up(mesh: UpProcess) -> None:
    known = mesh.weft("ask", "How do we rotate the API key of the payment provider?")
    unknown = mesh.weft("ask", "How do we rotate the TLS certificates of the edge proxies?")

    assert known.returncode == unknown.returncode == 0
    assert "payment.md:2 (Payment > Rotate the provider's API key):" in known.stdout
    assert "    2. Run `vault kv put payment/key value=-`." in known.stdout
    assert "no runbook answers this (1 file searched)" in unknown.stdout
    assert "vault" not in unknown.stdout


def test_an_incident_is_still_looked_into_by_who_does(mesh: UpProcess) -> None:
    with mesh.client() as client:
        body = {"input": "Is payment's API slow?"}
        run = client.post("/v1/runs", json=body, headers={"prefer": "wait=60"}).json()

    assert run["protocol"] == "specialist_fanout"
    assert "4 of 4 sources agree" in run["output"]["text"]
