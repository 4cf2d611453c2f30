"""The command `live`: `run` at the pace of the sensor, never more than a few bins late."""

from dataclasses import dataclass
from typing import Literal

from spikecut.tools.commands.watch.run import Run
from spikecut.tools.options import own_flags_first


@own_flags_first
@dataclass(frozen=True)
class Live(Run):
    """Classify at the pace of the sensor, dropping bins where the loop is too slow.

    It is run --speed 1 --when-full drop-oldest; all flags of run can be given.

    $ spikecut live user24_led.aedat

    $ spikecut live user24_led.aedat --loop --json

    $ spikecut live camera:0
    """

    speed: str = "1"
    when_full: Literal["block", "drop-oldest", "drop-newest", "latest"] = "drop-oldest"
