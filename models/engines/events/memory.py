"""Memory whose rows begin where cache lines do: a vector that lies across two of them is loaded in twice the time."""

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

LINE = 64  # bytes
NUMBERS = LINE // 4  # float32 of a line


def zeros(rows: int, numbers: int) -> Float32[ndarray, "rows numbers"]:
    """Zeros; the first row begins at a cache line, and all do if `numbers` fill whole lines."""
    size = 4 * rows * numbers
    memory = np.zeros(size + LINE, np.uint8)
    begin = -memory.ctypes.data % LINE
    return memory[begin : begin + size].view(np.float32).reshape(rows, numbers)
