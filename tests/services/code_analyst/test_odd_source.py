"""A file that Python, a rule or the linter fails on costs itself, and what it costs is told."""

import lzma
import os
from pathlib import Path
from typing import Any

import pytest
import ruff  # type: ignore[import-untyped]

from incidents import DataFile, DataRoots
from services.code_analyst.analysis import faults_in
from services.code_analyst.lint import linted
from services.code_analyst.source import parsed
from services.code_analyst.tools import ANALYZE_CODE
from tests.services.recorded import asked
from weft.core.record import dumps

GOOD = "import time\n\n\nasync def pay():\n    time.sleep(1)\n"
PLACE = ("pay/good.py", 5)


async def analyzed(root: Path) -> dict[str, Any]:
    return await asked(ANALYZE_CODE.tool(DataRoots([root])), "case")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """Code with one fault, in a data root; an odd file is put beside it."""
    case = tmp_path / "case"
    (case / "pay").mkdir(parents=True)
    (case / "odd").mkdir()
    (case / "pay" / "good.py").write_text(GOOD)
    return case


def written(folder: Path, name: bytes, content: bytes) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(content)


def is_found(found: dict[str, Any]) -> bool:
    places = [(each["file"], each["line"], each["rule"]) for each in found["findings"]]
    return (*PLACE, "blocking-call-in-async") in places


def told(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["file"], each["problem"]) for each in found["problems"]]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"x = " + b"-" * 100_000 + b"1\n", "nested too deeply"),
        (b"x = " + b"not " * 20_000 + b"1\n", "nested too deeply"),
        (b"x = " + b"lambda: " * 5_000 + b"1\n", "nested too deeply"),
        (b"x = " + b" + ".join([b"a"] * 20_000) + b"\n", "nested too deeply"),
        (b"x = " + b"(" * 250 + b")" * 250, "too many nested parentheses"),
        (b"\xfd7zXZ\x00broken", "cannot be decompressed"),
        (lzma.compress(b"x = 1\n" * 1000)[:-9], "cannot be decompressed"),
        (b"x = 1\0\n", "null bytes"),
        (b"\xff\xfe", "line"),
        (b"# -*- coding: nonsense -*-\n", "line"),
        (b"# -*- coding: hex -*-\n00\n", "cannot be read"),
        (b"# -*- coding: punycode -*-\n" + b"a" * 900_000 + b"-" + b"b" * 99_000, "is no encoding"),
        (b"x = [" + b"1," * 400_000 + b"]\n", "too large"),
        (b"#" * (1 << 20) + b"\n", "bytes"),
    ],
)
async def test_a_file_that_cannot_be_parsed_costs_only_itself(
    case: Path, content: bytes, problem: str
) -> None:
    (case / "odd" / "bad.py").write_bytes(content)

    found = await analyzed(case.parent)

    assert is_found(found)
    ((file, words),) = told(found)
    assert file == "odd/bad.py"
    assert problem in words


@pytest.mark.parametrize(
    "body",
    [
        " + ".join(["a"] * 1200), "a" + ".b()" * 1100, "a" + ".b" * 1200,
        "[" * 90 + "]" * 90, "a" + "[0]" * 1100, " if a else ".join(["a"] * 900),
    ],
)  # fmt: skip
async def test_code_that_is_deep_but_valid_is_read_too(case: Path, body: str) -> None:
    text = f"import time\nasync def f():\n    time.sleep(1)\n    return {body}\n"
    (case / "odd" / "deep.py").write_text(text)

    found = await analyzed(case.parent)

    assert is_found(found)
    places = [(each["file"], each["line"]) for each in found["findings"]]
    assert ("odd/deep.py", 3) in places
    assert told(found) == []


def test_a_rule_that_fails_on_a_file_costs_that_rule_there_only(case: Path) -> None:
    deep = " + ".join(["a"] * 1200)
    text = f"def f():\n    try:\n        g()\n    except Exception:\n        return {deep}\n"
    (case / "odd" / "deep.py").write_text(text)

    files = [DataFile(path, path.name, case) for path in sorted(case.rglob("*.py"))]
    modules, problems = parsed(files)
    findings, odd = faults_in(modules)

    assert problems == []
    assert [each.rule for each in findings] == ["blocking-call-in-async"]
    assert [(each.file, each.problem) for each in odd] == [
        ("deep.py", "is nested too deeply, or too large, to be read")
    ]


async def test_a_pipe_named_like_source_is_told_and_never_waited_for(case: Path) -> None:
    os.mkfifo(case / "odd" / "x.py")

    found = await analyzed(case.parent)

    assert is_found(found)
    assert told(found) == [("odd/x.py", "cannot be read: it is no regular file")]


