"""Calls that leave the mesh go to addresses that were looked at, and nowhere else; nothing is sent before."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from weft.a2a.client import guarded_session
from weft.core.addresses import network_of
from weft.core.protocol_errors import DelegateRefusedError

HERE = (network_of("127.0.0.0/8"),)


class Names(AbstractResolver):
    """Resolves every name to the next of its answers."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self._answers = list(answers)
        self.questions = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.questions += 1
        hosts = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
            for each in hosts
        ]

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def server(*headers: str, status: str = "200 OK") -> AsyncIterator[tuple[int, list[bytes]]]:
    """Yield the port of a server that answers every request alike, and what it was sent."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError:
            heads.append(b"")
        lines = "".join(f"{each}\r\n" for each in headers)
        writer.write(f"HTTP/1.1 {status}\r\n{lines}Content-Length: 0\r\n\r\n".encode())
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], heads


@pytest.mark.requirement("DEL-1")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "[::ffff:a00:1]",
        "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "100.64.0.1", "224.0.0.1", "0.0.0.0",  # noqa: S104 - nothing is bound
    ],
)  # fmt: skip
async def test_no_form_of_an_address_that_is_not_public_gets_a_byte(host: str) -> None:
    async with server() as (port, heads), guarded_session() as session:
        for scheme in ("https", "http"):
            with pytest.raises(DelegateRefusedError):
                await session.post(f"{scheme}://{host}:{port}/", data=b"secret")

    assert heads == []


@pytest.mark.requirement("DEL-1")
async def test_plain_http_goes_to_listed_loopback_addresses_alone() -> None:
    private = network_of("10.0.0.0/8")
    async with server() as (port, heads):
        async with guarded_session(HERE) as session:
            async with session.get(f"http://127.0.0.1:{port}/") as response:
                assert response.status == 200
            async with session.get(f"http://localhost:{port}/") as response:
                assert response.status == 200
            with pytest.raises(DelegateRefusedError, match="https"):
                await session.get("http://agent.example/")
        async with guarded_session((private,)) as session:
            with pytest.raises(DelegateRefusedError, match="https"):
                await session.get("http://10.0.0.1/")

    assert len(heads) == 2


@pytest.mark.requirement("DEL-1")
@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://x/", "ws://x/"]
)
async def test_other_schemes_are_refused(url: str) -> None:
    async with guarded_session(HERE) as session:
        with pytest.raises((DelegateRefusedError, aiohttp.ClientError)):
            await session.get(url)


@pytest.mark.requirement("DEL-1")
async def test_a_name_that_means_another_address_later_is_looked_at_each_time() -> None:
    names = Names(("93.184.216.34", "127.0.0.1"), ("127.0.0.1",))
    async with server() as (port, heads), guarded_session(resolver=names) as session:
        for _ in range(2):
            with pytest.raises(DelegateRefusedError, match=r"agent\.example"):
                await session.get(f"https://agent.example:{port}/")

    assert names.questions == 2
    assert heads == []


async def test_the_address_that_was_looked_at_is_the_one_connected_to() -> None:
    names = Names(("127.0.0.1",), ("127.0.0.9",))
    async with (
        server() as (port, heads),
        guarded_session(HERE, resolver=names) as session,
        session.get(f"http://localhost:{port}/") as response,
    ):
        assert response.status == 200

    assert (names.questions, len(heads)) == (1, 1)


@pytest.mark.requirement("DEL-1")
async def test_a_redirect_is_followed_by_nobody_and_checked_where_it_were() -> None:
    async with (
        server("Location: http://10.0.0.1/", status="302 Found") as (port, heads),
        guarded_session(HERE) as session,
    ):
        with pytest.raises(DelegateRefusedError):
            await session.get(f"http://127.0.0.1:{port}/", allow_redirects=True)

    assert len(heads) == 1
