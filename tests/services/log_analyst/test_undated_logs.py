"""Logs that tell no time are compared by what they say."""

from pathlib import Path

import pytest

from incidents.cases import DataRoots
from services.log_analyst.analysis import analyze

SOLD = "".join(f"INFO:cart:sold {number}\n" for number in range(60))


def analyzed(place: Path, normal: str, incident: str) -> dict[str, object]:
    for folder, text in (("baseline", normal), ("case", incident)):
        (place / folder).mkdir()
        (place / folder / "cart.log").write_text(text)
    return dict(analyze(DataRoots([place]), "case"))


@pytest.mark.requirement("DIAG-14")
def test_what_they_say_for_the_first_time_is_found(tmp_path: Path) -> None:
    result = analyzed(tmp_path, SOLD, SOLD + "ERROR:cart:no stock\n" * 30)

    assert "ERROR cart no stock: 30 lines, 0.0 expected" in str(result["summary"])
    assert "1970" not in str(result)


@pytest.mark.requirement("DIAG-14")
def test_without_times_on_one_side_only_words_are_compared(tmp_path: Path) -> None:
    dated = "".join(
        f"2026-03-02T10:20:{number:02}Z INFO cart sold {number}\n" for number in range(60)
    )

    result = analyzed(tmp_path, dated, "ERROR: no stock\n" * 30)

    assert "no stock: 30 lines, 0.0 expected" in str(result["summary"])


def test_the_same_words_are_nothing_unusual(tmp_path: Path) -> None:
    result = analyzed(tmp_path, SOLD, SOLD)

    assert "nothing differs from normal in the 60 rows" in str(result["summary"])
