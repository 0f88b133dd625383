"""What the documents point at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
PLACES = (ROOT, ROOT / "libs", ROOT / "libs" / "weft")
SPAN = re.compile(r"`([A-Za-z0-9_/<>.-]+)`")


def pointed_at(document: Path) -> list[str]:
    """Return the files and folders that a document names; `<name>` stands for any."""
    spans = SPAN.findall(document.read_text(encoding="utf-8"))
    return [
        span for span in spans if ("/" in span and not span.startswith("/")) or span.endswith(".py")
    ]


def exists(name: str) -> bool:
    pattern = re.sub(r"<\w+>", "*", name.rstrip("/"))
    if "/" not in pattern:
        return any((ROOT / "libs").rglob(pattern))
    return any(any(place.glob(pattern)) for place in PLACES)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    names = pointed_at(document)

    assert names
    assert [name for name in names if "<" not in name and not exists(name)] == []
    assert [name for name in names if "services/<name>" in name and not exists(name)] == []
