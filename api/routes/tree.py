"""The routes of reviewers: heads of the tree, proofs, tiles and exports."""

from typing import Any

from api.auth.principal import ADMINS, AUDITORS, READERS
from api.native import exports, tiles, tree
from api.route import Query, Route
from api.routes.parameters import LIMIT, MIN_POSITION


def tree_routes() -> tuple[Route, ...]:
    """Give them all."""
    common: dict[str, Any] = {
        "method": "GET",
        "roles": READERS | AUDITORS,
        "tag": "tree",
        "headers": MIN_POSITION,
    }
    size = Query(name="size", description="As it was at this size.", type="integer")
    return (
        Route(
            path="/v1/tree",
            handler=tree.read,
            summary="Show how far the Merkle tree has grown and is signed",
            answer=tree.TreeStateView,
            query=(
                size,
                Query(
                    name="signed",
                    description="Wait until a signed head covers this position.",
                    type="integer",
                ),
                Query(name="wait", description="Seconds to wait for that.", type="number"),
            ),
            **common,
        ),
        Route(
            path="/v1/tree/heads",
            handler=tree.list_heads,
            summary="List signed heads, smallest first",
            answer=tree.HeadList,
            query=(
                Query(name="after", description="Size to go on from, exclusive.", type="integer"),
                LIMIT,
            ),
            **common,
        ),
        Route(
            path="/v1/tree/keys",
            handler=tree.list_keys,
            summary="List the keys that sign heads",
            answer=tree.TreeKeyList,
            **common,
        ),
        Route(
            path="/v1/tree/keys",
            handler=tree.change_key,
            summary="Replace the key that signs heads",
            answer=tree.TreeKeyList,
            status=201,
            **{**common, "method": "POST", "roles": ADMINS, "headers": ()},
        ),
        Route(
            path="/v1/export",
            handler=exports.export_log,
            summary="Export the log, a part of it or one stream, to be checked offline",
            answer=str,
            answer_type="application/x-ndjson",
            query=(
                Query(name="after", description="Position to begin behind.", type="integer"),
                Query(name="until", description="Last position.", type="integer"),
                Query(name="stream", description="All of this stream instead."),
            ),
            **{**common, "roles": AUDITORS},
        ),
        Route(
            path="/v1/executions/{execution}/dossier",
            handler=exports.dossier,
            summary="Export all events of an execution, with the proof that they are all",
            answer=str,
            answer_type="application/x-ndjson",
            **common,
        ),
        Route(
            path="/checkpoint",
            handler=tiles.checkpoint,
            summary="Give the newest signed head (C2SP tlog-checkpoint)",
            answer=str,
            answer_type="text/plain",
            **{**common, "headers": ()},
        ),
        Route(
            path="/tile/{tile:.+}",
            handler=tiles.tile,
            summary="Give a tile of hashes, or a bundle of entries (C2SP tlog-tiles)",
            answer=bytes,
            answer_type="application/octet-stream",
            **{**common, "headers": ()},
        ),
        Route(
            path="/v1/tree/inclusion",
            handler=tree.inclusion,
            summary="Prove that an event is in the tree",
            answer=tree.InclusionView,
            query=(
                Query(name="position", description="The event's.", type="integer"),
                size,
            ),
            **common,
        ),
        Route(
            path="/v1/tree/consistency",
            handler=tree.consistency,
            summary="Prove that a tree is the beginning of a later one",
            answer=tree.ConsistencyView,
            query=(
                Query(name="from", description="Size of the earlier tree.", type="integer"),
                Query(name="to", description="Size of the later tree.", type="integer"),
            ),
            **common,
        ),
    )
