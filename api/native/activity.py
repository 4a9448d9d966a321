"""`/v1/activity`: how much is open, and how much started and ended, minute by minute."""

from aiohttp import web
from msgspec import Struct

from api.native.call import Call, answer
from projections.active import query as active
from projections.rates import query as rates

DEFAULT_MINUTES = 60
MAX_MINUTES = 24 * 60


class ActivityView(Struct, frozen=True, kw_only=True):
    """What is open now, and what went on lately."""

    open: dict[str, int]
    """Open executions by status; a status without any is absent."""
    minutes: tuple[rates.Minute, ...]
    """Without a hole, oldest first; the last one is under way."""
    position: int


async def read(call: Call) -> web.Response:
    """Count what is open, and what was created, started and ended in each of the last minutes."""
    minutes = call.query_integer("minutes", DEFAULT_MINUTES, low=1, high=MAX_MINUTES)
    await call.node.covered("active", call.minimum_position)
    await call.node.covered("rates", call.minimum_position)
    found = await rates.until(
        call.node.store.pool,
        organizations=call.readable,
        now=call.node.clock(),
        minutes=minutes,
    )
    counts = await active.counts(call.node.store.pool, organizations=call.readable)
    view = ActivityView(open=counts, minutes=found.minutes, position=found.position)
    return answer(view, headers={"Ledger-Position": str(found.position)})
