"""File formats of event recordings: one module each, and one row each in the table `FORMATS`.

Opening, converting, listing class folders, messages and documents ask this table (docs/extending.md).
"""

from spikecut.sources.formats.base import Format
from spikecut.sources.formats.signatures import (
    AEDAT3,
    AEDAT4,
    EVENT_STREAM,
    HDF5,
    begins_with,
    is_aedat2,
    is_array_archive,
    is_plain_array,
    is_prophesee,
    is_structured_array,
    is_video,
)

FORMATS = {
    "aedat2": Format(
        "AEDAT 2.0",
        (".aedat",),
        "spikecut.sources.formats.aedat2:open_aedat2",
        "spikecut.sources.formats.aedat2:write_aedat2",
        recognise=is_aedat2,
        fixed_sensor=True,
        streams=True,
    ),
    "aedat3": Format(
        "AEDAT 3.1",
        (".aedat",),
        "spikecut.sources.formats.aedat3:open_aedat3",
        "spikecut.sources.formats.aedat3:write_aedat3",
        recognise=begins_with(AEDAT3),
        streams=True,
    ),
    "aedat4": Format(
        "AEDAT4",
        (".aedat4",),
        "spikecut.sources.formats.aedat4.reader:open_aedat4",
        "spikecut.sources.formats.aedat4.writer:write_aedat4",
        recognise=begins_with(AEDAT4),
    ),
    "atis": Format(
        "ATIS bin",
        (".bin",),
        "spikecut.sources.formats.atis:open_atis",
        "spikecut.sources.formats.atis:write_atis",
        streams=True,
    ),
    "evt3": Format(
        "Prophesee EVT3",
        (".raw",),
        "spikecut.sources.formats.prophesee.evt:open_evt3",
        "spikecut.sources.formats.prophesee.evt_writer:write_evt3",
        recognise=is_prophesee("evt3", "evt ?"),
        streams=True,
    ),
    "evt2": Format(
        "Prophesee EVT2",
        (".raw",),
        "spikecut.sources.formats.prophesee.evt:open_evt2",
        "spikecut.sources.formats.prophesee.evt_writer:write_evt2",
        recognise=is_prophesee("evt2"),
        streams=True,
    ),
    "evt21": Format(
        "Prophesee EVT2.1",
        (".raw",),
        "spikecut.sources.formats.prophesee.evt:open_evt21",
        "spikecut.sources.formats.prophesee.evt_writer:write_evt21",
        recognise=is_prophesee("evt21"),
        streams=True,
    ),
    "dat": Format(
        "Prophesee DAT",
        (".dat",),
        "spikecut.sources.formats.prophesee.dat:open_dat",
        "spikecut.sources.formats.prophesee.dat:write_dat",
        recognise=is_prophesee("dat"),
        streams=True,
    ),
    "es": Format(
        "event stream",
        (".es",),
        "spikecut.sources.formats.es.recording:open_es",
        "spikecut.sources.formats.es.recording:write_es",
        recognise=begins_with(EVENT_STREAM),
        streams=True,
    ),
    "hdf5": Format(
        "spikecut HDF5",
        (".h5", ".hdf5"),
        "spikecut.sources.formats.hdf5:open_hdf5",
        "spikecut.sources.formats.hdf5_writer:write_hdf5",
        recognise=begins_with(HDF5),
    ),
    "npy": Format(
        "NumPy structured array",
        (".npy",),
        "spikecut.sources.formats.arrays.npy_files:open_npy",
        "spikecut.sources.formats.arrays.npy_files:write_npy",
        recognise=is_structured_array,
        in_folders=False,
    ),
    "npz": Format(
        "NumPy archive",
        (".npz",),
        "spikecut.sources.formats.arrays.npz_files:open_npz",
        "spikecut.sources.formats.arrays.npz_writer:write_npz",
        recognise=is_array_archive,
        in_folders=False,
    ),
    "tonic_npy": Format(
        "Tonic's DVS128 Gesture",
        (".npy",),
        "spikecut.sources.formats.arrays.npy_files:open_npy",
        recognise=is_plain_array,
        in_folders=False,
        fixed_sensor=True,
    ),
    "text": Format(
        "text",
        (".txt", ".csv", ".tsv"),
        "spikecut.sources.formats.text:open_text",
        "spikecut.sources.formats.text_layout.writer:write_text",
        needs=("text",),
        streams=True,
    ),
    "video": Format(
        "video before a simulated DVS",
        (".mp4", ".mov", ".avi", ".mkv", ".webm"),
        "spikecut.sources.simulation.video:open_video",
        recognise=is_video,
        in_folders=False,
        simulated=True,
    ),
}


def known_formats() -> str:
    """All formats that can be read, with their suffixes, for messages."""
    return ", ".join(map(str, FORMATS.values()))


def recording_suffixes(*, text: bool = False) -> tuple[str, ...]:
    """Suffixes of the files that count as recordings in a folder; those of text only where its layout is given.

    >>> recording_suffixes()
    ('.aedat', '.aedat4', '.bin', '.raw', '.dat', '.es', '.h5', '.hdf5')
    """
    rows = [row for row in FORMATS.values() if row.in_folders and (text or "text" not in row.needs)]
    return tuple(dict.fromkeys(suffix for row in rows for suffix in row.suffixes))


def written_formats() -> dict[str, Format]:
    """The rows of the formats that can be written.

    >>> list(written_formats())
    ['aedat2', 'aedat3', 'aedat4', 'atis', 'evt3', 'evt2', 'evt21', 'dat', 'es', 'hdf5', 'npy', 'npz', 'text']
    """
    return {name: row for name, row in FORMATS.items() if row.writer is not None}


def written_suffixes() -> tuple[str, ...]:
    """The suffixes of the formats that can be written.

    >>> written_suffixes()
    ('.aedat', '.aedat4', '.bin', '.raw', '.dat', '.es', '.h5', '.hdf5', '.npy', '.npz', '.txt', '.csv', '.tsv')
    """
    return tuple(dict.fromkeys(suffix for row in written_formats().values() for suffix in row.suffixes))
