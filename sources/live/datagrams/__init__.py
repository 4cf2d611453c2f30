"""Layouts of datagrams: one row each in the table `LAYOUTS`; they are sent and received by the same names.

`spikecut` is our own, with sequence numbers (`own`). The others are words of equal size (`words`).
"""

from spikecut.sources.live.datagrams.base import Layout
from spikecut.sources.live.datagrams.own import OwnEncoder
from spikecut.sources.live.datagrams.words import FAERY8, FAERY13, SPIF, SPIF_TIMED, encoder_of

LAYOUTS = {
    "spikecut": Layout("spikecut's, with sequence numbers and the sensor", OwnEncoder),
    "spif": Layout("SPIF and AEStream: 4 bytes without a time", encoder_of(SPIF), SPIF),
    "spif-timed": Layout("AEStream with times: 8 bytes", encoder_of(SPIF_TIMED), SPIF_TIMED),
    "faery13": Layout("faery t64_x16_y16_on8: 13 bytes", encoder_of(FAERY13), FAERY13),
    "faery8": Layout("faery t32_x16_y15_on1: 8 bytes", encoder_of(FAERY8), FAERY8),
}
