"""A stranger at the NATS server: sends what no part of the mesh would, over a bare socket."""

import socket
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

HEX = b"0123456789abcdef0123456789abcdef"
TOKENS = (
    b"y", b"ZZ", b"*", b"0", HEX[:15], HEX.upper(), HEX * 3, b"-" * 3000, b"\xff\xfe\x80", b"a\x00b",
    "é".encode(), b"$SYS", b"__class__", b"{}", b"'", b"\x7f",
)  # fmt: skip
PAYLOADS = (
    b"", b"\x00", b"\xff" * 64, b"x" * 900_000, b"null", b"{}", b"[]", b"[null]", b"[{}]", b"[[", b"[" * 50_000,
    b'{"seq": -1}', b'[{"seq": 1e999}]', b'"\\ud800"', b"\r\n\r\n", b"-ERR 'Stale Connection'\r\n",
    b'[{"run_id": "x", "seq": "' + b"9" * 6000 + b'", "type": "run.completed"}]',
)  # fmt: skip
HEADERS = (
    b"",
    b"NATS/1.0\r\n\r\n",
    b"NATS/1.0\r\n\xff: \xfe\r\n\r\n",
    b"NATS/1.0 \xff\r\nno colon\r\n\r\n",
)


def odd_messages(prefixes: Iterable[bytes]) -> list[bytes]:
    """Return the wire form of odd messages on subjects below `prefixes`, and on a well-formed one.

    Those that may deafen a client come last: it would not hear the others.
    """
    told = [each for prefix in prefixes for each in _below(prefix)]
    return sorted(told, key=lambda message: b"\xff" in message)


def _below(prefix: bytes) -> Iterator[bytes]:
    for token in (*TOKENS, HEX):
        yield _message(prefix + b"." + token, b"")
        yield _message(prefix + b"." + token, b"\xff\x00")
    for payload in PAYLOADS:
        yield _message(prefix + b"." + HEX, payload)
    for header in HEADERS:
        yield _message(prefix + b"." + HEX, b"[]", header)


def _message(subject: bytes, payload: bytes, header: bytes | None = None) -> bytes:
    if header is None:
        return b"PUB %b %d\r\n%b\r\n" % (subject, len(payload), payload)
    whole = header + payload
    return b"HPUB %b %d %d\r\n%b\r\n" % (subject, len(header), len(whole), whole)


def publish_oddly(url: str, messages: Iterable[bytes]) -> int:
    """Send the messages, each connection until the server refuses it; return how many left."""
    where = urlsplit(url)
    sent = 0
    rest = list(messages)
    while rest:
        with socket.create_connection((where.hostname, where.port), timeout=5) as wire:
            wire.recv(4096)
            wire.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nPING\r\n')
            try:
                while rest:
                    wire.sendall(rest.pop(0))
                    sent += 1
                wire.sendall(b"PING\r\n")
                _until_heard(wire)
            except OSError:
                continue
    return sent


def _until_heard(wire: socket.socket) -> None:
    """Read until the server answered what was sent, or hung up."""
    wire.settimeout(5)
    pongs = 0
    while pongs < 2 and (said := wire.recv(65536)):
        pongs += said.count(b"PONG")
