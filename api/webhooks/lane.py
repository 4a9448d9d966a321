"""Bringing one delivery to one webhook: its events in order, and what follows from each answer."""

import random
from typing import Any, Final

import asyncpg
from msgspec import Struct

from api.consumers.hand_out import Delivery
from api.consumers.settle import Done, Failed, acknowledge, set_aside
from api.consumers.terms import Consumer
from api.streaming.lines import StreamLine
from api.webhooks import hooks
from api.webhooks.hooks import Attempt, Hook, Tried
from api.webhooks.message import Message, message_of
from api.webhooks.sealing import Sealing
from api.webhooks.send import Outcome, Sender
from ledger.store.pool import store_errors

JITTER: Final = 0.2
FLUSH_EVENTS: Final = 20
"""Events brought before they are acknowledged together; so many may be repeated after a crash."""


class Course:
    """What the lanes of one hook have in common."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        sender: Sender,
        sealing: Sealing,
        consumer: Consumer,
        hook: Hook,
    ) -> None:
        self.pool = pool
        self.sender = sender
        self.consumer = consumer
        self.hook = hook
        self.is_over = False
        """Nothing more is to be sent: the address is left alone, or the process stops."""
        self.keys: list[bytes] = []
        self._sealing = sealing

    async def refresh(self) -> None:
        """Take up what was changed since.

        Raises:
            KeyUnknown: the secrets were sealed elsewhere.
        """
        consumer = self.consumer.id
        with store_errors():
            found = (await hooks.find(self.pool, [consumer])).get(consumer)
            if found is None or not found.is_enabled:
                self.is_over = True
                return
            self.hook = found
            self.keys = await hooks.keys(self.pool, consumer, self._sealing)


class _Sent(Struct, frozen=True):
    line: StreamLine
    message: Message
    attempt: int
    outcome: Outcome

    def tried(self, result: str) -> Tried:
        return Tried(
            position=self.line.position,
            message=self.message.id,
            type=self.line.type,
            stream=self.line.stream,
            attempt=self.attempt,
            result=result,
            outcome=self.outcome,
        )


async def bring(course: Course, delivery: Delivery) -> None:
    """Send a delivery's events one after the other, as long as that makes sense.

    Order: an event is sent only after the one before it of its stream was taken. What is not sent
    stays under its lease; whoever ends the course gives it back.
    """
    done: list[_Sent] = []
    skipped: set[str] = set()
    reached = 0
    for line in delivery.lines:
        if course.is_over:
            break
        reached = line.position
        if line.stream in skipped:
            continue
        message = message_of(line)
        attempt = delivery.attempt if line is delivery.lines[0] else 1
        outcome = await course.sender.send(
            course.hook.url, message, course.keys, course.hook.timeout_s
        )
        sent = _Sent(line, message, attempt, outcome)
        if outcome.is_delivered:
            done.append(sent)
            if len(done) >= FLUSH_EVENTS:
                await _flush(course, delivery, done, reached)
                done = []
            continue
        if done:
            await _flush(course, delivery, done, done[-1].line.position)
            done = []
        if await _failed(course, sent, delivery):
            return  # it will come again by itself, all of it
        skipped.add(line.stream)
    if reached:
        await _flush(course, delivery, done, reached)


async def _flush(course: Course, delivery: Delivery, done: list[_Sent], through: int) -> None:
    """Acknowledge what was brought, and remember it."""
    with store_errors():
        async with course.pool.acquire() as connection, connection.transaction():
            settled = await acknowledge(
                connection,
                course.consumer.id,
                [Done(delivery.lease, through)],
                course.consumer.terms.lease_s,
            )
            if done:
                await hooks.succeeded(connection, course.consumer.id)
                await hooks.note(
                    connection, course.consumer.id, [each.tried("delivered") for each in done]
                )
    if settled.lost:
        course.is_over = True


async def _failed(course: Course, sent: _Sent, delivery: Delivery) -> bool:
    """Set the stream aside; whether the lease has ended with that."""
    outcome = sent.outcome
    with store_errors():
        async with course.pool.acquire() as connection, connection.transaction():
            result = "gone"
            if not outcome.is_gone:  # not this event's fault: it waits until the hook is enabled
                aside = await set_aside(
                    connection,
                    course.consumer.id,
                    Failed(
                        lease=delivery.lease,
                        position=sent.line.position,
                        reason=_reason(outcome),
                        retry_after_s=_delay(course.hook, sent),
                    ),
                )
                result = aside.outcome
            await hooks.note(connection, course.consumer.id, [sent.tried(result)])
            if await hooks.failed(connection, course.consumer.id, outcome):
                course.is_over = True
    if result in ("lost", "gone"):
        course.is_over = True
    return delivery.lease.held is not None or result in ("lost", "gone")


def _reason(outcome: Outcome) -> str:
    return f"status {outcome.status}" if outcome.status is not None else outcome.error


def _delay(hook: Hook, sent: _Sent) -> float:
    """Give how long to wait for the next attempt, not less than the receiver asks for."""
    delays = hook.retry_delays_s
    index = min(max(sent.attempt, 1), len(delays)) - 1
    delay_s = delays[index] if delays else 0.0
    jittered = delay_s * random.uniform(1 - JITTER, 1 + JITTER)
    return min(max(jittered, sent.outcome.retry_after_s or 0.0), 86_400.0)


async def send_test(
    pool: "asyncpg.Pool[Any]", sender: Sender, hook: Hook, keys: list[bytes], message: Message
) -> Attempt:
    """Send a test message, and remember that it was sent."""
    outcome = await sender.send(hook.url, message, keys, hook.timeout_s)
    tried = Tried(
        position=None,
        message=message.id,
        type=message.type,
        stream="",
        attempt=1,
        result="delivered" if outcome.is_delivered else "failed",
        outcome=outcome,
    )
    with store_errors():
        return await hooks.note_one(pool, hook.consumer, tried)
