"""The shop really runs: four processes, one checkout, and nothing left behind."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import psutil
import pytest

from deploy.demo.fleet import PEERS, shop_running
from deploy.demo.outside import Provider, provider_running

ROOT = Path(__file__).resolve().parents[3]


def _services(of: int) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(of).children(recursive=True)
        if "deploy.demo.shop" in child.cmdline()
    ]


def _written(directory: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / name).read_text("utf-8").splitlines()]


async def test_a_checkout_goes_through_all_four_services_and_they_stop(tmp_path: Path) -> None:
    basket = {"sku": "lamp", "quantity": 2}
    with anyio.fail_after(18):
        async with (
            provider_running(Provider(fastest=0.01, slowest=0.02, refused=0.0), seed=1) as scoring,
            shop_running(tmp_path, scoring=scoring) as urls,
            aiohttp.ClientSession() as session,
        ):
            running = _services(os.getpid())
            flags = {"fraud_scoring": True}
            async with session.put(f"{urls['payment']}/admin/flags", json=flags) as switched:
                assert switched.status == 200
            async with session.post(f"{urls['frontend']}/checkout", json=basket) as answer:
                assert (answer.status, (await answer.json())["amount"]) == (201, 79.8)
            async with session.get(f"{urls['payment']}/metrics") as page:
                metrics = await page.text()

    assert len(running) == len(PEERS)
    assert not any(process.is_running() for process in running)
    assert re.search(r'^http_server_requests_total\{route="/charges"\} 1$', metrics, re.MULTILINE)
    spans = [span for service in PEERS for span in _written(tmp_path, f"{service}.spans.jsonl")]
    assert len({span["traceId"] for span in spans}) == 1
    checked = [line["message"] for line in _written(tmp_path, "payment.jsonl")]
    assert any("fraud check started" in message and "provider" in message for message in checked)


async def test_a_service_that_cannot_start_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="inventory ended before it took requests"):
        async with shop_running(tmp_path / "missing"):
            pytest.fail("a shop without a place to write opened all the same")

    assert _services(os.getpid()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_recorder_that_is_stopped_leaves_no_service_and_no_recording(
    how: signal.Signals, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "deploy.demo.record", "--out", str(out)]
    recorder = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE
    )
    with recorder:
        assert recorder.stderr is not None
        assert b"the shop is open" in recorder.stderr.readline()
        services = _services(recorder.pid)
        assert len(services) == len(PEERS)

        recorder.send_signal(how)

        _, alive = psutil.wait_procs(services, timeout=10)
        for orphan in alive:
            orphan.kill()
        assert alive == []
        recorder.wait(timeout=10)
    assert not out.exists()
