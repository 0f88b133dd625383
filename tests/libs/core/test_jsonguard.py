"""What the JSON guard lets pass, and that refusing costs less than parsing."""

import json

import pytest

from weft.core.errors import InputError
from weft.core.jsonguard import MAX_DEPTH, MAX_NODES, parse_json, parse_object
from weft.core.protocol_errors import InvalidJsonError

MEBIBYTE = 1024 * 1024


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "x"], "b": {}},
        {"text": "[{," * 80_000},
        {"text": '"\\[{,' * 40_000},
        {"a": [[]] * 4_999},
        {"a": [0] * (MAX_NODES - 2)},
        {"a": 2**64 - 1, "b": -(2**63), "c": 1e308, "d": "\N{GRINNING FACE}"},
    ],
)
def test_what_any_reader_can_hold_passes_as_it_is(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode()) == value
    assert parse_object(json.dumps(value, ensure_ascii=False).encode()) == value


def test_nesting_and_values_are_bounded_exactly() -> None:
    parse_json(nested(MAX_DEPTH))
    parse_json(json.dumps([[]] * (MAX_NODES - 1)).encode())
    parse_json(json.dumps([0] * (MAX_NODES - 1)).encode())
    for body in (
        nested(MAX_DEPTH + 1),
        nested(100_000),
        json.dumps([[]] * MAX_NODES).encode(),
        json.dumps([0] * MAX_NODES).encode(),
        json.dumps([[0, 0]] * 4_000).encode(),
        json.dumps({str(n): {"a": 1} for n in range(6_000)}).encode(),
    ):
        with pytest.raises(InputError, match="at most"):
            parse_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}', b'{"b": [{"a": 1, "a": 1}]}', b"[NaN]", b"[-Infinity]", b"[1e999]",
        b"[18446744073709551616]", b"[-9223372036854775809]", b'["\\u0000"]', b'{"\\u0000": 1}',
        b'["\\ud800"]', b'["\\uDFFF"]', b'{"\\udc00": 1}', b"[1." + b"1" * 500 + b"]",
    ],
)  # fmt: skip
def test_what_some_reader_cannot_hold_is_refused(body: bytes) -> None:
    with pytest.raises(InputError) as refused:
        parse_json(body)

    assert not isinstance(refused.value, InvalidJsonError)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a" 1}', b'"\\', b'"', b"]" * 100, b"[" * 9]
)
def test_what_is_no_json_is_said_so(body: bytes) -> None:
    with pytest.raises(InvalidJsonError):
        parse_json(body)


def test_escaped_text_is_kept() -> None:
    assert parse_json(b'["\\ud83d\\ude00", "\\\\u0000", "\\\\ud800"]') == [
        "\N{GRINNING FACE}", "\\u0000", "\\ud800",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * (MEBIBYTE // 2 - 2) + b"1]",
        b"[" + b"[]," * (MEBIBYTE // 3 - 2) + b"1]",
        b'{"a":[' + b'{"a":1},' * (MEBIBYTE // 9) + b"1]}",
        b"[" * MEBIBYTE,
        b'["' + b'\\"' * 100 + b'",' + b'"' * (MEBIBYTE - 500) + b"," * 10 + b"[" * 40,
    ],
)
def test_what_is_too_large_is_never_parsed(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(*_: object, **__: object) -> object:
        raise AssertionError("a body this large was handed to the parser")

    monkeypatch.setattr("weft.core.jsonguard.json.loads", parsed)

    with pytest.raises(InputError, match="at most"):
        parse_json(body)
