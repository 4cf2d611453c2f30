"""Names of modules before the folders were divided: each still imports, with a DeprecationWarning.

`MOVED` maps the old name to the modules that now hold what it held. Old names that are folders today (`OLD_PACKAGES`)
look up what they held in the modules given there.
"""

import importlib
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "pipeline.readout": "pipeline.evidence.readout pipeline.evidence.probability",
    "models.augment": "models.training.augment",
    "models.carded": "models.files.weights_io",
    "models.checkpoint": "models.files.opening models.files.checkpoint models.card",
    "models.conversion": "models.cells.conversion models.cells",
    "models.distributed": "models.training.distributed",
    "models.fingerprint": "models.files.fingerprint",
    "models.layered": "models.architectures.layer_table",
    "models.layerwise": "models.training.layerwise",
    "models.losses": "models.training.losses",
    "models.network_file": "models.files.network_file",
    "models.networks": "models.architectures.networks models.architectures.event_networks models.spec",
    "models.neurons": "models.cells.lif models.cells",
    "models.normalisation": "models.architectures.normalisation",
    "models.norse_network": "models.files.norse_network",
    "models.operations": "models.synaptic_operations",
    "models.papers": "models.architectures.paper_networks",
    "models.patches": "models.training.drop_and_mix",
    "models.picture_augment": "models.training.image_augment",
    "models.picture_nets": "models.architectures.image_networks",
    "models.picture_operations": "models.training.image_operations",
    "models.plan": "models.training.plan",
    "models.policy_file": "models.policy.file",
    "models.policy_training": "models.policy.training",
    "models.probing": "models.files.lane_independence",
    "models.regularisation": "models.training.regularisation",
    "models.retiming": "models.training.time_augment",
    "models.scan": "models.cells.lif_scan models.cells.activity",
    "models.states": "models.state_trees pipeline.lanes",
    "models.stepper": "models.engines.norse",
    "models.surrogates": "models.cells.surrogates",
    "models.training.precision": "models.training.layerwise",
    "models.turning": "models.training.layer_activity models.cells.activity",
    "pipeline.calibration": "pipeline.rules.observed pipeline.rules.topk pipeline.rules.patience pipeline.rules.loss",
    "pipeline.conformal": "pipeline.rules.sets.conformal pipeline.rules.sets.nonconformity pipeline.rules.sets.pooled",
    "pipeline.cutoff": "pipeline.rules.thresholds pipeline.evidence.scores",
    "pipeline.ects": "pipeline.rules.economy pipeline.rules.calimera pipeline.rules.sr1",
    "pipeline.evaluation": "pipeline.metrics.evaluation",
    "pipeline.fitted": "pipeline.rules.cutoff_file",
    "pipeline.fitting": "pipeline.rules.fit",
    "pipeline.ltt": "pipeline.rules.ltt",
    "pipeline.matching": "pipeline.metrics.session_score",
    "pipeline.planned": "pipeline.rules.step_budget pipeline.recorded",
    "sources.aedat2": "sources.formats.aedat2",
    "sources.aedat3": "sources.formats.aedat3",
    "sources.atis": "sources.formats.atis",
    "sources.choreography": "sources.simulation.choreography",
    "sources.cifar": "sources.datasets.images.cifar",
    "sources.clips": "sources.datasets.segments",
    "sources.counterparts": "sources.simulation.simulated_datasets",
    "sources.decoding": "sources.formats.reading.decoding",
    "sources.dvs": "sources.simulation.pixel",
    "sources.dvs_kernels": "sources.simulation.pixel_kernels",
    "sources.figure": "sources.simulation.figure sources.simulation.figure_kernels",
    "sources.gesture_labels": "sources.datasets.gesture_labels",
    "sources.gesture_set": "sources.datasets.dvs_gesture sources.datasets.gesture_session",
    "sources.gestures": "sources.simulation.gestures",
    "sources.formats.blocks": "sources.formats.reading.blocks",
    "sources.formats.decoding": "sources.formats.reading.decoding",
    "sources.formats.files": "sources.formats.reading.files",
    "sources.formats.fixed_records": "sources.formats.reading.fixed_records",
    "sources.formats.ordering": "sources.formats.reading.ordering",
    "sources.hdf5": "sources.formats.hdf5 sources.formats.hdf5_writer",
    "sources.ordering": "sources.formats.reading.ordering",
    "sources.pacing": "sources.live.pacing",
    "sources.picture_files": "sources.datasets.images.image_files",
    "sources.picture_folders": "sources.datasets.images.image_folders",
    "sources.picture_sets": "sources.datasets.images.image_sets",
    "sources.pictures": "sources.datasets.images.open_images",
    "sources.pieces": "sources.datasets.time_split",
    "sources.plain_pickle": "sources.datasets.images.plain_pickle",
    "sources.published": "sources.datasets.catalog",
    "sources.records": "sources.formats.reading.fixed_records sources.formats.reading.files "
    "pipeline.files.atomic_files",
    "sources.screen": "sources.simulation.saccades",
    "sources.shapes": "sources.simulation.drawn_digits",
    "sources.text": "sources.formats.text",
    "sources.text_kernels": "sources.formats.text_kernels",
    "sources.tonic_npy": "sources.formats.tonic_npy",
    "sources.tonic_sets": "sources.datasets.tonic",
    "sources.video": "sources.simulation.video",
    "tools.calibrate": "tools.batch.calibrate tools.batch.fitting.cutoffs tools.batch.fitting.readouts",
    "tools.canvas": "tools.views.canvas",
    "tools.cli_compare": "tools.commands.measure.cost "
    "tools.commands.measure.evaluate "
    "tools.commands.measure.replay "
    "tools.commands.measure.report "
    "tools.commands.measure.results",
    "tools.cli_data": "tools.commands.files.convert "
    "tools.commands.files.cut "
    "tools.commands.files.data "
    "tools.commands.files.simulate "
    "tools.options",
    "tools.cli_train": "tools.commands.fit.calibrate "
    "tools.commands.fit.policy "
    "tools.commands.fit.recipe "
    "tools.commands.fit.train",
    "tools.cli_watch": "tools.commands.watch.demo "
    "tools.commands.watch.info "
    "tools.commands.watch.run "
    "tools.commands.watch.why",
    "tools.convert": "tools.recordings.convert",
    "tools.cook": "tools.commands.fit.recipe",
    "tools.cost": "tools.batch.cost",
    "tools.cut": "tools.recordings.cut",
    "tools.cutoffs": "tools.cutoff_lookup",
    "tools.data": "tools.checks.data_check",
    "tools.demo": "tools.commands.watch.demo",
    "tools.evaluate": "tools.batch.evaluate",
    "tools.examples": "tools.batch.examples sources.datasets.reading",
    "tools.feeding": "tools.frame_streams sources.datasets.frames",
    "tools.findings": "tools.checks.faults sources.datasets.parts",
    "tools.frame_cache": "tools.training.frame_cache",
    "tools.gesture_check": "tools.checks.gesture_check",
    "tools.info": "tools.recordings.info",
    "tools.lines": "tools.session.decision_text tools.views.base",
    "tools.material": "tools.training.training_data",
    "tools.name_check": "tools.checks.name_check",
    "tools.outputs": "tools.batch.outputs tools.batch.gathered",
    "tools.overlay": "tools.views.overlay",
    "tools.pace": "tools.time_unit",
    "tools.packing": "tools.training.packing",
    "tools.palette": "tools.views.palette",
    "tools.panels": "tools.views.panels",
    "tools.picture_check": "tools.checks.image_check",
    "tools.picture_digests": "sources.datasets.digests",
    "tools.picture_info": "tools.recordings.image_info",
    "tools.picture_material": "tools.training.packing",
    "tools.plots": "tools.reports.plots",
    "tools.policy": "tools.training.policy",
    "tools.recipe": "tools.training.recipe",
    "tools.recordings.simulate": "tools.batch.simulate",
    "tools.replay": "tools.batch.replay",
    "tools.report": "tools.reports.report tools.reports.comparison tools.reports.evaluation_file "
    "tools.reports.page.tables",
    "tools.results": "tools.reports.results",
    "tools.run": "tools.session.run tools.session.opening tools.session.observing tools.views.video tools.views.window",
    "tools.run_folders": "tools.reports.run_folders",
    "tools.run_picture": "tools.session.run_image",
    "tools.scene": "tools.views.scene",
    "tools.seeds": "pipeline.metrics.seeds",
    "tools.set_check": "tools.checks.set_check",
    "tools.simulate": "tools.batch.simulate",
    "tools.train": "tools.training.train",
    "tools.video": "tools.views.video tools.views.encoders",
    "tools.why": "tools.reports.why tools.reports.why_window tools.reports.why_picture",
    "tools.window": "tools.views.window tools.views.base",
}
OLD_PACKAGES = {
    "pipeline.recorded": "pipeline.outputs_file",
    "sources": "sources.formats.base sources.formats.signatures",
    "pipeline.metrics": "pipeline.metrics.intervals",
    "pipeline.rules": "pipeline.rules.patience pipeline.rules.combined pipeline.lanes",
    "sources.datasets": "sources.datasets.class_folders sources.datasets.parts sources.datasets.digests",
    "models.policy": "models.policy.network",
    "models.training": "models.training.epochs",
}

