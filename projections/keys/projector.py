"""Writes the keys view."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ledger.events import keys as k
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import array, text
from projections.port import Connection

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")


class KeysProjector:
    """Keeps one row an access key; a key that was revoked stays."""

    name: Final = "keys"
    version: Final = 1
    interests: Final = frozenset(("key.created", "key.revoked"))
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        created = [
            (
                fact.event.uuid,
                text(fact.event.public_id),
                text(fact.event.name),
                text(fact.event.secret_sha256),
                array(fact.event.roles),
                array(fact.event.organizations),
                fact.occurred_at,
                text(fact.actor),
                fact.position,
                fact.version,
            )
            for fact in batch
            if isinstance(fact.event, k.KeyCreated)
        ]
        if created:
            await connection.execute(_WRITE["insert"], *zip(*created, strict=True))
        revoked = [
            (fact.stream.removeprefix("key/"), fact.occurred_at, text(fact.actor), fact.version)
            for fact in batch
            if isinstance(fact.event, k.KeyRevoked)
        ]
        if revoked:
            await connection.execute(_WRITE["revoke"], *zip(*revoked, strict=True))
