"""Small or harmless looking files that cost a reader far more than their size."""

import lzma
from pathlib import Path


def empty_objects(place: Path, *, count: int = 2_000_000) -> None:
    """Write a few KB that unpack to 54 MB and would become gigabytes of objects."""
    traces = place / "traces"
    traces.mkdir(parents=True)
    trace = b'{"spans":[],"processes":{}},'
    content = b'{"data":[' + trace * count + b'{"spans":[]}]}'
    (traces / "traces.json.xz").write_bytes(lzma.compress(content, preset=0))


def long_lists(place: Path, *, files: int = 10) -> None:
    """Write source files of 1 MB that hold one list each."""
    place.mkdir(parents=True)
    for at in range(files):
        (place / f"module{at}.py").write_text("x = [" + "1," * ((1 << 19) - 10) + "]\n")


def wide_table(place: Path, *, columns: int = 20_000, rows: int = 1600) -> None:
    """Write 64 MB of metrics in which every row has 20,000 cells."""
    place.mkdir(parents=True)
    cells = ",1" * columns
    with (place / "metrics.csv").open("w") as table:
        names = "".join(f",metric_{at}" for at in range(columns))
        table.write(f"TimeStamp,PodName{names}\n")
        table.writelines(f"{1_700_000_000 + at},shop-1{cells}\n" for at in range(rows))


def many_lines(place: Path, *, count: int = 200_000) -> None:
    """Write log lines that differ, each worth a look."""
    logs = place / "logs"
    logs.mkdir(parents=True)
    with (logs / "shop.log").open("w") as log:
        log.writelines(
            f"2024-01-01T00:00:00Z ERROR shop failed {at:x}z at step{at % 97}\n"
            for at in range(count)
        )
