"""`/v1/webhooks`: addresses to which the ledger brings events; see `api.webhooks`.

Names belong to one scope, as those of consumers do. Who may set an address or a secret is an
administrator; operators see how webhooks fare, stop and start them, and replay.
"""

import asyncio
import socket
from typing import Final, cast, get_args

from aiohttp import web
from asyncpg import ForeignKeyViolationError
from msgspec import UNSET
from msgspec.structs import asdict, replace
from yarl import URL

from api.consumers import catalog
from api.consumers.catalog import Standing
from api.consumers.state import CONSUMERS, Connection
from api.consumers.terms import Consumer, Terms
from api.native.call import Call, answer
from api.native.consumers import (
    discard_of,
    filter_of,
    parked_of,
    position_of,
    replay_of,
    scope,
)
from api.native.cursor import decode_cursor, encode_cursor
from api.native.problems import ProblemError, malformed, not_found
from api.native.webhook_wire import (
    AttemptList,
    AttemptView,
    Delivered,
    DisablePost,
    ReplayFrom,
    SecretMade,
    SecretPost,
    SecretView,
    WebhookList,
    WebhookMade,
    WebhookPatch,
    WebhookPost,
    WebhookView,
)
from api.webhooks import hooks
from api.webhooks.hooks import Attempt, Hook, Secret
from api.webhooks.lane import send_test
from api.webhooks.message import ping
from api.webhooks.sealing import KeyUnknown
from api.webhooks.sign import key_of, new_secret
from api.webhooks.target import GuardedResolver, TargetRefused, why_not
from ledger.events.entry import instant_text
from ledger.ids import new_uuid
from ledger.store.pool import store_errors

MAX_WEBHOOKS: Final = 100
"""Of one organization."""
LEASE_S: Final = 30.0
"""Prolonged while a process lives; after it was killed its part waits for so long."""
RESOLVE_S: Final = 3.0
NEWEST: Final = 2**62
NO_STORE: Final = {"Cache-Control": "no-store"}


async def list_webhooks(call: Call) -> web.Response:
    """List webhooks, those made first first."""
    limit = call.query_integer("limit", 100, low=1, high=call.node.settings.max_page)
    after = decode_cursor(call.query("after"), "w") or 0
    pool = call.node.store.pool
    with store_errors():
        found = await catalog.page(pool, call.readable, "webhook", after=after, limit=limit)
        ids = [each.id for each in found]
        known = await hooks.find(pool, ids)
        stand = await catalog.standings(pool, ids)
    head = call.node.store.tail.head
    views = tuple(
        _view(each, known[each.id], stand[each.id], head)
        for each in found
        if each.id in stand and each.id in known
    )
    cursor = encode_cursor("w", found[-1].id if len(found) == limit else None)
    return answer(WebhookList(webhooks=views, head=head, next=cursor))


async def make(call: Call) -> web.Response:
    """Make a webhook; its secret is in this answer and nowhere else."""
    post = await call.body(WebhookPost)
    wanted = filter_of(call, post.types, post.job_id)
    after = position_of(call, post.start, "$.start")
    secret = _secret(post.secret)
    await _check_target(call, post.url)
    delays = post.retry_delays_s
    terms = Terms(
        description=post.description,
        lease_s=LEASE_S,
        max_attempts=len(delays) + 1,
        backoff_s=delays[0] if delays else 0.0,
        backoff_max_s=max(delays, default=0.0),
    )
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            if await catalog.count(connection, scope(call), "webhook") >= MAX_WEBHOOKS:
                raise ProblemError(
                    409, "too-many-webhooks", f"An organization has {MAX_WEBHOOKS} at most."
                )
            made = await catalog.create(
                connection,
                organization=scope(call),
                kind="webhook",
                name=post.name,
                wanted=wanted,
                terms=terms,
                after=after,
                actor=call.principal.name,
            )
            if made is None:
                raise ProblemError(
                    409, "webhook-exists", f"There is a webhook {post.name!r} already."
                )
            await hooks.make(
                connection,
                made.id,
                url=post.url,
                timeout_s=post.timeout_s,
                retry_delays_s=delays,
            )
            await hooks.add_secret(
                connection, made.id, secret, call.node.webhooks.sealing, others_s=None
            )
    await call.node.webhooks.stir()
    view = await _one(call, made)
    return answer(WebhookMade(webhook=view, secret=secret), status=201, headers=NO_STORE)


