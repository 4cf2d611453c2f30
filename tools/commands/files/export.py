"""The command `export`: a network for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.options import Count, Json, Model, NoDefault, Overwrite, Seed


@dataclass(frozen=True)
class Export:
    """Write one step of a network for other programs, or compare an exported file with its network.

    ONNX: state tensors are named inputs and outputs; ONNX Runtime and NumPy are enough to run the file. NIR: read by
    neuromorphic frameworks; it cannot say every network, and what it cannot say is refused.

    $ spikecut export --model gestures --out gestures.onnx

    $ spikecut export --model gestures --check gestures.onnx

    $ spikecut export --model nmnist --to nir --out nmnist.nir
    """

    uses_torch: ClassVar[bool] = True

    model: Model
    to: Annotated[Literal["onnx", "nir"] | None, NoDefault] = None
    """The format. Default: by the suffix of the file, else onnx."""
    out: Annotated[Path | None, NoDefault] = None
    """The file to write. Default: the network's name in the current folder."""
    check: Annotated[Path | None, NoDefault] = None
    """Write nothing; compare this file with its network over drawn frames: outputs, spikes and decisions."""
    steps: Count = 300
    """For --check: how many steps are compared."""
    seed: Seed = 0
    """For --check: the random seed of the frames."""
    overwrite: Overwrite = False
    json: Json = False

    def refuse_early(self) -> None:
        """Refuses a file that exists, and a check that writes.

        Raises:
            ConfigError: for --check with --out.
        """
        if self.check is not None and self.out is not None:
            raise ConfigError("--check writes nothing, so --out is not possible with it")
        if self.out is not None:
            refuse_existing(self.out, overwrite=self.overwrite)

    def run(self) -> int:
        from spikecut.tools.exports.exporting import run_check, run_export

        return run_export(self) if self.check is None else run_check(self, self.check)
