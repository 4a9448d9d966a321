"""`/v1/projections` and `/v1/keys`: what operators look after."""

from aiohttp import web

from api.auth.principal import ALL
from api.native.call import Call, answer, uuid_of
from api.native.problems import ProblemError, not_found
from api.native.views import key_view
from api.native.wire import KeyList, KeyMade, KeyPost, KeyView, ProjectionList
from projections.keys import query as keys


async def list_projections(call: Call) -> web.Response:
    """Show how far every projection has come, and what it could not take in."""
    head = call.node.store.tail.head
    statuses = await call.node.projection_views(head)
    return answer(ProjectionList(projections=statuses, head=head))


async def rebuild(call: Call) -> web.Response:
    """Build a projection anew beside the live one, which serves until the swap."""
    name = call.request.match_info["name"]
    if name not in call.node.projection_names:
        raise not_found("projection", name)
    await call.node.rebuild(name)
    return answer({"name": name, "state": "rebuilding"}, status=202)


async def list_keys(call: Call) -> web.Response:
    """List access keys, revoked ones included."""
    await call.node.covered("keys", call.minimum_position)
    rows = await keys.listing(call.node.store.pool, organizations=call.principal.readable)
    return answer(
        KeyList(
            keys=tuple(
                KeyView(
                    uuid=row.uuid,
                    name=row.name,
                    public_id=row.public_id,
                    roles=row.roles,
                    organizations=row.organizations,
                    created_at=row.created_at,
                    revoked_at=row.revoked_at,
                )
                for row in rows
            )
        )
    )


async def make_key(call: Call) -> web.Response:
    """Make an access key; its secret is shown this once."""
    post = await call.body(KeyPost)
    for name in post.organizations:
        if not call.principal.acts_in(name) or (name == ALL and call.principal.readable is not None):
            raise ProblemError(
                403, "organization-forbidden", "Your key does not act in that organization.",
                path="$.organizations",
            )
    made = await call.node.keys.create(
        call.context(),
        name=post.name,
        roles=post.roles,
        organizations=post.organizations,
        public_id=post.public_id,
    )
    call.node.acknowledged = max(call.node.acknowledged, call.node.store.tail.head)
    return answer(KeyMade(key=key_view(made.state), secret=made.secret), status=201)


async def revoke_key(call: Call) -> web.Response:
    """Let a key open nothing any more."""
    uuid = uuid_of(call.request.match_info["key"], "key")
    known = (await call.node.keys.streams.refresh(f"key/{uuid}")).state
    if known is None or not all(
        call.principal.acts_in(name) for name in known.created.organizations
    ):
        raise not_found("key", str(uuid))
    call.done(await call.node.keys.revoke(call.context(), uuid, reason=""))
    return web.Response(status=204)
