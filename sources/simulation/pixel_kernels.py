"""The compiled loops of the DVS pixel; their meaning is `pixel` in tests/naive.py. Pixels are in one row."""

from typing import Any

from spikecut.pipeline.compiled import compiled

_SIGNAL, _LEAK = 0, 2  # of `pixel.EventKind`
_CLOSE = 1e-9  # what rounding may take from a change that is exactly a threshold


@compiled(nogil=True, boundscheck=False)
def find_active(
    after: Any, share: Any, level: Any, memory: Any, leak: Any, on: Any, off: Any, length_us: int,
    noisy: Any, heads: Any, following: Any, target: Any, change: Any, active: Any,
) -> tuple[int, int]:  # fmt: skip
    """Moves every photoreceptor by its `share` of the way to `after`, and lists the pixels that may fire.

    Fills `target` with the new levels, `change` with the distance from each memory (which leaks) at the end of
    the interval, and `active` with the pixels whose threshold is met or whose number is in `noisy`. `heads` gets
    the first entry of `noisy` for each pixel, `following` the next one after each entry. Returns how many are
    active, and a bound for their events.
    """
    n = after.shape[0]
    for i in range(n):
        new = level[i] + share[i] * (after[i] - level[i])
        target[i] = new
        change[i] = new - memory[i] + leak[i] * length_us
    for k in range(noisy.shape[0] - 1, -1, -1):
        following[k] = heads[noisy[k]]
        heads[noisy[k]] = k
    count, most = 0, 0
    for i in range(n):
        far = change[i]
        if far >= on[i] - _CLOSE or -far >= off[i] - _CLOSE or heads[i] >= 0:
            active[count] = i
            count += 1
            near = level[i] - memory[i]
            most += int((abs(far) + abs(far - near)) / min(on[i], off[i])) + 2
        else:
            memory[i] -= leak[i] * length_us
    return count, most


@compiled(nogil=True, boundscheck=False)
def emit_events(
    active: Any, target: Any, change: Any, level: Any, memory: Any, leak: Any, on: Any, off: Any, last: Any,
    since: Any, refractory_us: int, start_us: int, end_us: int, heads: Any, following: Any, noise_t: Any, noise_p: Any,
    noise_kind: Any, t: Any, place: Any, side: Any, kind: Any,
) -> int:  # fmt: skip
    """Writes the events of the active pixels, pixel by pixel, moves their memories; returns how many.

    The distance from the memory runs in a straight line over the interval. An event's time is where it
    meets the threshold, rounded down, inside `start_us <= t < end_us`. An event in the refractory time is
    not written, but moves the memory all the same. Noise sets the memory to the present level. `kind` gets the
    number of `EventKind`: an ON event is a leak where the leak `since` the memory was last set made more than half of
    the change.
    """
    n, length = 0, end_us - start_us
    for a in range(active.shape[0]):
        i = active[a]
        near = level[i] - memory[i]
        slope = change[i] - near
        moved = 0.0
        k = heads[i]
        heads[i] = -1
        while True:
            upto = (noise_t[k] - start_us) / length if k >= 0 else 1.0
            here = near + upto * slope
            while True:
                if here - moved >= on[i] - _CLOSE:
                    moved += on[i]
                    polarity = 1
                elif moved - here >= off[i] - _CLOSE:
                    moved -= off[i]
                    polarity = 0
                else:
                    break
                at = (moved - near) / slope if slope != 0.0 else 0.0
                moment = min(max(start_us + int(at * length + _CLOSE * length), start_us), end_us - 1)
                if moment - last[i] >= refractory_us:
                    t[n], place[n], side[n] = moment, i, polarity
                    leaked = leak[i] * (moment - since[i])
                    kind[n] = _LEAK if polarity == 1 and leaked > 0.5 * on[i] else _SIGNAL
                    last[i] = moment
                    n += 1
                since[i] = moment
            if k < 0:
                break
            if noise_t[k] - last[i] >= refractory_us:
                t[n], place[n], side[n], kind[n] = noise_t[k], i, noise_p[k], noise_kind[k]
                last[i] = since[i] = noise_t[k]
                n += 1
                moved = here
            k = following[k]
        memory[i] += moved - leak[i] * length
    return n
