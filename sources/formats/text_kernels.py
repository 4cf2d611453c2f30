"""The compiled loop that turns lines of text into columns, and counts the lines that are no events.

All of it stands in one file because Numba's cache notices changes only in the file of the function that is called.
The naive twin is `text_rows` in tests/naive.py.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

LINE_LIMIT = 4_096  # bytes; a longer line is no event, and is passed over without being kept in memory
TIME_LIMIT_US = 10**17  # three thousand years

# Where the kernel keeps its place between blocks: an int64 each. Lines count from 1.
STATE = 10
CONSUMED, OFFSET, LINE, PASSING, BAD, BAD_BYTES, BAD_AT, BAD_LINE, OUTSIDE, OUTSIDE_AT = range(STATE)
_NOTHING, _COMMENT, _GARBAGE = 0, 1, 2  # what is being passed over
_NEWLINE, _HASH, _COMMA, _POINT, _PLUS, _MINUS, _ZERO, _NINE = 10, 35, 44, 46, 43, 45, 48, 57


@compiled(nogil=True)
def decode_text(
    data: Any,
    final: bool,
    order: Any,
    decimals: int,
    width: int,
    height: int,
    state: Any,
    t: Any,
    x: Any,
    y: Any,
    p: Any,
) -> int:
    """Columns from a block of lines; returns how many events, `state` says how many bytes.

    `order[i]` is 0 to 3 for x, y, t, p: what the i-th number of a line is. Times have the unit of 10**`decimals` µs
    and are rounded to whole ones; where the unit is a µs itself, a fraction is no time. A last line without a break
    that is no event is not consumed: there the file was cut.
    """
    size, at, n = data.shape[0], 0, 0
    while at < size:
        end = at
        while end < size and data[end] != _NEWLINE:
            end += 1
        unended = end == size
        if state[PASSING] == _NOTHING:
            if unended and not final and end - at <= LINE_LIMIT:
                break
            first = at
            while first < min(end, at + LINE_LIMIT) and is_blank(data[first]):
                first += 1
            kind, values = _NOTHING, (0, 0, 0, 0)
            if first < end and data[first] == _HASH:
                kind = _COMMENT
            elif end - at > LINE_LIMIT:
                kind = _GARBAGE
            elif first < end:
                fits, values = row_of(data, first, end, order, decimals)
                if not fits:
                    if unended:
                        break
                    kind = _GARBAGE
                elif not (0 <= values[0] < width and 0 <= values[1] < height):
                    if state[OUTSIDE] == 0:
                        state[OUTSIDE_AT] = state[OFFSET] + at
                    state[OUTSIDE] += 1
                else:
                    x[n], y[n], t[n], p[n] = values[0], values[1], values[2], values[3]
                    n += 1
            if kind == _GARBAGE:
                if state[BAD] == 0:
                    state[BAD_AT], state[BAD_LINE] = state[OFFSET] + at, state[LINE] + 1
                state[BAD] += 1
            state[PASSING] = kind
        after = end if unended else end + 1
        if state[PASSING] == _GARBAGE:
            state[BAD_BYTES] += after - at
        if not unended:
            state[PASSING] = _NOTHING
            state[LINE] += 1
        at = after
    state[CONSUMED] = at
    return int(n)


@compiled(nogil=True)
def row_of(data: Any, at: int, end: int, order: Any, decimals: int) -> Any:
    """Whether a line is four numbers that can be an event, and x, y, t in µs, and p as 0 or 1."""
    x, y, t, p = 0, 0, 0, 0
    for i in range(4):
        if i:
            before = at
            at = past_blanks(data, at, end)
            if at < end and data[at] == _COMMA:
                at = past_blanks(data, at + 1, end)
            if at == before:
                return False, (x, y, t, p)
        at, mantissa, exponent, exact = number_of(data, at, end)
        if at < 0:
            return False, (x, y, t, p)
        if order[i] == 2:
            fits, t = scaled(mantissa, exponent + decimals, exact, decimals == 0)
        else:
            fits, value = scaled(mantissa, exponent, exact, True)
            if order[i] == 0:
                x = value
            elif order[i] == 1:
                y = value
            else:
                fits &= -1 <= value <= 1
                p = 1 if value > 0 else 0
        if not fits:
            return False, (x, y, t, p)
    at = past_blanks(data, at, end)
    return at == end or data[at] == _HASH, (x, y, t, p)


@compiled(nogil=True)
def number_of(data: Any, at: int, end: int) -> Any:
    """A decimal number: where it ends (-1: there is none), 18 digits, the power of ten, whether these are all of it."""
    sign, mantissa, exponent, exact, digits, point = 1, 0, 0, True, 0, False
    if at < end and (data[at] == _PLUS or data[at] == _MINUS):
        sign = -1 if data[at] == _MINUS else 1
        at += 1
    while at < end and (_ZERO <= data[at] <= _NINE or (data[at] == _POINT and not point)):
        if data[at] == _POINT:
            point = True
        else:
            digits += 1
            if mantissa < 10**17:
                mantissa = mantissa * 10 + int(np.int64(data[at]) - _ZERO)
                exponent -= point
            else:
                exact &= data[at] == _ZERO
                exponent += not point
        at += 1
    if digits == 0:
        return -1, 0, 0, False
    if at < end and (data[at] == 69 or data[at] == 101):  # E or e
        at += 1
        direction, power, digits = 1, 0, 0
        if at < end and (data[at] == _PLUS or data[at] == _MINUS):
            direction = -1 if data[at] == _MINUS else 1
            at += 1
        while at < end and _ZERO <= data[at] <= _NINE:
            power = min(power * 10 + int(np.int64(data[at]) - _ZERO), 1_000_000)
            digits += 1
            at += 1
        if digits == 0:
            return -1, 0, 0, False
        exponent += direction * power
    return at, sign * mantissa, exponent, exact


@compiled(nogil=True)
def scaled(mantissa: int, exponent: int, exact: bool, whole: bool) -> Any:
    """Whether `mantissa` times ten to `exponent` is a number in range, and that number, rounded half away from 0."""
    sign, value = (-1 if mantissa < 0 else 1), abs(mantissa)
    if value == 0:
        return True, 0
    while exponent > 0 and value <= TIME_LIMIT_US:
        value *= 10
        exponent -= 1
    if exponent < 0:
        unit = 10 ** min(-exponent, 18)
        rest = value % unit if exponent >= -18 else value
        if whole and (rest != 0 or not exact):
            return False, 0
        value = value // unit + (2 * rest >= unit) if exponent >= -18 else 0
    return value <= TIME_LIMIT_US, sign * value


@compiled(nogil=True)
def past_blanks(data: Any, at: int, end: int) -> int:
    """The next byte that is no blank, or the end."""
    while at < end and is_blank(data[at]):
        at += 1
    return at


@compiled(nogil=True)
def is_blank(byte: int) -> bool:
    """A space, a tab, or the carriage return before a line break."""
    return byte == 32 or byte == 9 or byte == 13
