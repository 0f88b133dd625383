"""Text of models, tools and servers on a terminal: what would steer it is shown, not done."""

import re

import orjson

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Controls, also the eight-bit ones, line separators, and what turns the direction of writing."""


def printable(text: str) -> str:
    """Return `text` with every control but tab and line feed as its escape."""
    return _STEERING.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """As `printable`, on one line: nothing in it looks like the line of somebody else."""
    return printable(text).replace("\n", " ")


def json_text(document: object) -> str:
    """Return an indented JSON document that steers no terminal; to a parser it is the same."""
    return _STEERING.sub(_escape_json, orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - two digits


def _escape_json(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
