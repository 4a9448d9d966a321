"""`/v1/projections` and `/v1/keys`: what operators look after."""

from typing import cast

from aiohttp import web

from api.native.call import Call, answer, uuid_of
from api.native.cursor import decode_cursor, encode_cursor
from api.native.executions import list_headers
from api.native.problems import ProblemError, not_found
from api.native.views import key_view
from api.native.wire import (
    KeyList,
    KeyMade,
    KeyPost,
    KeyView,
    ProjectionList,
    ProjectionView,
    QuarantineView,
    RebuildStarted,
)
from ledger.events.keys import Role
from ledger.ids import key_stream
from ledger.store.pool import store_errors
from projections.keys import query as keys
from projections.quarantine import quarantined
from projections.rebuild import request_rebuild
from projections.registry import projector
from projections.status import status


async def list_projections(call: Call) -> web.Response:
    """Show how far every projection has come, and what it could not take in.

    What went wrong names streams, and may quote them: only a key of all organizations sees it.
    """
    node = call.node
    head = node.store.tail.head
    everywhere = call.readable is None
    statuses = await status(node.store.pool, head)
    rebuilding = {s.name: s.position for s in statuses if s.generation == "rebuild"}
    with store_errors():
        parked = await quarantined(node.store.pool) if everywhere else []
    views = tuple(
        ProjectionView(
            name=live.name,
            version=live.version,
            position=live.position,
            lag=live.lag,
            state=live.state,
            owner=live.owner or "",
            error=(live.error or "") if everywhere else "",
            rebuilding_at=rebuilding.get(live.name),
            quarantined=live.quarantined,
            quarantine=tuple(
                QuarantineView(
                    stream=row.stream,
                    from_position=row.from_position,
                    attempts=row.attempts,
                    error=row.error or "",
                )
                for row in parked
                if row.name == live.name and row.generation == "live"
            ),
        )
        for live in statuses
        if live.generation == "live"
    )
    return answer(ProjectionList(projections=views, head=head))


async def rebuild(call: Call) -> web.Response:
    """Build a projection anew beside the live one, which serves until the swap."""
    if call.readable is not None:
        raise ProblemError(
            403, "forbidden", "Projections are shared: it takes a key of all organizations."
        )
    name = call.path("name")
    found = projector(name)
    if found is None:
        raise not_found("projection", name)
    with store_errors():
        await request_rebuild(call.node.store.pool, found)
    return answer(RebuildStarted(name=name, state="rebuilding"), status=202)


async def list_keys(call: Call) -> web.Response:
    """List access keys, newest first, revoked ones included."""
    await call.node.covered("keys", call.minimum_position)
    page = await keys.page(
        call.node.store.pool,
        organizations=call.readable,
        before=decode_cursor(call.query("after"), "k"),
        limit=call.query_integer("limit", 100, low=1, high=call.node.settings.max_page),
    )
    views = tuple(
        KeyView(
            uuid=row.uuid,
            name=row.name,
            public_id=row.public_id,
            roles=tuple(cast("Role", role) for role in row.roles),
            organizations=row.organizations,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )
        for row in page.items
    )
    cursor = encode_cursor("k", page.next_before)
    body = KeyList(keys=views, position=page.position, next=cursor)
    return answer(body, headers=list_headers(call, page.position, cursor))


async def make_key(call: Call) -> web.Response:
    """Make an access key; its secret is shown this once."""
    post = await call.body(KeyPost)
    for name in post.organizations:
        if call.readable is not None and name not in call.readable:
            raise ProblemError(
                403,
                "organization-forbidden",
                "Your key does not act in that organization.",
                path="$.organizations",
            )
    made = await call.node.keys.create(
        call.context(),
        name=post.name,
        roles=post.roles,
        organizations=post.organizations,
        public_id=post.public_id,
    )
    call.wrote(made.records)
    call.node.authenticator.forget()
    return answer(KeyMade(key=key_view(made.state), secret=made.secret), status=201)


async def revoke_key(call: Call) -> web.Response:
    """Let a key open nothing any more."""
    uuid = uuid_of(call.path("key"), "key")
    known = (await call.node.keys.streams.refresh(key_stream(uuid))).state
    if known is None or (
        call.readable is not None and not set(known.created.organizations) <= set(call.readable)
    ):
        raise not_found("key", str(uuid))
    call.done(await call.node.keys.revoke(call.context(), uuid, reason=""))
    call.node.authenticator.forget()
    return web.Response(status=204)
