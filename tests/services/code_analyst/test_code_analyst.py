"""The code analyst finds what can explain an incident, at its exact line."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import ruff  # type: ignore[import-untyped]
from anyio import to_thread

from incidents import DataRoots
from services.code_analyst.tools import ANALYZE_CODE
from weft.core import Claim
from weft.core.errors import DataRefusedError

Write = Callable[[Mapping[str, str]], Path]
DEMO = Path(__file__).parents[3] / "deploy" / "demo" / "incident"


async def analyzed(root: Path, data: str = "case") -> dict[str, Any]:
    roots = await to_thread.run_sync(DataRoots, [root])
    analyze_code = ANALYZE_CODE.tool(roots)
    found: dict[str, Any] = await to_thread.run_sync(analyze_code, data)
    return found


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def files(sources: Mapping[str, str]) -> Path:
        for name, source in sources.items():
            path = tmp_path / "case" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(source))
        return tmp_path

    return files


def places(found: dict[str, Any], rule: str) -> list[tuple[str, int]]:
    return [(each["file"], each["line"]) for each in found["findings"] if each["rule"] == rule]


@pytest.mark.skipif(not DEMO.exists(), reason="the demo incident is not recorded")
async def test_the_demo_incident_names_the_blocking_call_without_timeout_first() -> None:
    found = await analyzed(DEMO, "checkout-slowdown")

    first = found["findings"][0]
    source = (DEMO / "checkout-slowdown" / "source" / first["file"]).read_text().splitlines()
    assert (first["service"], first["severity"]) == ("payment", "critical")
    assert "urllib.request.urlopen(" in source[first["line"] - 1]
    causes = [claim for claim in found["claims"] if claim["predicate"] == "root_cause"]
    assert {claim["kind"] for claim in causes} == {"recommendation"}, "source names no cause"
    assert causes[0]["subject"] == "payment"
    assert causes[0]["strength"] > 0.9
    assert all(claim["strength"] < 0.5 for claim in causes[1:])
    assert found["problems"] == []


async def test_claims_are_valid_and_point_at_findings(write: Write) -> None:
    root = write({"api.py": "import requests\n\ndef get():\n    return requests.get('http://x')\n"})

    found = await analyzed(root)

    claims = [Claim.model_validate(claim) for claim in found["claims"]]
    assert {claim.kind for claim in claims} == {"fact", "recommendation"}
    for claim in claims:
        assert claim.subject == "api"
        for ref in claim.evidence_refs:
            assert found["findings"][int(ref.removeprefix("#/findings/"))]["service"] == "api"
    assert claims[0].predicate == "root_cause"


BLOCKING = {
    "gateway/app.py": """\
        import asyncio
        import sqlite3
        import time
        from urllib.request import urlopen as fetch

        from shared.client import charge, harmless


        class Store:
            def __init__(self):
                self._rows = sqlite3.connect("x.db")

            def _load(self):
                return self._rows.execute("SELECT 1")

            async def load(self):
                return self._load()

            async def aside(self):
                return await asyncio.to_thread(self._load)


        async def handle(request):
            await asyncio.sleep(1)
            harmless()
            await asyncio.to_thread(time.sleep, 1)
            later = lambda: time.sleep(9)
            return charge(request), fetch("http://x", None, 3), later


        def sync_only():
            time.sleep(1)
        """,
    "shared/client.py": """\
        import requests

        session = requests.Session()


        def charge(order):
            return _send(order)


        def _send(order):
            return session.post("http://pay", json=order)


        def harmless():
            return 1
        """,
}


async def test_blocking_calls_are_found_through_helpers_and_not_where_they_do_no_harm(
    write: Write,
) -> None:
    found = await analyzed(write(BLOCKING))

    assert sorted(places(found, "blocking-call-in-async")) == [
        ("gateway/app.py", 14),
        ("gateway/app.py", 28),
        ("shared/client.py", 11),
    ]
    worst = found["findings"][0]
    assert (worst["file"], worst["severity"], worst["service"]) == (
        "shared/client.py",
        "critical",
        "shared",
    )
    assert "gateway/app.py line 23" in worst["message"]
    assert "charge and _send" in worst["message"]


SLOPPY = """\
    import socket
    import urllib.request

    import aiohttp
    import requests


    def fetch(url, options):
        urllib.request.urlopen(url)
        urllib.request.urlopen(url, None, 5)
        requests.get(url, timeout=5)
        requests.get(url, **options)
        requests.get(url, timeout=None)
        socket.create_connection(("x", 1))
        socket.create_connection(("x", 1), 3).close()
        return None


    def quiet(log):
        try:
            fetch("x", {})
        except Exception:
            pass
        try:
            fetch("x", {})
        except Exception:
            log.info("never mind")
            return None
        try:
            fetch("x", {})
        except Exception:
            log.exception("told")
        try:
            fetch("x", {})
        except (KeyError, BaseException):
            raise
        try:
            fetch("x", {})
        except ValueError:
            pass


    def leaky(path):
        handle = open(path)
        return handle.read()


    def tidy(path):
        with open(path) as one:
            one.read()
        two = open(path)
        two.close()
        three = open(path)
        return three


    async def session():
        return aiohttp.ClientSession()
    """


async def test_missing_timeouts_swallowed_errors_and_leaks_are_found_at_their_lines(
    write: Write,
) -> None:
    found = await analyzed(write({"sloppy.py": SLOPPY}))

    lines = {
        rule: sorted(line for _, line in places(found, rule))
        for rule in ("missing-timeout", "swallowed-error", "leaked-handle")
    }
    assert lines["missing-timeout"] == [9, 12, 13, 14, 58]
    assert lines["swallowed-error"] == [22, 26]
    assert lines["leaked-handle"] == [14, 44]


async def test_lint_alone_is_no_cause(write: Write) -> None:
    root = write(
        {"nits.py": "async def read(path):\n    with open(path) as it:\n        it.read()\n"}
    )

    found = await analyzed(root)

    assert {each["severity"] for each in found["findings"]} == {"low"}
    assert not [claim for claim in found["claims"] if claim["kind"] != "fact"]


async def test_without_source_nothing_is_claimed_and_the_reason_is_told(
    write: Write,
) -> None:
    root = write({"case.json": '{"case": "x"}', "empty/note.txt": "", "gone/case.json": "{"})
    (root / "case" / "named").mkdir()
    (root / "case" / "named" / "case.json").write_text(json.dumps({"source": "nowhere"}))

    for data, problem in (
        ("case", "names no source"),
        ("case/empty", "holds no Python source"),
        ("case/gone", "unreadable"),
        ("case/named", "does not exist"),
        ("case/empty/note.txt", "is no directory"),
    ):
        found = await analyzed(root, data)
        assert (found["findings"], found["claims"]) == ([], [])
        assert problem in found["problems"][0]["problem"]


async def test_the_source_may_stand_above_the_case_but_not_outside_the_root(
    write: Write,
    tmp_path: Path,
) -> None:
    root = write(
        {
            "source/a.py": "import time\nasync def f():\n    time.sleep(1)\n",
            "one/two/case.json": '{"source": "source"}',
            "out/case.json": '{"source": "../../secret"}',
            "link/case.json": '{"source": "away"}',
        }
    )
    outside = tmp_path.parent / f"{tmp_path.name}-secret"
    outside.mkdir()
    (outside / "b.py").write_text("x = 1\n")
    (root / "case" / "link" / "away").symlink_to(outside)
    (root / "case" / "source" / "c.py").symlink_to(outside / "b.py")

    above = await analyzed(root, "case/one/two")
    assert places(above, "blocking-call-in-async") == [("a.py", 3)]
    assert above["problems"] == [
        {"file": "c.py", "problem": "refused: it leads out of the data root"}
    ]
    for data in ("case/out", "case/link"):
        found = await analyzed(root, data)
        assert found["claims"] == []
        assert "refused" in found["problems"][0]["problem"]
    with pytest.raises(DataRefusedError):
        await analyzed(root, "../elsewhere")


async def test_a_file_that_cannot_be_parsed_is_a_problem_and_the_rest_is_read(
    write: Write,
) -> None:
    root = write(
        {"bad.py": "def (:\n", "good.py": "import time\nasync def f():\n    time.sleep(1)\n"}
    )
    (root / "case" / "raw.py").write_bytes(b"\xff\xfe")

    found = await analyzed(root)

    assert places(found, "blocking-call-in-async") == [("good.py", 3)]
    assert {problem["file"] for problem in found["problems"]} == {"bad.py", "raw.py"}


async def test_without_ruff_the_own_rules_still_speak_and_the_gap_is_told(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = write({"good.py": "import time\nasync def f():\n    time.sleep(1)\n"})
    monkeypatch.setattr(ruff, "find_ruff_bin", lambda: "/nowhere/ruff")

    found = await analyzed(root)

    assert places(found, "blocking-call-in-async") == [("good.py", 3)]
    assert found["problems"][0]["file"] == "ruff"


async def test_a_huge_result_stays_bounded_and_says_so(write: Write) -> None:
    body = "".join(f"    time.sleep({number}, '{'x' * 120}')\n" for number in range(300))
    root = write({"big.py": f"import time\nasync def f():\n{body}"})

    found = await analyzed(root)

    assert len(json.dumps(found)) <= 50_000
    assert found["findings_left_out"] == 300 - len(found["findings"])
