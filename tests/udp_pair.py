"""A sender and a receiver in one process: the sender goes on when the receiver has taken what was sent."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.live.datagrams import LAYOUTS
from spikecut.sources.live.inputs import udp
from spikecut.sources.live.inputs.addresses import Address, connected
from spikecut.sources.live.inputs.udp import Receiver
from spikecut.sources.live.sending import send

from fakes import FakeClock


@dataclass
class Acknowledged(FakeClock):
    """A clock for the sender: while it sleeps, the receiver catches up, so that no buffer overflows."""

    waits: Callable[[], None] = lambda: None

    def sleep_s(self, seconds: float) -> None:
        self.time_s += seconds
        self.waits()


@dataclass
class Pair:
    """Sends a stream in another thread to the first receiver that opens, whatever its port."""

    opened: "queue.Queue[Receiver]" = field(default_factory=queue.Queue)
    n_sent: int = 0
    is_done: bool = False
    receiver: Receiver | None = None

    @property
    def is_over(self) -> bool:
        """Whether all that was sent has come."""
        return self.is_done and self.receiver is not None and self.receiver.counts.received >= self.n_sent

    def sends(self, batches: Iterable[EventBatch], sensor: SensorSize, layout: str = "spikecut") -> threading.Thread:
        def work() -> None:
            receiver = self.receiver = self.opened.get(timeout=120)
            port = receiver.receiver.getsockname()[1]

            def caught_up() -> None:
                while receiver.counts.received < self.n_sent and receiver.receiver.fileno() >= 0:
                    time.sleep(0.0005)

            with closing(connected(Address("127.0.0.1", port))) as socket:

                def transmit(data: bytes) -> None:
                    socket.send(data)
                    self.n_sent += 1

                for _ in send(batches, LAYOUTS[layout].encoder(sensor), transmit, Acknowledged(waits=caught_up), 1.0):
                    pass
            self.is_done = True

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Pair:
    both, make = Pair(), udp.Receiver

    def opened(*words: object) -> Receiver:
        receiver = make(*words)  # type: ignore[arg-type]
        both.opened.put(receiver)
        return receiver

    monkeypatch.setattr(udp, "Receiver", opened)
    return both