def _secret(told: str | None) -> str:
    if told is None:
        return new_secret()
    try:
        key_of(told)
    except ValueError as error:
        raise malformed(str(error), "$.secret") from None
    return told


async def _check_target(call: Call, url: str) -> None:
    """Refuse an address to which nothing would ever be sent.

    A name that stands for nothing at the moment is taken: that may change, and is looked at again.
    """
    private = call.node.settings.webhook_private_targets
    reason = why_not(url, private=private)
    if reason is None and not private:
        resolver = GuardedResolver(private=False)
        try:
            async with asyncio.timeout(RESOLVE_S):
                await resolver.resolve(URL(url).host or "", 0, socket.AF_UNSPEC)
        except TargetRefused as error:
            reason = str(error)
        except (OSError, TimeoutError):
            pass  # it stands for nothing at the moment
        finally:
            await resolver.close()
    if reason is not None:
        raise ProblemError(
            422,
            "target-refused",
            "Nothing may be sent to that address.",
            f"{reason[0].upper()}{reason[1:]}.",
            path="$.url",
        )


async def read(call: Call) -> web.Response:
    """Show a webhook and how it fares."""
    consumer = await find(call)
    return answer(await _one(call, consumer), headers=NO_STORE)


async def patch(call: Call) -> web.Response:
    """Change a webhook's address, time limit or retries (merge patch)."""
    post = await call.body(WebhookPatch)
    consumer = await find(call)
    told = {name: value for name, value in asdict(post).items() if value is not UNSET}
    if "url" in told:
        await _check_target(call, told["url"])
    description = told.pop("description", None)
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            await _lock(connection, consumer)
            hook = await _hook(connection, consumer)
            await hooks.change(connection, replace(hook, **told))
            now = await catalog.by_id(connection, consumer.id) or consumer
            if description is not None:
                terms = replace(now.terms, description=description)
                now = await catalog.change(connection, consumer.id, terms) or now
    await call.node.webhooks.stir()
    return answer(await _one(call, now), headers=NO_STORE)


async def delete(call: Call) -> web.Response:
    """Remove a webhook, its secrets and its log."""
    consumer = await find(call)
    with store_errors():
        await catalog.delete(call.node.store.pool, consumer.id)
    await call.node.webhooks.stir()
    return web.Response(status=204)


async def enable(call: Call) -> web.Response:
    """Send again, from where it was; an address that was left alone is tried at once."""
    return await _set_state(call, "enabled", "")


async def disable(call: Call) -> web.Response:
    """Stop sending; the position stays."""
    post = await call.optional_body(DisablePost)
    return await _set_state(call, "disabled", post.reason)


async def _set_state(call: Call, state: str, reason: str) -> web.Response:
    consumer = await find(call)
    with store_errors():
        await hooks.set_state(call.node.store.pool, consumer.id, state, reason)
    await call.node.webhooks.stir()
    return answer(await _one(call, consumer), headers=NO_STORE)


async def rotate(call: Call) -> web.Response:
    """Add a secret; those before it go on signing for a while, so that receivers can follow."""
    post = await call.optional_body(SecretPost)
    consumer = await find(call)
    secret = _secret(post.secret)
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            await _lock(connection, consumer)
            await hooks.add_secret(
                connection,
                consumer.id,
                secret,
                call.node.webhooks.sealing,
                others_s=post.expire_others_after_s,
            )
    await call.node.webhooks.stir()
    return answer(SecretMade(secret=secret), status=201, headers=NO_STORE)


async def test(call: Call) -> web.Response:
    """Send a signed message of type `webhook.test` now, and tell what came of it."""
    consumer = await find(call)
    node = call.node
    with store_errors():
        hook = await _hook(node.store.pool, consumer)
        try:
            keys = await hooks.keys(node.store.pool, consumer.id, node.webhooks.sealing)
        except KeyUnknown:
            raise ProblemError(
                409,
                "secret-sealed",
                "This server cannot open the webhook's secret.",
                "It was sealed by a server with another key; ask that one, or rotate the secret.",
            ) from None
    message = ping(str(new_uuid()), instant_text(node.clock()), consumer.name)
    try:
        attempt = await send_test(node.store.pool, node.webhooks.sender, hook, keys, message)
    except ForeignKeyViolationError:  # it was removed while the message was under way
        raise not_found("webhook", consumer.name) from None
    return answer(_attempt_view(attempt))


