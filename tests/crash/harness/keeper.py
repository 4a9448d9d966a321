"""PostgreSQL for servers that are given a database URL: a program that keeps one running.

Run as `python -m tests.crash.harness.keeper DIRECTORY`; SIGTERM shuts PostgreSQL down.
"""

import asyncio
import signal
import sys
from pathlib import Path

from ledger.store.embedded import EmbeddedPostgres


async def main(directory: Path) -> None:
    """Keep it running until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    postgres = EmbeddedPostgres(directory)
    await postgres.start()
    await stop.wait()
    await postgres.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
