"""Writing text: a comment with the sensor and the unit, a header line, then `t,x,y,p` in whole µs, one event a line."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.reading.ordering import RESET_US
from spikecut.sources.formats.text_kernels import TIME_LIMIT_US, encode_text

_LINE_BYTES = 20 + 1 + 5 + 1 + 5 + 1 + 1 + 1
_PART = 1 << 16  # events that are encoded at a time


def write_text(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes events as lines, parted by tabs in a `.tsv` and by commas else; returns how many.

    Raises:
        ConfigError: if a time is beyond what is read back, or the clock restarts so near that it reads as disorder.
    """
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    n, last_us, segment = 0, None, 0
    out = np.empty(_PART * _LINE_BYTES, np.uint8)
    with path.open("wb") as file:
        file.write(f"# sensor {sensor}, times in us\n{separator.join('txyp')}\n".encode())
        for batch in batches:
            if not len(batch):
                continue
            first_us = int(batch.t[0])
            if last_us is not None and batch.segment != segment and last_us - first_us <= RESET_US:
                raise ConfigError(
                    f"{path}: the clock restarts at {first_us} us after {last_us} us, which text cannot say",
                    hint="write .h5 instead",
                )
            if max(-first_us, int(batch.t[-1])) > TIME_LIMIT_US:
                raise ConfigError(f"{path}: a time beyond {TIME_LIMIT_US} us", hint="write .h5 instead")
            for begin in range(0, len(batch), _PART):
                part = slice(begin, begin + _PART)
                columns = batch.t[part], batch.x[part], batch.y[part], batch.p[part]
                size = encode_text(*columns, ord(separator), out)
                file.write(out[:size].tobytes())
            n, last_us, segment = n + len(batch), int(batch.t[-1]), batch.segment
    return n
