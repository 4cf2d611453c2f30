"""Truths about networks that were loaded by their names."""

import numpy as np

import spikecut


def test_arrays_without_a_sensor_are_of_the_network_s_own_sensor_and_not_of_its_smaller_frame() -> None:
    network, card = spikecut.load_network("ncaltech101")
    assert (str(card.sensor), str(card.spec.frame)) == ("240x180", "60x45")
    corner = {"t": np.array([0, 5]), "x": [0, 239], "y": [0, 179], "p": [0, 1]}
    (frame,) = spikecut.frames_of(corner, network)
    assert frame.pixels.shape == (2, 45, 60)
    assert (frame.pixels[0, 0, 0], frame.pixels[1, 44, 59]) == (1, 1)
