"""Three data sets as they were published: which recordings there are, of which classes, under which names.

N-MNIST and N-Caltech101 (Orchard et al. 2015, arXiv 1507.07629) were recorded from MNIST and Caltech-101, and keep
their numbers. MNIST has 60,000 digits to train and 10,000 to test; the n-th is `<digit>/<n>.bin`. Of Caltech-101's
9,144 pictures (https://data.caltech.edu/records/mzrjq-6wc02) the 435 of `Faces` were left out, the same people being in
`Faces_easy`: 8,709 recordings, as many as Tonic's loader asks for. CIFAR10-DVS (Li et al., Frontiers in Neuroscience
11:309, 2017) has 1,000 recordings a class.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spikecut.pipeline.events import SensorSize
from spikecut.sources.datasets.class_folders import LabelledRecording
from spikecut.sources.datasets.parts import Division, Part
from spikecut.sources.formats.aedat2 import DVS128

_DIGITS = tuple("0123456789")
_MNIST_TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
_MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CALTECH101 = """
BACKGROUND_Google 467 Faces_easy 435 Leopards 200 Motorbikes 798 accordion 55 airplanes 800 anchor 42 ant 42 barrel 47
bass 54 beaver 46 binocular 33 bonsai 128 brain 98 brontosaurus 43 buddha 85 butterfly 91 camera 50 cannon 43
car_side 123 ceiling_fan 47 cellphone 59 chair 62 chandelier 107 cougar_body 47 cougar_face 69 crab 73 crayfish 70
crocodile 50 crocodile_head 51 cup 57 dalmatian 67 dollar_bill 52 dolphin 65 dragonfly 68 electric_guitar 75
elephant 64 emu 53 euphonium 64 ewer 85 ferry 67 flamingo 67 flamingo_head 45 garfield 34 gerenuk 34 gramophone 51
grand_piano 99 hawksbill 100 headphone 42 hedgehog 54 helicopter 88 ibis 80 inline_skate 31 joshua_tree 64 kangaroo 86
ketch 114 lamp 61 laptop 81 llama 78 lobster 41 lotus 66 mandolin 43 mayfly 40 menorah 87 metronome 32 minaret 76
nautilus 55 octopus 35 okapi 39 pagoda 47 panda 38 pigeon 45 pizza 53 platypus 34 pyramid 57 revolver 82 rhino 59
rooster 49 saxophone 40 schooner 63 scissors 39 scorpion 84 sea_horse 57 snoopy 35 soccer_ball 64 stapler 45
starfish 86 stegosaurus 59 stop_sign 64 strawberry 35 sunflower 85 tick 49 trilobite 86 umbrella 75 watch 239
water_lilly 37 wheelchair 59 wild_cat 34 windsor_chair 56 wrench 39 yin_yang 60
"""


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """What a complete copy holds.

    `counts` are recordings by division and class, numbered from `first` and named by `pattern`. Where
    `labels_md5` is given, numbers run through all classes of a division (MNIST's own): it is the MD5 of the label
    file that they and their folders make up (`train-labels-idx1-ubyte`, 0x801 and the count before the labels).
    `splits` are the digests of the parts of a complete copy (`datasets.split_digest`).
    """

    name: str
    home: str
    sensor: SensorSize
    counts: Mapping[Division | None, Mapping[str, int]]
    pattern: str
    first: int = 1
    labels_md5: Mapping[Division | None, str] = field(default_factory=dict)
    splits: Mapping[Part, str] = field(default_factory=dict)

    @property
    def classes(self) -> set[str]:
        return {name for counts in self.counts.values() for name in counts}

    def file_name(self, class_name: str, number: int) -> str:
        return self.pattern.format(class_name=class_name, number=number)

    def numbers(self, division: Division | None, group: str | None) -> range:
        """The numbers of a group: a class, or a whole division where numbers run through its classes (`None`)."""
        counts = self.counts[division]
        return range(self.first, self.first + (sum(counts.values()) if group is None else counts[group]))

    def groups(self, division: Division | None) -> list[str] | list[None]:
        """Within what the recordings of a division are numbered."""
        return [None] if self.labels_md5 else list(self.counts[division])

    def place_of(
        self, recording: LabelledRecording, lone: Division | None = None
    ) -> tuple[Division | None, str | None, int] | None:
        """Division, group and number of a recording by its class and name; `None` if none of these was published.

        `lone` is the division of those that lie in none.
        """
        if recording.class_name not in self.classes:
            return None
        division = recording.division if recording.division in self.counts else lone
        group = None if self.labels_md5 else recording.class_name
        digits = recording.path.stem.rpartition("_")[2]
        number = int(digits) if digits.isascii() and digits.isdigit() else -1
        right = self.file_name(recording.class_name, number) == recording.path.name
        return (division, group, number) if right and number in self.numbers(division, group) else None


N_MNIST = PublishedSet(
    name="N-MNIST",
    home="https://www.garrickorchard.com/datasets/n-mnist",
    sensor=SensorSize(34, 34),
    counts={
        "train": dict(zip(_DIGITS, _MNIST_TRAIN, strict=True)),
        "test": dict(zip(_DIGITS, _MNIST_TEST, strict=True)),
    },
    pattern="{number:05d}.bin",
    labels_md5={"train": "a25bea736e30d166cdddb491f175f624", "test": "27ae3e4e09519cfbb04c329615203637"},
)
N_CALTECH101 = PublishedSet(
    name="N-Caltech101",
    home="https://www.garrickorchard.com/datasets/n-caltech101",
    sensor=SensorSize(240, 180),
    counts={None: {name: int(n) for name, n in re.findall(r"(\w+) (\d+)", _CALTECH101)}},
    pattern="image_{number:04d}.bin",
    splits={
        "train": "0357cae50159e4751d4973eac5fe91b297e2e032a8ae9b8fb0607a6973541347",
        "calibration": "50e2d582df36f12f202b833b8623ac32881fe7adfd74c4eda92791defc75bcf1",
        "test": "7890b717b5ac78d3b5aab62c8e0270c04b5fceb5949fe7a2076c4b90c75b7125",
    },
)
CIFAR10_DVS = PublishedSet(
    name="CIFAR10-DVS",
    home="https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671",
    sensor=DVS128,
    counts={None: dict.fromkeys(_CIFAR10, 1_000)},
    pattern="cifar10_{class_name}_{number}.aedat",
    first=0,
    splits={
        "train": "cd3e28d143d973e20caad60d5b555f49410c1321d35d7de45a0234cbc456624d",
        "calibration": "b6bab43cd11900ccd1a6b1b729a96c81843bc51bec254bde77bcb299adf47f05",
        "test": "23cd87ba035d225111f3258de4e3dec2ab86943ca6e33e4d45931ed3c49c87c7",
    },
)
SETS = (N_MNIST, N_CALTECH101, CIFAR10_DVS)


def recognise(recordings: Iterable[LabelledRecording]) -> PublishedSet | None:
    """The set that at least half of the recordings belong to, by class and name; `None` for any other folder."""
    recordings = list(recordings)
    for one in SETS:
        mine = sum(one.place_of(r, next(iter(one.counts))) is not None for r in recordings)
        if recordings and 2 * mine >= len(recordings):
            return one
    return None


def imitated(origin: str) -> PublishedSet | None:
    """The set that simulated recordings are a counterpart of, by what `datasets.origin_of` says of their folder."""
    return next((one for one in SETS if f"counterpart of {one.name}," in origin), None)
