"""Webhooks as they are stored: address, state, sealed secrets, and the log of attempts."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from api.consumers.state import Connection
from api.webhooks.sealing import KeyUnknown, Sealing
from api.webhooks.send import Outcome
from api.webhooks.sign import key_of
from ledger.store.queries import load

_SQL: Final = load(Path(__file__).parent / "sql" / "webhooks.sql")
RETRY_DELAYS_S: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Ten attempts over about 76 hours."""
TIMEOUT_S: Final = 20.0
PAUSE_FROM_FAILURES: Final = 3
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 300.0
DISABLE_AFTER_S: Final = 5 * 86_400.0
MAX_ATTEMPTS_KEPT: Final = 10_000
"""Of one hook."""
CHANNEL: Final = "jobledger_webhooks"


class Hook(Struct, frozen=True, kw_only=True):
    """A webhook; its name, filter and position are its consumer's."""

    consumer: int
    url: str
    state: str
    reason: str
    timeout_s: float
    retry_delays_s: tuple[float, ...]
    failures: int
    failing_since: datetime | None
    is_paused: bool | None
    pause_s: float
    last_error: str
    last_success_at: datetime | None
    modified_at: datetime

    @property
    def is_enabled(self) -> bool:
        """Whether anything is sent."""
        return self.state == "enabled"


class Secret(Struct, frozen=True, kw_only=True):
    """A secret that signs, still sealed."""

    id: int
    key_id: str
    sealed: bytes
    made_at: datetime
    expires_at: datetime | None


class Attempt(Struct, frozen=True, kw_only=True):
    """One attempt, as it is remembered."""

    id: int
    position: int | None
    message: str
    type: str
    stream: str
    attempt: int
    outcome: str
    status: int | None
    error: str
    duration_ms: int
    at: datetime


class Tried(Struct, frozen=True, kw_only=True):
    """One attempt, to be remembered."""

    position: int | None
    message: str
    type: str
    stream: str
    attempt: int
    result: str
    outcome: Outcome


async def make(
    connection: Connection,
    consumer: int,
    *,
    url: str,
    timeout_s: float,
    retry_delays_s: Sequence[float],
) -> None:
    """Make a hook of a consumer that was just made."""
    await connection.execute(_SQL["make"], consumer, url, timeout_s, list(retry_delays_s))


async def find(connection: Connection, consumers: Sequence[int]) -> dict[int, Hook]:
    """Find hooks by their consumers."""
    rows = await connection.fetch(_SQL["find"], consumers)
    return {row["consumer"]: _of(row, Hook) for row in rows}


async def enabled(connection: Connection, limit: int) -> list[int]:
    """Give the hooks that are to be served."""
    return [row["consumer"] for row in await connection.fetch(_SQL["enabled"], limit)]


async def change(connection: Connection, hook: Hook) -> None:
    """Set address, time limit and retries."""
    await connection.execute(
        _SQL["change"], hook.consumer, hook.url, hook.timeout_s, list(hook.retry_delays_s)
    )


async def set_state(connection: Connection, consumer: int, state: str, reason: str = "") -> None:
    """Enable or disable. Idempotent."""
    await connection.execute(_SQL["set_state"], consumer, state, reason)


def about(consumer: int) -> str:
    """What a hook's secrets are sealed together with."""
    return f"webhook/{consumer}"


async def add_secret(
    connection: Connection, consumer: int, secret: str, sealing: Sealing, *, others_s: float | None
) -> None:
    """Add a secret that signs; the others go on signing for *others_s*, None for ever."""
    if others_s is not None:
        await connection.execute(_SQL["expire_secrets"], consumer, others_s)
    sealed = sealing.seal(secret, about(consumer))
    await connection.execute(_SQL["add_secret"], consumer, sealing.key_id, sealed)


async def secrets(connection: Connection, consumer: int) -> list[Secret]:
    """Give the secrets that sign, newest first."""
    return [_of(row, Secret) for row in await connection.fetch(_SQL["secrets"], consumer)]


async def keys(connection: Connection, consumer: int, sealing: Sealing) -> list[bytes]:
    """Open the secrets that sign, newest first.

    Raises:
        KeyUnknown: the newest was sealed elsewhere, so this process cannot send for the hook.
    """
    opened: list[bytes] = []
    for secret in await secrets(connection, consumer):
        try:
            text = sealing.open(secret.key_id, secret.sealed, about(consumer))
        except KeyUnknown:
            if not opened:
                raise
            continue
        opened.append(key_of(text))
    if not opened:
        raise KeyUnknown
    return opened


async def succeeded(connection: Connection, consumer: int) -> bool:
    """Note that the address took something; whether it had been left alone before.

    What waits for a retry is then tried at once.
    """
    before = await connection.fetchval(_SQL["succeeded"], consumer)
    if before is None or before < PAUSE_FROM_FAILURES:
        return False
    await connection.execute(_SQL["hurry"], consumer)
    return True


async def failed(connection: Connection, consumer: int, outcome: Outcome) -> bool:
    """Note that the address failed; whether it is to be left alone from now on."""
    row = await connection.fetchrow(
        _SQL["failed"],
        consumer,
        outcome.error,
        outcome.is_gone,
        outcome.retry_after_s,
        PAUSE_FROM_FAILURES,
        FIRST_PAUSE_S,
        LONGEST_PAUSE_S,
        DISABLE_AFTER_S,
    )
    return row is None or row["state"] != "enabled" or bool(row["is_paused"])


async def note(connection: Connection, consumer: int, tried: Sequence[Tried]) -> None:
    """Remember attempts."""
    await connection.execute(
        _SQL["note"],
        consumer,
        [each.position for each in tried],
        [each.message for each in tried],
        [each.type for each in tried],
        [each.stream for each in tried],
        [each.attempt for each in tried],
        [each.result for each in tried],
        [each.outcome.status for each in tried],
        [each.outcome.error for each in tried],
        [each.outcome.duration_ms for each in tried],
    )


async def note_one(connection: Connection, consumer: int, tried: Tried) -> Attempt:
    """Remember one attempt, and give it as it is remembered."""
    row = await connection.fetchrow(
        _SQL["note_one"],
        consumer,
        tried.position,
        tried.message,
        tried.type,
        tried.stream,
        tried.attempt,
        tried.result,
        tried.outcome.status,
        tried.outcome.error,
        tried.outcome.duration_ms,
    )
    attempt: Attempt = _of(row, Attempt)
    return attempt


async def attempts(
    connection: Connection, consumer: int, *, before: int, limit: int, outcome: str | None
) -> list[Attempt]:
    """List attempts, newest first."""
    rows = await connection.fetch(_SQL["attempts"], consumer, before, limit, outcome)
    return [_of(row, Attempt) for row in rows]


async def forget(connection: Connection, age_s: float) -> None:
    """Remove old attempts, some at a time. Idempotent."""
    await connection.execute(_SQL["forget"], age_s, MAX_ATTEMPTS_KEPT)


def _of(row: Any, kind: type[Any]) -> Any:
    return msgspec.convert({name: row[name] for name in kind.__struct_fields__}, kind)
