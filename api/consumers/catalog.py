"""Which consumers there are: made, found, changed, set back and removed."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from api.consumers.state import CONSUMERS, Connection, consumer_of
from api.consumers.terms import Consumer, Filter, Terms

Kind = Literal["pull", "webhook"]


class Standing(Struct, frozen=True):
    """How far a consumer is, in a few numbers."""

    scanned: int
    done: int
    """Nothing waits up to here, except for what is set aside."""
    shards_out: int
    members: int
    parked: int
    retrying: int


async def create(
    connection: Connection,
    *,
    organization: str,
    kind: Kind,
    name: str,
    wanted: Filter,
    terms: Terms,
    after: int,
    actor: str,
) -> Consumer | None:
    """Make a consumer that begins behind a position; None when the name is taken."""
    row = await connection.fetchrow(
        CONSUMERS["create"],
        organization,
        kind,
        name,
        terms.description,
        list(wanted.types) or None,
        wanted.job_id,
        wanted.with_keys,
        terms.lease_s,
        terms.max_attempts,
        terms.backoff_s,
        terms.backoff_max_s,
        after,
        actor,
    )
    return None if row is None else consumer_of(row)


async def find(connection: Connection, organization: str, kind: Kind, name: str) -> Consumer | None:
    """Find a consumer by its name, which is its organization's own."""
    row = await connection.fetchrow(CONSUMERS["find"], organization, kind, name)
    return None if row is None else consumer_of(row)


async def by_id(connection: Connection, consumer: int) -> Consumer | None:
    """Find a consumer by its id."""
    row = await connection.fetchrow(CONSUMERS["by_id"], consumer)
    return None if row is None else consumer_of(row)


async def count(connection: Connection, organization: str, kind: Kind) -> int:
    """Count an organization's."""
    found: int = await connection.fetchval(CONSUMERS["count"], organization, kind)
    return found


async def page(
    connection: Connection,
    organizations: Sequence[str] | None,
    kind: Kind,
    *,
    after: int,
    limit: int,
) -> list[Consumer]:
    """List consumers in the order in which they were made."""
    rows = await connection.fetch(CONSUMERS["page"], organizations, kind, after, limit)
    return [consumer_of(row) for row in rows]


async def change(connection: Connection, consumer: int, terms: Terms) -> Consumer | None:
    """Change the terms; None when the consumer is gone."""
    row = await connection.fetchrow(
        CONSUMERS["change"],
        consumer,
        terms.description,
        terms.lease_s,
        terms.max_attempts,
        terms.backoff_s,
        terms.backoff_max_s,
    )
    return None if row is None else consumer_of(row)


async def delete(connection: Connection, consumer: int) -> None:
    """Remove a consumer and all that is known of it. Idempotent."""
    await connection.execute(CONSUMERS["delete"], consumer)


async def reset(connection: Connection, consumer: int, position: int) -> None:
    """Go on behind a position, earlier or later. Runs in a transaction of the caller's.

    Every lease is lost, and nothing is set aside any more.
    """
    await connection.fetchrow(CONSUMERS["lock"], consumer)
    await connection.execute(CONSUMERS["reset"], consumer, position)


async def standings(connection: Connection, consumers: Sequence[int]) -> dict[int, Standing]:
    """Tell how consumers stand, by id."""
    rows = await connection.fetch(CONSUMERS["standing"], consumers)
    fields = [field.name for field in msgspec.structs.fields(Standing)]
    return {row["consumer"]: Standing(*(row[name] for name in fields)) for row in rows}
