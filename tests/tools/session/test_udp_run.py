"""Truths about runs of what comes over UDP: the decisions of the recording, every event and datagram accounted for."""

import errno
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.live.datagrams.own import decoded
from spikecut.sources.live.inputs import udp
from spikecut.sources.live.inputs.addresses import Address, bound
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.recordings import sending

from source_contract import pattern
from udp_pair import Pair, pair

__all__ = ["pair"]

VGA = SensorSize(640, 480)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("session"), DrawnSession(24, "natural", order=(3, 0), quick=True))


def printed(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> list[dict[str, Any]]:
    assert main([*words, "--json", "--window", "off", "--model", "gestures"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_is_sent_over_loopback_is_decided_as_the_file_is(
    session: Path, capsys: pytest.CaptureFixture[str], pair: Pair
) -> None:
    recording = open_recording(session)
    thread = pair.sends(recording, recording.sensor)
    live = printed(["run", "udp://127.0.0.1:0"], capsys)
    thread.join(timeout=60)
    of_file = printed(["run", str(session)], capsys)
    assert len(of_file) == 3
    for one, other in zip(live[:-1], of_file[:-1], strict=True):
        for key in ("label", "time_us", "probability", "n_events"):
            assert one[key] == other[key]
    summary = live[-1]["summary"]
    assert summary["ended"] == "end", "the end is sent, too"
    assert summary["read"] == summary["used"] == of_file[-1]["summary"]["read"]
    assert summary["datagrams"]["received"] == summary["datagrams"]["used"]
    assert summary["bins"] == of_file[-1]["summary"]["bins"]


def test_datagrams_that_are_lost_are_counted_and_leave_exit_code_3(
    session: Path, capsys: pytest.CaptureFixture[str], pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N01: every fiftieth is not seen by the receiver."""
    n_seen = [0]

    def some(data: bytes) -> Any:
        n_seen[0] += 1
        return None if n_seen[0] % 50 == 0 else decoded(data)

    monkeypatch.setattr(udp, "decoded", some)
    recording = open_recording(session)
    thread = pair.sends(recording, recording.sensor)
    summary = printed(["live", "udp://127.0.0.1:0", "--when-full", "block"], capsys, 3)[-1]["summary"]
    thread.join(timeout=60)
    carried = summary["datagrams"]
    assert carried["malformed"] - 1 <= carried["lost"] <= carried["malformed"], "the end is sent three times"
    assert carried["lost"] > 10
    assert summary["read"] == summary["used"] + sum(summary["dropped"].values())
    assert summary["dropped"]["unreadable"] == carried["malformed"]
    n_sent = sum(len(batch) for batch in recording)
    assert summary["used"] + summary["dropped"]["lost"] == n_sent


def test_send_says_what_it_sent_and_receives_what_it_lost(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receiver = bound(Address("127.0.0.1", 0))
    to = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
    got: list[bytes] = []
    reading = threading.Thread(target=lambda: got.append(receiver.recv(65536)), daemon=True)
    reading.start()
    assert main(["send", str(session), to, "--speed", "max", "--duration", "0.5", "--json"]) == 0
    sent = json.loads(capsys.readouterr().out)["sent"]
    assert sent["events"] == sum(len(one) for one in open_recording(session, duration_us=500_000))
    assert sent["datagrams"] >= 50, "one every 10 ms at least"
    assert sent["ended"] == "end"
    reading.join(timeout=30)
    assert got[0][:4] == b"SPKC"
    receiver.close()
    assert main(["send", str(session), to, "--speed", "max", "--duration", "0.5"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"sent {sent['events']:,} events in {sent['datagrams']:,} datagrams, 0.50 s of stream")
    assert f"nothing listened at {to}" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "udp://127.0.0.1:0", "--speed", "2"], 2, "--speed 2: datagrams come at their own pace"),
        (["run", "udp://127.0.0.1:0", "--loop"], 2, "--loop"),
        (["run", "udp://127.0.0.1:0", "--idle-timeout", "0.05", "--model", "gestures"], 4, "no datagram came"),
        (["send", "{session}", "127.0.0.1:3333"], 2, "is no address of datagrams"),
        (["send", "{session}", "udp://255.255.255.255:3333"], 5, "broadcast"),
        (["send", "{session}", "udp://127.0.0.1:0"], 2, "nothing can be sent to port 0"),
        (["send", "{session}", "udp://127.0.0.1:3333", "--format", "feary8"], 2, "did you mean 'faery8'"),
    ],
)
def test_what_cannot_be_done_is_named(
    words: list[str], code: int, message: str, session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """N02."""
    assert main([word.format(session=session) for word in words]) == code
    assert message in capsys.readouterr().err


def test_a_network_that_goes_while_datagrams_are_sent_ends_it_with_what_was_sent(
    session: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    n_sent = [0]

    class Unplugged:
        def send(self, data: bytes) -> int:
            n_sent[0] += 1
            if n_sent[0] > 5:
                raise OSError(errno.ENETUNREACH, "Network is unreachable")
            return len(data)

        def close(self) -> None:
            pass

    monkeypatch.setattr(sending, "connected", lambda address: Unplugged())
    assert main(["send", str(session), "udp://192.0.2.9:3333", "--speed", "max", "--json"]) == 5
    out, err = capsys.readouterr()
    sent = json.loads(out)["sent"]
    assert (sent["datagrams"], sent["ended"]) == (5, "error")
    assert "error: udp://192.0.2.9:3333: there is no way to this network" in err


def test_who_sends_pixels_that_are_none_does_not_end_the_run(capsys: pytest.CaptureFixture[str], pair: Pair) -> None:
    """N01: 900 events outside the sensor before the first sound one; they are counted."""
    n = 900
    outside = EventBatch(
        np.arange(n) * 30, np.full(n, 400, np.uint16), np.full(n, 7, np.uint16), np.ones(n, np.uint8), 0, n * 30, VGA
    )
    sound = pattern(n, first_us=n * 30)
    thread = pair.sends([outside, replace(sound, sensor=VGA)], VGA, "faery13")
    words = ["run", "udp://127.0.0.1:0", "--format", "faery13", "--sensor", "128x128", "--idle-timeout", "1"]
    summary = printed(words, capsys, 3)[-1]["summary"]
    thread.join(timeout=60)
    assert summary["dropped"]["outside_sensor"] > 20
    assert summary["read"] == summary["used"] + sum(summary["dropped"].values())
