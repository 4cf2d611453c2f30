"""The command `doctor`: does everything work on this machine?"""

from dataclasses import dataclass
from typing import ClassVar

from spikecut.tools.options import Json


@dataclass(frozen=True)
class Doctor:
    """Look at this installation and try it: packages, extras, windows, caches, formats, videos, networks, a decision.

    What is absent can be added and is not needed; what is broken comes with a way to mend it, and ends with code 5.

    $ spikecut doctor

    $ spikecut doctor --json
    """

    uses_torch: ClassVar[bool] = True

    json: Json = False

    def run(self) -> int:
        from spikecut.tools.doctor.run import run_doctor

        return run_doctor(self)
