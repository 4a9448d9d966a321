"""What is read of an answer's headers, and sealing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.webhooks.sealing import KeyUnknown, sealing_of
from api.webhooks.send import retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("120", 120),
        (" 7 ", 7),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("999999999999", 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("-1", None),
        ("soon", None),
        ("²", None),
        ("", None),
    ],
)
def test_retry_after(header: str | None, wait_s: float | None) -> None:
    """Seconds and dates are understood, at most a day; anything else counts as not said."""
    assert retry_after(header, NOW) == wait_s


def test_what_is_sealed_opens_with_the_same_key_only(tmp_path: Path) -> None:
    """The data directory's key is made once; another key, or another hook's secret, opens nothing."""
    sealing = sealing_of(None, tmp_path / "a")
    again = sealing_of(None, tmp_path / "a")
    sealed = sealing.seal("whsec_x", "webhook/1")
    assert again.open(sealing.key_id, sealed, "webhook/1") == "whsec_x"
    assert b"whsec_x" not in sealed
    with pytest.raises(KeyUnknown):
        again.open(sealing.key_id, sealed, "webhook/2")
    with pytest.raises(KeyUnknown):
        sealing_of(None, tmp_path / "b").open(sealing.key_id, sealed, "webhook/1")
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["webhook-key"]
    assert (tmp_path / "a" / "webhook-key").stat().st_mode & 0o777 == 0o600


def test_a_key_can_be_given_and_must_be_one(tmp_path: Path) -> None:
    """What is given goes before the file; what is no key is refused, with its place."""
    given = sealing_of("A" * 43 + "=", tmp_path)
    assert not list(tmp_path.iterdir())
    assert given.open(given.key_id, given.seal("s", "x"), "x") == "s"
    with pytest.raises(ValueError, match="JOBLEDGER_WEBHOOK_KEY"):
        sealing_of("short", tmp_path)
    (tmp_path / "webhook-key").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="webhook-key"):
        sealing_of(None, tmp_path)
