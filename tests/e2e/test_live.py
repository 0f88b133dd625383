"""Live systems as a person names them on the command line: each is read, by whom it is meant for."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from anyio.from_thread import start_blocking_portal

from tests.e2e.mesh import UpProcess, mesh_running
from tests.incidents.live.sources import Source, answering, jumping

pytestmark = pytest.mark.timeout(150)
READ = {
    "prometheus": "/api/v1/query_range",
    "loki": "/loki/api/v1/query_range",
    "jaeger": "/api/traces",
    "tempo": "/api/search",
}
"""What each of them is asked for, and none of the others answers."""


def replies(kind: str, now: float) -> dict[str, object]:
    line = [f"{int(now - 300)}000000000", "level=error no route to bank"]
    stream: object = {"stream": {"app": "cart"}, "values": [line]}
    return {
        "prometheus": dict(jumping(now)),
        "loki": {
            "/loki/api/v1/labels": {"data": ["app"]},
            READ["loki"]: {"data": {"resultType": "streams", "result": [stream]}},
        },
        "jaeger": {"/api/services": {"data": ["cart"]}, READ["jaeger"]: {"data": []}},
        "tempo": {READ["tempo"]: {"traces": []}},
    }[kind]  # type: ignore[return-value]


@pytest.fixture(scope="module")
def sources() -> Iterator[dict[str, Source]]:
    now = time.time()
    with start_blocking_portal() as portal, ExitStack() as stack:
        yield {
            kind: stack.enter_context(
                portal.wrap_async_context_manager(answering(replies(kind, now)))
            )
            for kind in READ
        }


@pytest.fixture(scope="module")
def mesh(
    tmp_path_factory: pytest.TempPathFactory, sources: dict[str, Source]
) -> Iterator[UpProcess]:
    options = [word for kind, source in sources.items() for word in (f"--{kind}", source.url)]
    home = tmp_path_factory.mktemp("live") / "home"
    with mesh_running(home, data=None, options=options) as running:
        yield running


@pytest.mark.requirement("DIAG-19")
def test_every_system_that_up_was_told_of_is_read_by_its_analyst(
    mesh: UpProcess, sources: dict[str, Source]
) -> None:
    asked = mesh.weft("ask", "why", "is", "cart", "slow", "--json")

    report = json.loads(asked.stdout)["report"]
    for kind, source in sources.items():
        assert READ[kind] in {path for path, _ in source.queries}, kind
    by_source = {coverage["source"]: coverage for coverage in report["coverage"]}
    assert by_source["metrics"]["verdict"] == "found"
    for name, kind in (("metrics", "prometheus"), ("logs", "loki")):
        files = json.dumps(by_source[name]["files"])
        assert sources[kind].url in files, (name, files)
    assert report["suspects"][0]["subject"] == "cart"
