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
_TAB, _SEMICOLON, _SKIPPED = 9, 59, 4
_TRUE, _FALSE, _ON, _OFF = 674_469, 6_337_125, 494, 15_558  # by `word_of`: five bits a letter, a is 1


@compiled(nogil=True)
def decode_text(
    data: Any,
    final: bool,
    order: Any,
    decimals: int,
    separator: int,
    width: int,
    height: int,
    state: Any,
    t: Any,
    x: Any,
    y: Any,
    p: Any,
) -> int:
    """Columns from a block of lines; returns how many events, `state` says how many bytes.

    `order[i]` is 0 to 3 for x, y, t, p: what the i-th number of a line is; 4 is a column that is skipped, which may
    hold anything up to the `separator` (0: to the next blank, comma or semicolon). Times have the unit of
    10**`decimals` µs and are rounded to whole µs, halves away from 0; where the unit is a µs or less, a fraction of it
    is no time. A last line without a break that is no event is not consumed: there the file was cut.
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
            while first < min(end, at + LINE_LIMIT) and is_blank(data[first], separator):
                first += 1
            kind, values = _NOTHING, (0, 0, 0, 0)
            if first < end and data[first] == _HASH:
                kind = _COMMENT
            elif end - at > LINE_LIMIT:
                kind = _GARBAGE
            elif first < end:
                fits, values = row_of(data, first, end, order, decimals, separator)
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
def row_of(data: Any, at: int, end: int, order: Any, decimals: int, separator: int) -> Any:
    """Whether a line has the columns of an event, and x, y, t in µs, and p as 0 or 1."""
    x, y, t, p = 0, 0, 0, 0
    for i in range(order.shape[0]):
        if i:
            at = after_separator(data, at, end, separator)
            if at < 0:
                return False, (x, y, t, p)
        if order[i] == _SKIPPED:
            before = at
            at = past_cell(data, at, end, separator)
            if at == before and separator == 0:
                return False, (x, y, t, p)
            continue
        if order[i] == 3 and at < end and data[at] >= 65:  # a letter
            at, p = word_of(data, at, end)
            if at < 0:
                return False, (x, y, t, p)
            continue
        at, mantissa, exponent, exact = number_of(data, at, end)
        if at < 0:
            return False, (x, y, t, p)
        if order[i] == 2:
            fits = decimals >= 0 or is_whole(mantissa, exponent, exact)
            if fits:
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
    at = past_blanks(data, at, end, separator)
    return at == end or data[at] == _HASH, (x, y, t, p)


@compiled(nogil=True)
def after_separator(data: Any, at: int, end: int, separator: int) -> int:
    """Where the next cell begins; -1 if nothing parts it from the one before."""
    before = at
    at = past_blanks(data, at, end, separator)
    if separator:
        if at == end or data[at] != separator:
            return -1
        return past_blanks(data, at + 1, end, separator)
    if at < end and (data[at] == _COMMA or data[at] == _SEMICOLON):
        at = past_blanks(data, at + 1, end, separator)
    return -1 if at == before else at


@compiled(nogil=True)
def past_cell(data: Any, at: int, end: int, separator: int) -> int:
    """The end of a cell that is skipped."""
    while at < end:
        byte = data[at]
        if separator:
            if byte == separator:
                break
        elif byte in (_COMMA, _SEMICOLON) or is_blank(byte, separator):
            break
        at += 1
    return at


@compiled(nogil=True)
def word_of(data: Any, at: int, end: int) -> Any:
    """A polarity in letters of either case: where it ends (-1: it is none); 1 for true and on, 0 for false and off."""
    code, n = 0, 0
    while at < end and n < 6 and 97 <= (data[at] | 32) <= 122:
        code = code * 32 + int(np.int64(data[at]) | 32) - 96
        at += 1
        n += 1
    if code in (_TRUE, _ON):
        return at, 1
    if code in (_FALSE, _OFF):
        return at, 0
    return -1, 0


@compiled(nogil=True)
def is_whole(mantissa: int, exponent: int, exact: bool) -> bool:
    """Whether a number of `number_of` has no fraction."""
    if exponent >= 0 or mantissa == 0:
        return True
    return exact and exponent >= -18 and mantissa % 10 ** min(-exponent, 18) == 0


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
def past_blanks(data: Any, at: int, end: int, separator: int) -> int:
    """The next byte that is no blank, or the end."""
    while at < end and is_blank(data[at], separator):
        at += 1
    return at


@compiled(nogil=True)
def is_blank(byte: int, separator: int) -> bool:
    """A space, a tab that is no separator, or the carriage return before a line break."""
    return byte == 32 or (byte == _TAB and separator != _TAB) or byte == 13


@compiled(nogil=True)
def count_pixels(x: Any, y: Any, columns: Any, rows: Any) -> None:
    """Adds to `columns[x]` and `rows[y]` how many events have these pixels; twin: `numpy.bincount`."""
    for i in range(x.shape[0]):
        columns[x[i]] += 1
        rows[y[i]] += 1


@compiled(nogil=True)
def encode_text(t: Any, x: Any, y: Any, p: Any, separator: int, out: Any) -> int:
    """Lines of t, x, y, p in decimal digits into the bytes of `out`; returns how many. Twin: `str` of each number."""
    n = 0
    for i in range(t.shape[0]):
        n = put_number(t[i], out, n)
        out[n] = separator
        n = put_number(int(np.int64(x[i])), out, n + 1)
        out[n] = separator
        n = put_number(int(np.int64(y[i])), out, n + 1)
        out[n] = separator
        out[n + 1] = _ZERO + p[i]
        out[n + 2] = _NEWLINE
        n += 3
    return n


@compiled(nogil=True)
def put_number(value: int, out: Any, n: int) -> int:
    """The digits of a number from place `n`; returns the place behind them. -2**63 is no time that occurs."""
    if value < 0:
        out[n] = _MINUS
        n += 1
        value = -value
    digits, rest = 1, value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for i in range(digits - 1, -1, -1):
        out[n + i] = _ZERO + value % 10
        value //= 10
    return n + digits
