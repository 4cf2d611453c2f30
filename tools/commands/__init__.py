"""The table of commands: the name on the command line, and the options type that runs it.

A command is one module of a folder here and one row in `COMMANDS`: a frozen dataclass whose docstring is the help text,
whose fields are the flags and the keys of `--config`, and whose `run` imports what it needs.
"""

from spikecut.tools.commands.files.convert import Convert
from spikecut.tools.commands.files.cut import Cut
from spikecut.tools.commands.files.data import Data
from spikecut.tools.commands.files.export import Export
from spikecut.tools.commands.files.send import Send
from spikecut.tools.commands.files.simulate import Simulate
from spikecut.tools.commands.fit.calibrate import Calibrate
from spikecut.tools.commands.fit.combine import Combine
from spikecut.tools.commands.fit.policy import Policy
from spikecut.tools.commands.fit.recipe import Recipe
from spikecut.tools.commands.fit.teach import Teach
from spikecut.tools.commands.fit.train import Train
from spikecut.tools.commands.measure.cost import Cost
from spikecut.tools.commands.measure.evaluate import Evaluate
from spikecut.tools.commands.measure.join import Join
from spikecut.tools.commands.measure.replay import Replay
from spikecut.tools.commands.measure.report import Report
from spikecut.tools.commands.measure.results import Results
from spikecut.tools.commands.watch.demo import Demo
from spikecut.tools.commands.watch.doctor import Doctor
from spikecut.tools.commands.watch.info import Info
from spikecut.tools.commands.watch.label import Label
from spikecut.tools.commands.watch.live import Live
from spikecut.tools.commands.watch.run import Run
from spikecut.tools.commands.watch.why import Why
from spikecut.tools.options import Command

COMMANDS: dict[str, type[Command]] = {
    "demo": Demo,
    "run": Run,
    "live": Live,
    "send": Send,
    "label": Label,
    "replay": Replay,
    "join": Join,
    "info": Info,
    "doctor": Doctor,
    "convert": Convert,
    "cut": Cut,
    "recipe": Recipe,
    "train": Train,
    "teach": Teach,
    "policy": Policy,
    "calibrate": Calibrate,
    "combine": Combine,
    "evaluate": Evaluate,
    "cost": Cost,
    "report": Report,
    "results": Results,
    "why": Why,
    "export": Export,
    "simulate": Simulate,
    "data": Data,
}
