"""`jobledger demo`: everything at once, on the example jobs; what `scripts/run` starts.

Works on a data directory of an earlier demo too, also of one that was killed: jobs are defined
again, and an execution that is still open is waited for.
"""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from api.cli import exits, printing
from api.cli.children import Child
from api.cli.connection import CREDENTIALS, DEFAULT_DATA, find_address, read_credentials
from api.cli.problems import describe
from api.cli.story import StoryFailed, tell
from api.client.errors import ClientError
from api.client.session import Ledger

READY_DEADLINE_S: Final = 120.0
PORT_DEADLINE_S: Final = 20.0
STORY_DEADLINE_S: Final = 300.0
_LOOK_EVERY_S: Final = 0.1


class ChildDied(Exception):
    """A program that the demo needs has ended by itself."""

    def __init__(self, child: Child, status: int) -> None:
        self.child = child
        super().__init__(f"the {child.name} ended with status {status}")


@click.command(short_help="Run server, worker and the example jobs.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="TCP port."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    envvar="JOBLEDGER_DATA",
    show_default=True,
    help="Where the ledger keeps its files.",
)
@click.option("--once", is_flag=True, help="Stop after the example jobs have run.")
def demo(*, host: str, port: int, data: Path, once: bool) -> None:
    """Start server and worker, run the example jobs, then keep serving until told to stop.

    The exit code is not 0 when anything went wrong.
    """
    sys.exit(asyncio.run(_Demo(host=host, port=port, data=data, once=once).run()))


class _Demo:
    def __init__(self, *, host: str, port: int, data: Path, once: bool) -> None:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._host = host
        self._port = port
        self._data = data
        self._once = once
        local = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - compared
        self._url = f"http://{f'[{local}]' if ':' in local else local}:{port}"
        self._server = Child("server", data / "server.log")
        self._worker = Child("worker", data / "worker.log")
        self._out: Console = printing.console()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        try:
            code = await self._until_stopped()
        except ChildDied as died:
            self._fail(str(died), died.child)
            code = exits.FAILED
        except StoryFailed as failed:
            self._fail(str(failed), self._worker)
            code = exits.FAILED
        except ClientError as error:
            self._fail(describe(error), self._server)
            code = exits.FAILED
        except TimeoutError:
            self._fail("the example jobs took too long", self._worker)
            code = exits.FAILED
        finally:
            stopped = [await self._worker.stop(), await self._server.stop()]
        if code == exits.DONE and any(stopped):
            self._fail(f"server or worker did not stop cleanly: {stopped}", self._server)
            return exits.FAILED
        return code

    async def _until_stopped(self) -> int:
        """Do everything; ends early when told to stop or when a child dies."""
        doing = asyncio.create_task(self._everything())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
            return exits.DONE
        finally:
            doing.cancel()
            stopping.cancel()
            await asyncio.gather(doing, stopping, return_exceptions=True)

    async def _everything(self) -> None:
        await self._port_is_free()
        self._out.print(f"starting the server on {self._url}, data in {self._data} …")
        where = ["--data", str(self._data)]
        await self._server.start(["serve", "--host", self._host, "--port", str(self._port), *where])
        await self._ready()
        await self._worker.start(["worker", "--url", self._url, "--name", "demo", *where])
        async with self._ledger() as ledger:
            async with asyncio.timeout(STORY_DEADLINE_S):
                await self._while_alive(tell(ledger, self._out))
            self._say_where()
            if not self._once:
                self._out.print("serving; Ctrl-C stops everything")
                await self._while_alive(self._stop.wait())

    def _ledger(self) -> Ledger:
        address = find_address(self._url, None, self._data)
        return Ledger(address.url, address.key)

    async def _while_alive(self, work: Coroutine[Any, Any, object]) -> None:
        """Do *work* for as long as both children run.

        Raises:
            ChildDied: one of them ended.
        """
        doing = asyncio.create_task(work)
        ends = {asyncio.create_task(c.wait()): c for c in (self._server, self._worker)}
        try:
            await asyncio.wait((doing, *ends), return_when=asyncio.FIRST_COMPLETED)
            for end, child in ends.items():
                if end.done() and child.has_ended:
                    raise ChildDied(child, end.result())
            await doing
        finally:
            for task in (doing, *ends):
                task.cancel()
            await asyncio.gather(doing, *ends, return_exceptions=True)

    async def _port_is_free(self) -> None:
        """Wait for a server that is just being stopped to leave the port.

        Raises:
            StoryFailed: it stays taken.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PORT_DEADLINE_S
        while True:
            try:
                probe = await asyncio.start_server(lambda *_: None, self._host, self._port)
            except OSError as error:
                if loop.time() >= deadline:
                    raise StoryFailed(
                        f"port {self._port} is taken; choose another by --port"
                    ) from error
            else:
                probe.close()
                await probe.wait_closed()
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _ready(self) -> None:
        """Wait until the server takes requests and its credentials are written.

        Raises:
            ChildDied: it ended instead.
            StoryFailed: it took too long.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_DEADLINE_S
        async with Ledger(self._url, "", timeout_s=2) as ledger:
            while loop.time() < deadline:
                if self._server.has_ended:
                    raise ChildDied(self._server, await self._server.wait())
                if await ledger.is_ready() and read_credentials(self._data) is not None:
                    return
                await asyncio.sleep(_LOOK_EVERY_S)
        raise StoryFailed(f"the server was not ready within {READY_DEADLINE_S:g} s")

    def _say_where(self) -> None:
        key = find_address(self._url, None, self._data).key
        auth = f"-H 'Authorization: Bearer {key}'"
        lines = (
            "",
            f"[bold]look[/bold]         {self._url}/ui/#key={key}",
            f"[bold]url[/bold]          {self._url}",
            f"[bold]credentials[/bold]  {self._data / CREDENTIALS}",
            "",
            "Try:",
            f"  curl -s {auth} -X POST {self._url}/v1/jobs/SlowExportJob/executions",
            f"  curl -s {auth} {self._url}/v1/executions/active",
            f"  curl -s {auth} '{self._url}/v1/events?after=0&limit=10'",
            f"  jobledger --help   (jobledger ps --data {self._data})",
            "",
        )
        for line in lines:
            self._out.print(line, soft_wrap=True)

    def _fail(self, words: str, child: Child) -> None:
        click.echo(f"{click.style('demo failed:', fg='red', bold=True)} {words}", err=True)
        with suppress(OSError):
            if text := child.tail():
                click.echo(f"last lines of {child.log}:\n{text}", err=True)
