"""OpenCV, for pictures in and out: loaded when first needed, with advice where it does not load."""

from typing import Any

from spikecut.pipeline.errors import EnvironmentProblem


def opencv() -> Any:
    """The module `cv2`.

    Raises:
        EnvironmentProblem: if it is missing, or does not load for want of a system library.
    """
    try:
        import cv2
    except ImportError as error:
        raise EnvironmentProblem(
            f"OpenCV does not load: {error}",
            hint="pip install opencv-python-headless, which needs no display; or, for opencv-python: "
            "apt-get install libgl1 libxcb1 libx11-6 libglib2.0-0",
        ) from error
    return cv2