GONE = {"sources.faults": "only tests used it: it is tests/faults.py of the source tree now"}

RENAMED = {
    "tools.evaluate.SCORES": "tools.batch.evaluation CURVES",
    "pipeline.readout.temperatures_said": "pipeline.evidence.readout parse_temperatures",
    "tools.cutoffs.asked_by": "tools.cutoff_lookup shared_policy",
    "tools.replay.Labels": "tools.training.packing Labels",
    "tools.outputs.told_overlap": "tools.batch.gathered overlap_text",
    "tools.material.unsaid": "tools.training.training_data defaults",
    "pipeline.fitting.FITS": "pipeline.rules RULES",
    "pipeline.fitting.Fit": "pipeline.rules.rule Rule",
    "pipeline.fitted.TYPES": "pipeline.rules.stored stored_types()",
    "pipeline.protocols.Sink": "tools.views.base View",
    "pipeline.calibration.FITTERS": "pipeline.rules.fit by_tolerance()",
    "tools.examples.Source": "sources.datasets.base Source",
    "tools.feeding.told_sizes": "sources.datasets.images.image_sets resized_notes",
    "tools.packing.seen": "tools.training.packing reading",
    "tools.picture_material.WATCHED": "sources.datasets.parts WATCHED_IMAGES",
    "tools.picture_material.pack_pictures": "tools.training.packing pack_examples",
    "tools.picture_material.picture_parts": "tools.training.training_data material_for",
    "tools.gesture_check.is_meant": "sources.datasets.dvs_gesture recognise",
    "sources.clips.Columns": "pipeline.events EventBatch",
    "sources.decoding.DVS128_BYTES": "sources.formats.aedat.aedat2_decoding BYTES",
    "sources.decoding.apart": "sources.formats.aedat.aedat2_decoding apart",
    "sources.decoding.decode_dvs128": "sources.formats.aedat.aedat2_decoding decode_dvs128",
    "sources.decoding.step_from": "sources.formats.aedat.aedat2_decoding step_from",
    "sources.formats.decoding.DVS128_BYTES": "sources.formats.aedat.aedat2_decoding BYTES",
    "sources.formats.decoding.apart": "sources.formats.aedat.aedat2_decoding apart",
    "sources.formats.decoding.decode_dvs128": "sources.formats.aedat.aedat2_decoding decode_dvs128",
    "sources.formats.decoding.step_from": "sources.formats.aedat.aedat2_decoding step_from",
    "sources.KNOWN": "sources.formats known_formats()",
    "sources.datasets.SUFFIXES": "sources.formats recording_suffixes()",
    "sources.aedat3._HEADER": "sources.formats.aedat3 header_with()",
    "sources.aedat3.MAGIC": "sources.formats.signatures AEDAT3",
    "sources.hdf5.MAGIC": "sources.formats.signatures HDF5",
    "tools.convert.SUFFIXES": "sources.formats written_suffixes()",
}
"""Names that have another one today; with brackets, what a function of that name gives."""


