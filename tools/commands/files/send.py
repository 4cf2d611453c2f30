"""The command `send`: a recording as datagrams."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from spikecut.tools.options import Json, ReadingOptions, own_flags_first


@own_flags_first
@dataclass(frozen=True)
class Send(ReadingOptions):
    """Send the events of a recording over UDP, at the pace of the sensor.

    $ spikecut send user24_led.aedat udp://127.0.0.1:3333

    $ spikecut send user24_led.aedat udp://192.168.0.7:7777 --format faery13 --speed 0.5
    """

    uses_torch: ClassVar[bool] = False

    file: tyro.conf.Positional[Path]
    """A recording."""
    to: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="udp://HOST:PORT")]]
    """Where `spikecut run udp://HOST:PORT`, or another program, receives them."""
    format: str = "spikecut"
    """The layout of datagrams: spikecut (with sequence numbers, the sensor and an end), spif and spif-timed (AEStream),
    faery13 or faery8."""
    speed: str = "1"
    """The pace of sending: 1 as recorded, 0.1 at a tenth of that, max without waiting, at which datagrams are lost."""
    json: Json = False

    def run(self) -> int:
        from spikecut.tools.recordings.sending import run_send

        return run_send(self)
