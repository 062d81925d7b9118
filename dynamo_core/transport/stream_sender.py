"""The worker's end of one stream: items go out together where they are ready together."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import UnsupportedValueError
from dynamo_core.parts import TAIL_BYTES, Parts, lone
from dynamo_core.transport.frames import ITEMS, TAIL_LENGTH, encode_head

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dynamo_core.transport.server_connection import ServerConnection

QUIET_S: Final = 0.001
"""An item is sent at once when nothing of its stream went out for that long; else it may wait for others."""

LARGEST_BATCH_ITEMS: Final = 512
BATCH_BYTES: Final = 64 * 1024
"""What a frame of several items should not pass by much."""

_ONE_ITEM: Final = b"\x91"
"""What an array of one item begins with."""

_monotonic: Final = time.monotonic


class StreamSender:
    """Sends the items of one stream as far as its reader allows.

    Args:
        connection: Where they go.
        number: Number of the call.
        encode: Encodes items as one array.
        splits: Whether items may be long byte strings, each to be sent by itself and not copied.

    Attributes:
        number: Number of the call.
    """

    __slots__ = (
        "_batch",
        "_batch_bytes",
        "_connection",
        "_credit_bytes",
        "_credit_items",
        "_encode",
        "_item_bytes",
        "_quiet_at",
        "_room",
        "_roomy",
        "_splits",
        "_timer",
        "number",
    )

    def __init__(
        self,
        connection: ServerConnection,
        number: int,
        encode: Callable[[list[object]], bytes],
        *,
        splits: bool,
    ) -> None:
        self.number = number
        self._connection = connection
        self._encode = encode
        self._splits = splits
        self._credit_items = connection.hello.stream_window_items
        self._credit_bytes = connection.hello.stream_window_bytes
        self._roomy: asyncio.Future[None] | None = None
        self._batch: list[object] = []
        self._quiet_at = 0.0
        self._batch_bytes = min(BATCH_BYTES, connection.largest_body)
        self._item_bytes = 0
        self._room = 1
        self._timer: asyncio.TimerHandle | None = None

    def put(self, item: object) -> Awaitable[None] | None:
        """Take one item, and send it now or soon.

        Returns:
            What to wait for before the next item; None for nothing.

        Raises:
            UnsupportedValueError: An item cannot be sent; those before it were.
        """
        if self._splits and type(item) is bytes and len(item) >= TAIL_BYTES:
            return self._send_long(item)
        batch = self._batch
        batch.append(item)
        if len(batch) >= self._room or _monotonic() >= self._quiet_at:
            return self._send_and_wait()
        if self._timer is None:
            delay_s = max(0.0, self._quiet_at - _monotonic())
            self._timer = self._connection.loop.call_later(delay_s, self._send_late)
        return None

    def send_rest(self) -> None:
        """Send what is there; no more items will come.

        Raises:
            UnsupportedValueError: As :meth:`put`.
        """
        self._send()

    def close(self) -> None:
        """Send nothing any more. Safe to call twice."""
        self._batch = []
        self._stop_timer()

    def add_credit(self, items: int, size_bytes: int) -> None:
        """The reader allows more."""
        self._credit_items += items
        self._credit_bytes += size_bytes
        self._update_room()
        if self._may_send and self._roomy is not None and not self._roomy.done():
            self._roomy.set_result(None)

    @property
    def _may_send(self) -> bool:
        return self._credit_items > 0 and self._credit_bytes > 0

    async def _send_long(self, item: bytes) -> None:
        """Send a long byte string, and what came before it; return as :meth:`_send_and_wait`."""
        if self._batch:
            await self._wait_for_credit()
            self._send()
        await self._wait_for_credit()
        only = lone(item)
        parts = Parts(_ONE_ITEM + only.head, item)
        size = len(parts)
        self._connection.check_size(size + TAIL_LENGTH.size, "an item")
        self._take_credit(1, size)
        self._connection.send_parts(ITEMS, self.number, parts)
        self._quiet_at = _monotonic() + QUIET_S
        await self._wait_for_turn()

    async def _send_and_wait(self) -> None:
        """Send what is there once that is allowed; return once more is, and others have had their turn."""
        await self._wait_for_credit()
        self._send()
        self._connection.flush()
        await self._wait_for_turn()

    async def _wait_for_turn(self) -> None:
        await asyncio.sleep(
            0
        )  # the loop writes, and a source that never waits does not keep others from running
        await self._wait_for_credit()
        if self._connection.is_congested:
            await self._connection.writable()

    async def _wait_for_credit(self) -> None:
        while not self._may_send:
            self._roomy = self._connection.loop.create_future()
            try:
                await self._roomy
            finally:
                self._roomy = None

    def _send_late(self) -> None:
        """The source is slow: do not keep what it has given for longer."""
        self._timer = None
        if not self._may_send:
            return
        try:
            self._send()
        except UnsupportedValueError as exc:
            self._connection.fail(self.number, exc)
        self._connection.flush()

    def _send(self) -> None:
        """Send what is there."""
        self._stop_timer()
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        try:
            array = self._encode(batch)
        except UnsupportedValueError:
            for item in batch:
                self._send_array([item], self._encode([item]))
            raise
        self._send_array(batch, array)
        self._quiet_at = _monotonic() + QUIET_S

    def _send_array(self, batch: list[object], array: bytes) -> None:
        size = len(array)
        count = len(batch)
        self._item_bytes = size // count
        if size > self._batch_bytes and count > 1:
            for half in (batch[: count // 2], batch[count // 2 :]):
                self._send_array(half, self._encode(half))
            return
        self._connection.check_size(size, "an item")
        self._take_credit(count, size)
        self._connection.send_frame(encode_head(ITEMS, self.number, size), array)

    def _take_credit(self, count: int, size_bytes: int) -> None:
        self._item_bytes = size_bytes // count
        self._credit_items -= count
        self._credit_bytes -= size_bytes
        self._update_room()

    def _update_room(self) -> None:
        """Work out how many items may wait for each other, going by the size of the last ones."""
        size = self._item_bytes + 1
        by_size = min(self._batch_bytes, self._credit_bytes) // size
        self._room = max(1, min(LARGEST_BATCH_ITEMS, self._credit_items, by_size))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
