"""A consumer's member as tests play it over HTTP."""

from collections.abc import Iterator
from typing import Any

from tests.api.serving import Answer, Caller


class Reading:
    """One consumer, seen by one caller."""

    def __init__(self, caller: Caller, name: str = "billing") -> None:
        self.caller = caller
        self.path = f"/v1/consumers/{name}"

    async def make(self, **terms: Any) -> Any:
        """Make the consumer."""
        answer = await self.caller.put(self.path, terms)
        assert answer.status in (200, 201), answer
        return answer.json

    async def show(self) -> Any:
        """Show it."""
        return (await self.caller.get(self.path)).expect(200).json

    async def poll(self, member: str = "a", **more: Any) -> Any:
        """Ask for events."""
        body = {"member": member, **more}
        return (await self.caller.post(f"{self.path}/events", body)).expect(200).json

    async def ack(self, batch: Any) -> Answer:
        """Acknowledge all of a batch."""
        leases = [{"lease": d["lease"], "position": d["position"]} for d in batch["deliveries"]]
        return await self.caller.post(f"{self.path}/ack", {"leases": leases})

    async def nack(self, delivery: Any, event: Any, **more: Any) -> Answer:
        """Say that an event failed."""
        body = {"lease": delivery["lease"], "position": event["position"], **more}
        return await self.caller.post(f"{self.path}/nack", body)

    async def drain(self, member: str = "a", **more: Any) -> list[Any]:
        """Read and acknowledge until nothing is left."""
        found: list[Any] = []
        while True:
            batch = await self.poll(member, **more)
            if not batch["deliveries"]:
                return found
            found += events_of(batch)
            (await self.ack(batch)).expect(200)

    async def parked(self, **query: Any) -> list[Any]:
        """List what is set aside."""
        streams: list[Any] = (
            (await self.caller.get(f"{self.path}/parked", **query)).expect(200).json["streams"]
        )
        return streams


def events_of(batch: Any) -> list[Any]:
    """Give a batch's events by position."""
    return sorted(
        (event for delivery in batch["deliveries"] for event in delivery["events"]),
        key=lambda event: event["position"],
    )


def each_of(batch: Any) -> Iterator[tuple[Any, Any]]:
    """Give each event with its delivery."""
    for delivery in batch["deliveries"]:
        for event in delivery["events"]:
            yield delivery, event
