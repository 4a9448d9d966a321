"""What log lines hold, and what they never do."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from api.log import configure_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    names = ("aiohttp", "asyncio", "asyncpg")
    before = {name: logging.getLogger(name).handlers for name in names}
    try:
        yield
    finally:
        structlog.reset_defaults()
        for name, handlers in before.items():
            logging.getLogger(name).handlers = handlers
            logging.getLogger(name).propagate = True


def fail(secret: str) -> None:
    """Fail with words that quote a caller."""
    raise ValueError(secret) from OSError(28, "No space left", secret)


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_unexpected_error_says_where_and_not_what(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Type, cause and places are logged; messages and local variables are not."""
    configure_logging(form, "info")
    try:
        fail("SECRET")
    except ValueError:
        structlog.get_logger().exception("unexpected error", request_id="r1")
    told = capsys.readouterr().err
    assert "ValueError from OSError (No space left)" in told
    assert "test_log.py" in told
    assert "r1" in told
    assert "SECRET" not in told


def test_libraries_quote_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """What libraries say of an error is passed on without the values in it, a line each."""
    configure_logging("json", "info")
    try:
        fail("SECRET")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling %s", "SECRET")
        logging.getLogger("asyncpg.pool").warning("SECRET", exc_info=True)
    logging.getLogger("asyncio").error("Task exception was never retrieved: SECRET")
    logging.getLogger("aiohttp.access").info("SECRET")
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    first, second, _ = told
    assert (first["event"], first["error"].split()[0]) == ("Error handling %s", "ValueError")
    assert second["error"].split()[0] == "ValueError"
    assert "SECRET" not in json.dumps(told)


def test_an_unknown_level_is_named() -> None:
    """A level that there is not is refused with those there are."""
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        configure_logging("json", "loud")
