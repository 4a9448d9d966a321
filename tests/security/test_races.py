"""Requests that fuzzing found to break each other: asked at the same time, each is right or refused."""

import asyncio

from api.audit import keyfile
from tests.api.serving import Server


async def test_keys_of_the_tree_that_are_changed_at_once_follow_each_other(server: Server) -> None:
    """However many ask at once, each change is whole, and the file holds the last one's key."""
    await server.define()
    answers = await asyncio.gather(*(server.post("/v1/tree/keys") for _ in range(8)))
    assert [answer.status for answer in answers] == [201] * 8
    keys = (await server.get("/v1/tree/keys")).expect(200).json["keys"]
    assert [key["number"] for key in keys] == list(range(1, len(keys) + 1))
    assert len(keys) >= 8
    file = server.node.settings.data / keyfile.FILE
    held = keyfile.read(file)
    assert held is not None
    assert held.verifier.text == keys[-1]["public_key"]
    assert not keyfile.next_to(file).exists()
    head = await server.head()
    await server.define("Another")
    signed = (await server.get("/v1/tree", signed=head + 1)).expect(200).json["signed"]
    assert signed["size"] > head
    assert signed["key"] == keys[-1]["number"]


async def test_a_webhook_that_is_removed_meanwhile_is_gone(server: Server) -> None:
    """Whatever is asked of a webhook while it is removed is done before, or there is none: no 500."""
    for _ in range(5):
        made = {"name": "hook", "url": "http://127.0.0.1:9/"}
        (await server.post("/v1/webhooks", made)).expect(201)
        one = "/v1/webhooks/hook"
        answers = await asyncio.gather(
            server.post(f"{one}/secrets", {}),
            server.post(f"{one}/test"),
            server.delete(one),
            server.post(f"{one}/secrets", {}),
            server.patch(one, {"description": "x"}),
            server.post(f"{one}/replay", {"position": 0}),
            server.post(f"{one}/disable", {}),
            server.post(f"{one}/test"),
        )
        assert {answer.status for answer in answers} <= {200, 201, 204, 404, 409}, answers
        (await server.get(one)).problem(404)
