"""End with the process that started this one, however that ended."""

import os
import signal
import sys
import threading


def stop_with_stdin() -> None:
    """Stop in good order, as by SIGTERM, when standard input is closed.

    The starter holds the other end of a pipe; even kill -9 closes it.
    """

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
