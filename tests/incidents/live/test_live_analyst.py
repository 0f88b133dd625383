"""An analyst of live systems: what it was asked about is read, told, and gone afterwards."""

import time
from pathlib import Path

import pytest

from incidents.analyst import IncidentSettings, analyst
from incidents.live_settings import live_reader
from services.metrics_analyst.main import CARD, PROMPT
from services.metrics_analyst.tools import ANALYZE_METRICS
from tests.incidents.live.sources import answering, jumping
from weft.core import JsonObject, Result, coverage_in, parts_of
from weft.core.errors import ConfigError
from weft.loop import Task


async def _asked(settings: IncidentSettings, metadata: JsonObject) -> Result:
    async with analyst(CARD, PROMPT, ANALYZE_METRICS, settings) as peer:
        task = Task(parts_of("Why is the shop slow?"), "message-1", metadata=metadata)
        return await peer.start(task)


@pytest.mark.requirement("DIAG-19")
async def test_a_finding_rests_on_the_address_of_its_query() -> None:
    async with answering(jumping(time.time())) as source:
        settings = IncidentSettings(model="offline:", prometheus=source.url)
        result = await _asked(settings, {})

    assert result.ok, result.reasons
    assert result.claims[0].subject == "cart"
    (coverage,) = coverage_in(result)
    assert coverage.verdict == "found"
    assert {file.name.partition("?")[0] for file in coverage.files} == {
        f"{source.url}/api/v1/query",
        f"{source.url}/api/v1/query_range",
    }
    evidence = str([artifact.data for artifact in result.artifacts])
    assert f"{source.url}/api/v1/query" in evidence


@pytest.mark.requirement("DIAG-20")
async def test_a_source_that_is_away_is_told_by_its_address(free_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{free_tcp_port}"

    result = await _asked(IncidentSettings(model="offline:", prometheus=url), {})

    (coverage,) = coverage_in(result)
    assert coverage.verdict == "not_read"
    assert url in coverage.reason
    assert "does not answer" in coverage.reason


async def test_a_question_about_a_recording_asks_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    async with answering({}) as source:
        settings = IncidentSettings(model="offline:", prometheus=source.url, data_roots=(tmp_path,))
        await _asked(settings, {"data": "case"})
        without = list(source.queries)
        await _asked(settings, {"data": "case", "alert_time": time.time() - 60})

    assert without == []
    assert source.queries


async def test_a_window_that_is_none_is_refused_with_its_reason() -> None:
    async with answering({}) as source:
        settings = IncidentSettings(model="offline:", prometheus=source.url)
        result = await _asked(settings, {"window": {"start": "soon"}})

    assert result.status == "failed"
    assert result.reasons[0].code == "invalid_request"
    assert "a start that is no time" in result.reasons[0].message


def test_what_is_set_wrongly_is_said_at_the_start(tmp_path: Path) -> None:
    for settings in (
        IncidentSettings(loki="here"),
        IncidentSettings(loki="http://loki", loki_token_file=tmp_path / "none"),
    ):
        with pytest.raises(ConfigError, match="loki"):
            live_reader(settings, ("loki",), tmp_path)
    assert live_reader(IncidentSettings(loki="http://loki"), ("prometheus",), tmp_path) is None