@pytest.mark.parametrize("name", [b"b\xff.py", b"b\n.py", b"-n.py", b" .py", b"\xe2\x80\xae.py"])
async def test_a_file_of_any_name_is_read_and_told_apart(case: Path, name: bytes) -> None:
    for odd in (name, b"c" + name):
        written(case / "odd", odd, GOOD.encode())

    found = await analyzed(case.parent)

    assert is_found(found)
    assert told(found) == []
    files = {each["file"] for each in found["findings"]}
    assert len(files) == 3
    assert all(file.isprintable() for file in files)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        b"# -*- coding: latin-1 -*-\n" + GOOD.replace("\n\n\n", "\nname = 'caf\xe9'\n").encode("latin-1"),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.replace("\n\n\n", "\n\x0c# a\x0bb\x1cc\u2028d\x85e\n\n").encode(),
    ],
    ids=["mark", "latin-1", "cr-lf", "cr", "page breaks"],
)  # fmt: skip
async def test_source_is_read_as_python_reads_it(case: Path, content: bytes) -> None:
    (case / "odd" / "file.py").write_bytes(content)

    found = await analyzed(case.parent)

    assert told(found) == []
    (finding,) = (each for each in found["findings"] if each["file"] == "odd/file.py")
    assert finding["snippet"].strip() == "time.sleep(1)"


async def test_long_texts_are_cut_and_their_findings_kept(case: Path) -> None:
    long = "x" * 50_000
    (case / "odd" / "long.py").write_text(GOOD.replace("pay", long).replace("1", f"'{long}'"))

    found = await analyzed(case.parent)

    assert is_found(found)
    assert {each["file"] for each in found["findings"]} == {"pay/good.py", "odd/long.py"}
    assert len(dumps(found)) < 50_000


async def test_files_beyond_what_is_read_of_all_code_are_told(case: Path) -> None:
    for number in range(8):
        (case / "odd" / f"{number}.py").write_text(f"# {'.' * 350_000}\n")

    found = await analyzed(case.parent)

    assert [file for file, _ in told(found)] == [f"odd/{number}.py" for number in (5, 6, 7)]


async def test_a_linter_that_dies_of_one_file_still_speaks_of_the_others(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the real one would: killed by the file it cannot bear, whatever else it was given."""
    (case / "odd" / "fatal.py").write_text("FATAL = 1\n")
    for number in range(5):
        (case / "odd" / f"{number}.py").write_text("async def f(p):\n    open(p)\n")
    wrapper = tmp_path / "ruff"
    wrapper.write_text(
        f'#!/bin/sh\ngrep -q FATAL *.py && for f in "$@"; do case $f in *.py)'
        f' grep -q FATAL "$f" && kill -9 $$;; esac; done\nexec {ruff.find_ruff_bin()} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setattr(ruff, "find_ruff_bin", lambda: str(wrapper))

    found = await analyzed(case.parent)

    assert is_found(found)
    rules = {(each["file"], each["rule"]) for each in found["findings"]}
    assert {(f"odd/{number}.py", "SIM115") for number in range(5)} <= rules | {
        (file, "SIM115") for file, rule in rules if rule == "leaked-handle"
    }
    ((file, problem),) = told(found)
    assert file == "ruff"
    assert problem.startswith("odd/fatal.py: failed on it: it ended with -9")


def test_a_file_of_which_the_linter_says_too_much_leaves_it_to_speak_of_others(
    case: Path,
) -> None:
    noise = "try:\n    f()\nexcept Exception:\n    pass\n" * 15_000
    (case / "a.py").write_text(noise)
    names = [f"{name}.py" for name in "bcd"]
    for name in names:
        (case / name).write_text("async def f(p):\n    open(p)\n")
    modules, _ = parsed([DataFile(case / name, name) for name in ("a.py", *names)])

    findings, problems = linted(modules)

    assert [(each.file, each.problem) for each in problems] == [
        ("ruff", "a.py: only its first 8388608 bytes were read")
    ]
    assert {each.file for each in findings} == {"a.py", *names}


@pytest.mark.parametrize("told_by", ["source", "case"])
async def test_a_case_file_that_is_broken_is_told(case: Path, told_by: str) -> None:
    content = {"source": b'{"source": "' + b"n" * 300 + b'"}', "case": b"\xfd7zXZ\x00broken"}
    (case / "case.json").write_bytes(content[told_by])

    found = await analyzed(case.parent)

    assert found["findings"] == []
    assert any(word in told(found)[0][1] for word in ("too long", "cannot be decompressed"))


async def test_source_deeper_than_is_looked_at_is_told(case: Path) -> None:
    deep = case.joinpath(*["d"] * 70)
    deep.mkdir(parents=True)
    (deep / "a.py").write_text(GOOD)
    (case / "odd" / "round").symlink_to(case)

    found = await analyzed(case.parent)

    assert is_found(found)
    ((_, problem),) = told(found)
    assert problem == "stands too deep, so it was not looked at"
