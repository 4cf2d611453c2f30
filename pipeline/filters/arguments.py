"""What follows the colon of a filter in words: one reader for each form, from a text to the arguments of its class.

A reader raises ValueError for any other text; `filter_from` says then which form is expected.
"""

import re
from typing import Any

_DURATION_US = {"us": 1, "ms": 1_000, "s": 1_000_000}
_POWERS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def nothing(text: str) -> tuple[()]:
    if text:
        raise ValueError(text)
    return ()


def word(text: str) -> tuple[str]:
    if not text:
        raise ValueError(text)
    return (text,)


def whole(text: str) -> tuple[int]:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError(text)
    return (int(text),)


def numbers(pattern: str, text: str) -> tuple[int, ...]:
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        raise ValueError(text)
    return tuple(int(one) for one in match.groups())


def crop(text: str) -> tuple[int, ...]:
    return numbers(r"(\d{1,6}),(\d{1,6}),(\d{1,6})x(\d{1,6})", text)


def duration(text: str) -> tuple[int]:
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)(us|ms|s)", text, re.ASCII)
    if match is None:
        raise ValueError(text)
    return (round(float(match[1]) * _DURATION_US[match[2]]),)


def rate(text: str) -> tuple[int]:
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)([kmg]?)", text.lower(), re.ASCII)
    if match is None:
        raise ValueError(text)
    return (round(float(match[1]) * _POWERS[match[2]]),)


def pixels(text: str) -> tuple[Any, ...]:
    if not text:
        return ()
    return (tuple(numbers(r"(\d{1,6}),(\d{1,6})", one) for one in text.split("+")),)
