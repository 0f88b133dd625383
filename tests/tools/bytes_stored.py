"""What one diagnosis takes in the stores of a mesh, and how often its tools' output stands there.

    python -m tests.tools.bytes_stored [--keep DIRECTORY]

Starts `weft up` over the bundled incident, asks once, and reads every database afterwards: rows,
bytes (of all columns, without SQLite's pages), and the copies of tool output in each kind of row.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.mesh import mesh_running

GOAL = "Diagnose the checkout slowdown"
SHORTEST = 24
"""Characters of a text that is looked for: shorter ones stand elsewhere by chance."""


@dataclass(frozen=True)
class Kind:
    """All rows of one table of one store."""

    store: str
    table: str
    rows: int
    bytes: int
    copies: float
    """How often all the tool output of the mesh stands in them, decompressed."""


@dataclass(frozen=True)
class Stored:
    """What a diagnosis left behind."""

    output: int
    """Bytes of tool output, as JSON, each result counted once."""
    kinds: tuple[Kind, ...]

    @property
    def bytes(self) -> int:
        return sum(kind.bytes for kind in self.kinds)

    @property
    def copies(self) -> float:
        return sum(kind.copies for kind in self.kinds)


def stored_in(databases: Sequence[Path]) -> Stored:
    """Measure closed databases: those of the specialists among them hold the output."""
    tables = [
        (path.stem, table, rows) for path in databases for table, rows in _tables(path) if rows
    ]
    outputs = [output for _, table, rows in tables if table == "steps" for output in _outputs(rows)]
    phrases = [phrase for output in outputs for phrase in _phrases(json.loads(output))]
    whole = sum(len(phrase) for phrase in phrases) or 1
    kinds = []
    for store, table, rows in tables:
        text = "\n".join(_text(cell) for row in rows for cell in row)
        held = sum(text.count(phrase) * len(phrase) for phrase in set(phrases))
        size = sum(_size(cell) for row in rows for cell in row)
        kinds.append(Kind(store, table, len(rows), size, held / whole))
    return Stored(sum(map(len, outputs)), tuple(kinds))


def _tables(path: Path) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in sorted(names):
            yield name, connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - ours


def _outputs(steps: Iterable[tuple[object, ...]]) -> Iterator[str]:
    """Yield the JSON of each structured tool result that an agent's step keeps."""
    for _, path, outcome in steps:
        if not str(json.loads(_text(path))[-1:]).startswith("['execute#"):
            continue
        for result in json.loads(_text(outcome))["results"]:
            if result.get("structured") is not None:
                yield json.dumps(result["structured"], separators=(",", ":"), ensure_ascii=False)


def _phrases(value: object) -> Iterator[str]:
    """Yield the longer texts of a value as JSON spells them inside its quotes."""
    if isinstance(value, str) and len(value) >= SHORTEST:
        yield json.dumps(value, ensure_ascii=False)[1:-1]
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _phrases(member)


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        whole = cell
        with suppress(zlib.error):
            whole = zlib.decompress(cell)
        return whole.decode()
    return "" if cell is None else str(cell)


def _size(cell: object) -> int:
    return len(cell) if isinstance(cell, bytes) else len(_text(cell).encode())


def diagnosed(home: Path) -> Stored:
    """Let a mesh diagnose the bundled incident once, and measure what it kept in `home`."""
    with mesh_running(home) as mesh:
        answer = mesh.weft("ask", GOAL, "--json")
        if answer.returncode:
            raise SystemExit(answer.stderr)
    return stored_in(sorted(home.glob("*.db")))


def table(stored: Stored) -> Iterator[str]:
    """Yield the measurement as lines."""
    yield f"{'store':<16} {'rows of':<10} {'rows':>5} {'bytes':>8} {'copies':>7}"
    for kind in stored.kinds:
        yield f"{kind.store:<16} {kind.table:<10} {kind.rows:>5} {kind.bytes:>8} {kind.copies:>7.2f}"
    yield f"{'all':<16} {'':<10} {'':>5} {stored.bytes:>8} {stored.copies:>7.2f}"
    ratio = stored.bytes / stored.output
    yield f"tool output: {stored.output} bytes; stored for each byte of it: {ratio:.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="where the mesh lives, instead of nowhere")
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as scratch:
        for line in table(diagnosed((keep or Path(scratch)) / "home")):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