async def list_deliveries(call: Call) -> web.Response:
    """List what was tried, newest first: never a body, never a secret."""
    consumer = await find(call)
    limit = call.query_integer("limit", 100, low=1, high=call.node.settings.max_page)
    outcome = call.choices("outcome", get_args(Delivered))
    if len(outcome) > 1:
        raise malformed("name one outcome", "?outcome")
    with store_errors():
        found = await hooks.attempts(
            call.node.store.pool,
            consumer.id,
            before=decode_cursor(call.query("after"), "d") or NEWEST,
            limit=limit,
            outcome=outcome[0] if outcome else None,
        )
    cursor = encode_cursor("d", found[-1].id if len(found) == limit else None)
    views = tuple(_attempt_view(each) for each in found)
    return answer(AttemptList(deliveries=views, next=cursor))


async def replay(call: Call) -> web.Response:
    """Bring again all events behind a position; nothing is set aside any more."""
    post = await call.body(ReplayFrom)
    consumer = await find(call)
    after = position_of(call, post.position, "$.position")
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            await catalog.reset(connection, consumer.id, after)
    await call.node.consumers.stir(consumer.id)
    return answer(await _one(call, consumer), headers=NO_STORE)


async def list_parked(call: Call) -> web.Response:
    """List executions that are parked, and with `retrying` those that are tried again."""
    return await parked_of(call, await find(call))


async def replay_parked(call: Call) -> web.Response:
    """Try parked executions anew, with all attempts."""
    return await replay_of(call, await find(call))


async def discard_parked(call: Call) -> web.Response:
    """Give up the event that stands in an execution's way; those behind it go on."""
    return await discard_of(call, await find(call))


async def find(call: Call) -> Consumer:
    """Find the webhook that a request names.

    Raises:
        ProblemError: there is none in the request's scope.
    """
    name = call.path("webhook")
    with store_errors():
        known = await catalog.find(call.node.store.pool, scope(call), "webhook", name)
    if known is None:
        raise not_found("webhook", name)
    return known


async def _lock(connection: Connection, consumer: Consumer) -> None:
    """Keep others from changing a webhook, which somebody may have removed since it was found.

    Raises:
        ProblemError: it is gone.
    """
    if await connection.fetchrow(CONSUMERS["lock"], consumer.id) is None:
        raise not_found("webhook", consumer.name)


async def _hook(connection: Connection, consumer: Consumer) -> Hook:
    hook = (await hooks.find(connection, [consumer.id])).get(consumer.id)
    if hook is None:
        raise not_found("webhook", consumer.name)
    return hook


async def _one(call: Call, consumer: Consumer) -> WebhookView:
    pool = call.node.store.pool
    with store_errors():
        hook = await _hook(pool, consumer)
        stand = (await catalog.standings(pool, [consumer.id])).get(consumer.id)
        secrets = await hooks.secrets(pool, consumer.id)
    if stand is None:
        raise not_found("webhook", consumer.name)
    return _view(consumer, hook, stand, call.node.store.tail.head, secrets)


def _view(
    consumer: Consumer,
    hook: Hook,
    standing: Standing,
    head: int,
    secrets: list[Secret] | None = None,
) -> WebhookView:
    return WebhookView(
        name=consumer.name,
        organization=consumer.organization,
        url=hook.url,
        state="enabled" if hook.is_enabled else "disabled",
        position=standing.done,
        head=head,
        lag=max(0, head - standing.done),
        parked=standing.parked,
        retrying=standing.retrying,
        timeout_s=hook.timeout_s,
        retry_delays_s=hook.retry_delays_s,
        created_at=consumer.created_at,
        created_by=consumer.created_by,
        modified_at=hook.modified_at,
        reason=hook.reason,
        failures=hook.failures,
        failing_since=hook.failing_since,
        paused_s=round(hook.pause_s, 1) if hook.is_paused else None,
        last_error=hook.last_error if hook.failures else "",
        last_success_at=hook.last_success_at,
        types=consumer.filter.types,
        job_id=consumer.filter.job_id,
        description=consumer.terms.description,
        secrets=tuple(
            SecretView(made_at=each.made_at, expires_at=each.expires_at) for each in secrets or ()
        ),
    )


def _attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        message=attempt.message,
        type=attempt.type,
        attempt=attempt.attempt,
        outcome=cast("Delivered", attempt.outcome),
        duration_ms=attempt.duration_ms,
        at=attempt.at,
        position=attempt.position,
        stream=attempt.stream,
        status=attempt.status,
        error=attempt.error,
    )