class _MovedModule(ModuleType):
    """A module under its old name: attributes come from where they are now."""

    def __getattr__(self, name: str) -> Any:
        return look_up(self.__name__, name)


class MovedFinder(MetaPathFinder, Loader):
    """Finds modules of `MOVED` by their old names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A module of `MOVED`, or None.

        Raises:
            ModuleNotFoundError: for a module of `GONE`, saying why.
        """
        old = fullname.removeprefix("spikecut.")
        if old in GONE:
            raise ModuleNotFoundError(f"{fullname} is no longer there: {GONE[old]}", name=fullname)
        return ModuleSpec(fullname, self) if fullname.removeprefix("spikecut.") in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module that looks its attributes up."""
        return _MovedModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Warns that the name is an old one."""
        new = MOVED[module.__name__.removeprefix("spikecut.")].split()[0]
        warnings.warn(f"{module.__name__} is now spikecut.{new}", DeprecationWarning, stacklevel=2)


def look_up(module: str, name: str) -> Any:
    """What an old module held under a name.

    Raises:
        AttributeError: if it held no such thing.
    """
    if name.startswith("__"):  # what Python asks any module, such as __path__; nothing is imported for that
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    old = module.removeprefix("spikecut.")
    if renamed := RENAMED.get(f"{old}.{name}"):
        home, now = renamed.split()
        thing = getattr(importlib.import_module(f"spikecut.{home}"), now.removesuffix("()"))
        return thing() if now.endswith("()") else thing
    for home in (MOVED.get(old) or OLD_PACKAGES.get(old, "")).split():
        try:
            return getattr(importlib.import_module(f"spikecut.{home}"), name)
        except AttributeError:
            continue
    raise AttributeError(f"module {module!r} has no attribute {name!r}")
