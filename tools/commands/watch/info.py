"""The command `info`: what is in a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from spikecut.tools.options import FitOptions, Json, NoDefault, ReadingOptions, own_flags_first


@own_flags_first
@dataclass(frozen=True)
class Info(FitOptions, ReadingOptions):
    """Print what is in a recording (format, sensor, events, times, rate, damage), a picture, or a set of pictures.

    Without a file: what a network is, its cutoffs with their promises, and their levels of sensitivity.

    $ spikecut info walking.aedat

    $ spikecut info 00016.bin --sensor 34x34 --json

    $ spikecut info walking.aedat --model gestures

    $ spikecut info --model gestures
    """

    uses_torch: ClassVar[bool] = False

    file: Annotated[tyro.conf.Positional[Path | None], NoDefault] = None
    """A recording, a picture, or an archive of pictures."""
    model: Annotated[str | None, NoDefault] = None
    """Also judge the recording for this network: rate, hot pixels, flicker, likeness to its calibration recordings.
    Without a file: the network to describe."""
    cutoff: Annotated[str | None, NoDefault] = None
    """The cutoff whose calibration recordings it is compared with. Default: the network's own; without a file, all."""
    json: Json = False

    def run(self) -> int:
        if self.file is None:
            from spikecut.pipeline.errors import ConfigError
            from spikecut.tools.recordings.network_info import run_network_info

            if self.model is None:
                raise ConfigError("info: neither a file nor a network", hint="info FILE, or info --model NETWORK")
            return run_network_info(self.model, self.cutoff, as_json=self.json)
        if self.model is not None:
            from spikecut.tools.recordings.judged_info import run_judged_info

            return run_judged_info(self, self.model)
        from spikecut.tools.recordings.info import run_info

        return run_info(self)
