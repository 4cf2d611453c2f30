"""One call a step: the instructions of a program, one after another, for every lane."""

from typing import Any

import numpy as np

from spikecut.models.engines.events.entry_kernels import enter_pixels, enter_squares
from spikecut.models.engines.events.layer_kernels import add_bias, add_signal, decay, fire, pooled, scatter
from spikecut.pipeline.compiled import compiled

_Array = np.ndarray[Any, Any]
ENTER, DECAY, BIAS, SCATTER, SIGNAL, FIRE, POOL, READOUT = range(8)


@compiled(nogil=True)
def step(
    program: _Array,
    lists: _Array,
    floats: _Array,
    frames: _Array,
    words: _Array,
    state: _Array,
    scratch: tuple[_Array, _Array, _Array, _Array, _Array],
    output: _Array,
    work: _Array,
) -> int:
    """Steps every lane: `frames (B, C * H * W)` and `state (B, n)`, which it changes, to `output (B, K)`.

    `words` is the memory of the frames as words of 8 bytes, `(B, 0)` where a plane fills no whole number of them. The
    last number of a lane's state counts its steps. `work (B, 1 + stages)` gets the synaptic operations, then the spikes
    of every stage; the most operations of a lane are returned. See `program.Program`.
    """
    most = 0
    for lane in range(frames.shape[0]):
        _step_lane(program, lists, floats, frames[lane], words[lane], state[lane], scratch, output[lane], work[lane])
        state[lane, state.shape[1] - 1] += 1
        most = max(most, work[lane, 0])
    return most


@compiled(nogil=True)
def _step_lane(
    program: _Array,
    lists: _Array,
    floats: _Array,
    frame: _Array,
    words: _Array,
    state: _Array,
    scratch: tuple[_Array, _Array, _Array, _Array, _Array],
    output: _Array,
    work: _Array,
) -> None:
    firsts, channels, values, sums, hits = scratch
    t = int(state[state.shape[0] - 1])
    reached = 0
    for at in range(program.shape[0]):
        op = program[at]
        target, source = lists[op[1]], lists[op[2]]
        first, channel, value = firsts[target[0] :], channels[target[1] :], values[target[1] :]
        given = firsts[source[0] :], channels[source[1] :], values[source[1] :]
        factor = np.float32(1) if op[4] == 0 else floats[op[3] + min(t, op[4] - 1)]
        if op[0] == ENTER:
            if op[8] == 1:
                enter_pixels(frame, words, op[5], floats, op[9], op[10], hits, first, channel, value)
            else:
                shape = op[5], op[6], op[7]
                enter_squares(frame, words, shape, op[8], floats, op[9], sums, hits, first, channel, value)
        elif op[0] == DECAY:
            decay(state, op[5], op[6], op[7], op[8], floats, op[9])
        elif op[0] == BIAS:
            add_bias(state, op[5], op[6], op[7], floats, op[8], factor)
        elif op[0] == SCATTER:
            out, window, of = (op[6], op[7], op[8]), (op[10], op[11], op[12], op[13]), (op[14], op[15], op[16])
            rows = scatter(state, op[5], out, floats, op[9], window, given[0], given[1], given[2], of, factor)
            reached += rows * op[8]
        elif op[0] == SIGNAL:
            add_signal(state, op[5], op[6], op[7], floats, op[8], given[0], given[1], given[2])
        elif op[0] == FIRE:
            cells = floats[op[10]], floats[op[10] + 1], floats[op[10] + 2]
            pool = op[11], op[12], op[13]
            shape = op[6], op[7], op[8]
            work[op[14]] = fire(state, op[5], shape, op[9], cells, pool, hits, first, channel, value)
        elif op[0] == POOL:
            pooled(given, (op[5], op[6], op[7]), (op[8], op[9], op[10]), sums, first, channel, value, 0)
        else:
            n = op[8]
            sums[:n] = floats[op[5] : op[5] + n]
            out, window, of = (1, 1, n), (op[10], op[11], op[12], op[13]), (op[14], op[15], op[16])
            rows = scatter(sums, 0, out, floats, op[9], window, given[0], given[1], given[2], of, factor)
            reached += rows * output.shape[0]
            output[:] = sums[: output.shape[0]]
    work[0] = reached
