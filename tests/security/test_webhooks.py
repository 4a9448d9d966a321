"""Webhooks reach nobody's own network, in whatever words an address is written, and keep secrets."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import structlog
from aiohttp import web

from api.webhooks.message import ping
from api.webhooks.send import Sender
from api.webhooks.target import TargetRefused, guarded_socket, is_public, why_not
from ledger.clock import system_clock
from tests.api.serving import Server, serving

INNER: Final = (
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7F.1",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "0",
    "0.0.0.0",  # noqa: S104 - asked for, not listened on
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
)
"""Names of this machine; most of them lead to a server that listens on 127.0.0.1."""
OTHERS: Final = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.170",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "ff02::1",
    "2001:db8::1",
    "64:ff9b:1::7f00:1",
    "fe80::1%eth0",
)
SECRET: Final = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMw=="


class Ear:
    """A server on this machine that hears whether anybody came."""

    def __init__(self) -> None:
        self.heard = 0
        self.port = 0

    async def take(self, request: web.Request) -> web.Response:
        """Count."""
        self.heard += 1
        return web.Response()


@asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    """Listen on this machine."""
    ear = Ear()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", ear.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ear.port = runner.addresses[0][1]
    try:
        yield ear
    finally:
        await runner.cleanup()


async def test_no_way_of_writing_an_address_leads_inside() -> None:
    """Numbers in every base, short, mapped and dotted forms are refused, and nobody is reached."""
    message = ping("m", "2026-01-01T00:00:00Z", "hook")
    async with listening() as ear:
        guarded = Sender(private=False, connections=4, clock=system_clock)
        free = Sender(private=True, connections=4, clock=system_clock)
        try:
            for host in INNER:
                url = f"http://{host}:{ear.port}/"
                outcome = await guarded.send(url, message, [b"k" * 32], 5)
                assert outcome.error in ("target-refused", "name-unknown"), (host, outcome)
            assert ear.heard == 0
            for host in ("127.0.0.1", "0x7f000001", "localhost"):
                await free.send(f"http://{host}:{ear.port}/", message, [b"k" * 32], 5)
            assert ear.heard == 3, "unguarded, they do lead inside"
        finally:
            await guarded.close()
            await free.close()


async def test_no_way_of_writing_an_address_can_be_set(database_url: str, tmp_path: Path) -> None:
    """The API refuses an inner address when it is set, and when it is changed."""
    async with serving(database_url, tmp_path) as server:
        for host in INNER:
            answer = await server.post("/v1/webhooks", {"name": "x", "url": f"http://{host}/"})
            answer.problem(422, "target-refused", "$.url")
        for url in (
            "file:///etc/passwd",
            "gopher://x/",
            "http://user:password@example.org/",
            "http://example.org/#x",
            "http://a b/",
            "http://example.org\\@127.0.0.1/",
            "http://127.0.0.%31/",
            "http:///x",
            "//x/",
            "x",
        ):
            answer = await server.post("/v1/webhooks", {"name": "x", "url": url})
            answer.problem(422, "target-refused", "$.url")
        assert (await server.get("/v1/webhooks")).json["webhooks"] == []


def test_only_public_addresses_are_connected_to() -> None:
    """What the socket is made for is looked at last, whatever led there."""
    for address in OTHERS:
        assert not is_public(address), address
        literal = f"[{address}]" if ":" in address else address
        assert why_not(f"https://{literal}/", private=False), address
    for target in (*OTHERS, "127.0.0.1", "2130706433", "127.1", "localhost", ""):
        with pytest.raises(TargetRefused):
            guarded_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (target, 80)))
    made = guarded_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80)))
    made.close()


async def test_a_webhooks_secret_is_shown_once(server: Server) -> None:
    """Not in views, lists, deliveries, events, logs, files that others read, or the database."""
    async with listening() as ear:
        url = f"http://127.0.0.1:{ear.port}/"
        with structlog.testing.capture_logs() as lines:
            body = {"name": "hook", "url": url, "secret": SECRET}
            made = (await server.post("/v1/webhooks", body)).expect(201)
            assert made.json["secret"] == SECRET
            (await server.post("/v1/webhooks/hook/test")).expect(200)
            rotated = (await server.post("/v1/webhooks/hook/secrets", {})).expect(201).json
        for path in (
            "/v1/webhooks",
            "/v1/webhooks/hook",
            "/v1/webhooks/hook/deliveries",
            "/v1/events?limit=5000",
            "/metrics",
        ):
            answer = (await server.get(path)).expect(200)
            assert SECRET.encode() not in answer.raw, path
            assert rotated["secret"].encode() not in answer.raw, path
        assert SECRET not in repr(lines)
        assert rotated["secret"] not in repr(lines)
        data = server.node.settings.data
        assert (data / "webhook-key").stat().st_mode & 0o077 == 0
    pool = server.node.store.pool
    tables = await pool.fetch(
        "select table_schema || '.' || table_name as name from information_schema.tables "
        "where table_schema not in ('pg_catalog', 'information_schema')"
    )
    for row in tables:
        for kept in await pool.fetch(f"select t::text as row from {row['name']} t"):
            assert SECRET not in kept["row"], row["name"]
            assert SECRET.removeprefix("whsec_") not in kept["row"], row["name"]
