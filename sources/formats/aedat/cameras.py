"""The sensors of the cameras that AEDAT files name."""

from spikecut.pipeline.events import SensorSize

CAMERAS = {
    "DVS128": SensorSize(128, 128),
    "DAVIS240": SensorSize(240, 180),
    "DAVIS346": SensorSize(346, 260),
    "DAVIS128": SensorSize(128, 128),
    "DAVIS208": SensorSize(208, 192),
    "DAVIS640": SensorSize(640, 480),
    "DAVISHET640": SensorSize(640, 480),
    "DAVISRGB": SensorSize(640, 480),
    "EDVS": SensorSize(128, 128),
    "DVS132": SensorSize(132, 104),
    "DVXPLORER": SensorSize(640, 480),
}
"""By the beginning of their names in capitals; letters of a revision may follow (libcaer, `chipID`)."""


def sensor_of(name: str) -> SensorSize | None:
    """The sensor of a camera by its name, or None if the name is that of no camera we know.

    >>> sensor_of("DAVIS240C"), sensor_of("CeleX")
    (SensorSize(width=240, height=180), None)
    """
    capitals = name.upper()
    return next((sensor for camera, sensor in CAMERAS.items() if camera in capitals), None)


def camera_of(sensor: SensorSize) -> str | None:
    """The name of the first camera with a sensor, or None.

    >>> camera_of(SensorSize(346, 260))
    'DAVIS346'
    """
    return next((camera for camera, size in CAMERAS.items() if size == sensor), None)
