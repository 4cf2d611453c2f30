"""From the flags that all commands share to the options of reading."""

from dataclasses import replace

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.filters.parsing import filters_from
from spikecut.pipeline.fit import check_fit
from spikecut.sources.formats.base import ReadOptions, TextLayout
from spikecut.tools.options import FileOptions, FitOptions, Implied, ReadingOptions


def read_options(options: FileOptions) -> ReadOptions:
    """The options of reading from the flags of a command; seconds are rounded to µs.

    Raises:
        ConfigError: if the sensor is no size, the columns are no layout, or a filter or the fit has another form.

    >>> options = read_options(ReadingOptions(sensor="240x180", start=1.5))
    >>> options.sensor, options.start_us, options.duration_us
    (SensorSize(width=240, height=180), 1500000, None)
    """
    start_us, duration_us = 0, None
    if isinstance(options, ReadingOptions):
        start_us = _us(options.start)
        duration_us = None if options.duration is None else _us(options.duration)
    fit = str(options.fit) if isinstance(options, FitOptions) else ""
    if isinstance(options, FitOptions) and not fit and not isinstance(options.fit, Implied):
        raise ConfigError(
            "--fit is empty; expected crop, squeeze or a window X,Y,WxH", hint="leave --fit out for the default, crop"
        )
    check_fit(fit)
    return ReadOptions(
        sensor=parse_sensor(options.sensor),
        text=_layout(options),
        camera=options.camera,
        start_us=start_us,
        duration_us=duration_us,
        on_damage=options.on_damage,
        filters=filters_from(options.filter),
        fit=fit,
    )


def starting_at(reading: ReadOptions, after_us: int) -> ReadOptions:
    """The options that read the same stretch from so many µs after its beginning.

    >>> later = starting_at(ReadOptions(start_us=2_000_000, duration_us=5_000_000), 1_000_000)
    >>> later.start_us, later.duration_us
    (3000000, 4000000)
    """
    left_us = None if reading.duration_us is None else reading.duration_us - after_us
    return replace(reading, start_us=reading.start_us + after_us, duration_us=left_us)


def _layout(options: FileOptions) -> TextLayout | None:
    """The layout of text files; what no flag says, the header line does."""
    unit = None if isinstance(options.time_unit, Implied) else options.time_unit
    return None if options.columns is None and unit is None else TextLayout(options.columns, unit)


def parse_sensor(text: str | None) -> SensorSize | None:
    """Parses the size of a sensor from a command line.

    Raises:
        ConfigError: if it is no size.

    >>> parse_sensor("240x180")
    SensorSize(width=240, height=180)
    """
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ConfigError(f"sensor {text!r} is no size", hint="write WIDTHxHEIGHT, such as 128x128")
    return SensorSize(int(width), int(height))


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
