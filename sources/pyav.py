"""PyAV, FFmpeg for Python, for videos in and out: loaded when first needed, with advice where it does not load."""

from typing import Any

from spikecut.pipeline.errors import EnvironmentProblem


def pyav() -> Any:
    """The module `av`.

    Raises:
        EnvironmentProblem: if it is missing or does not load.
    """
    try:
        import av
    except ImportError as error:
        raise EnvironmentProblem(f"PyAV does not load: {error}", hint="pip install av") from error
    return av
