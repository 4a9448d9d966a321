"""`/v1/me`: whose key a request shows, so that a caller knows what it may before it tries."""

from aiohttp import web

from api.native.call import Call, answer
from api.native.wire import MeView


async def read(call: Call) -> web.Response:
    """Tell the caller about its own key."""
    principal = call.principal
    view = MeView(
        key=principal.key,
        name=principal.name,
        public_id=principal.public_id,
        roles=tuple(sorted(principal.roles)),
        organizations=principal.organizations,
        default_organization=principal.default_organization,
    )
    return answer(view, headers={"Cache-Control": "no-store"})
