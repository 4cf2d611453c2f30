"""The table of commands: the name on the command line, and the options type that runs it.

A command is one module here and one row in `COMMANDS`: a frozen dataclass whose docstring is the help text, whose
fields are the flags and the keys of `--config`, and whose `run` imports what it needs.
"""

from spikecut.tools.commands.calibrate import Calibrate
from spikecut.tools.commands.combine import Combine
from spikecut.tools.commands.convert import Convert
from spikecut.tools.commands.cost import Cost
from spikecut.tools.commands.cut import Cut
from spikecut.tools.commands.data import Data
from spikecut.tools.commands.demo import Demo
from spikecut.tools.commands.evaluate import Evaluate
from spikecut.tools.commands.info import Info
from spikecut.tools.commands.policy import Policy
from spikecut.tools.commands.recipe import Recipe
from spikecut.tools.commands.replay import Replay
from spikecut.tools.commands.report import Report
from spikecut.tools.commands.results import Results
from spikecut.tools.commands.run import Run
from spikecut.tools.commands.simulate import Simulate
from spikecut.tools.commands.train import Train
from spikecut.tools.commands.why import Why
from spikecut.tools.options import Command

COMMANDS: dict[str, type[Command]] = {
    "demo": Demo,
    "run": Run,
    "replay": Replay,
    "info": Info,
    "convert": Convert,
    "cut": Cut,
    "recipe": Recipe,
    "train": Train,
    "policy": Policy,
    "calibrate": Calibrate,
    "combine": Combine,
    "evaluate": Evaluate,
    "cost": Cost,
    "report": Report,
    "results": Results,
    "why": Why,
    "simulate": Simulate,
    "data": Data,
}
