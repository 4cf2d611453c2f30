"""Limits on what is read: named, raised by the user, written down."""

from pathlib import Path

import pytest

from spikecut.pipeline.errors import ConfigError, LimitExceeded
from spikecut.pipeline.files.limits import LIMITS, VARIABLE, limit, limited_bytes, set_limits, small_text
from spikecut.sources.datasets.gesture_labels import read_labels

SECURITY = Path(__file__).parents[3] / "SECURITY.md"


def test_every_limit_stands_in_security_md() -> None:
    text = SECURITY.read_text(encoding="utf-8")
    for name, one in LIMITS.items():
        assert f"| `{name}` | {one.default:,} | {one.meaning} |" in text


def test_limits_of_the_environment_and_of_the_command_line_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "pixels=7 members=8")
    set_limits(["members=9", "label-bytes=1_000"])
    assert [limit(name) for name in ("pixels", "members", "label-bytes")] == [7, 9, 1000]
    assert limit("archive-ratio") == LIMITS["archive-ratio"].default
    monkeypatch.setenv(VARIABLE, "pixels=many")
    with pytest.raises(ConfigError, match="SPIKECUT_LIMITS: pixels=many; expected a whole number from 1"):
        limit("pixels")


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfab")
    monkeypatch.setenv(VARIABLE, "label-bytes=5")
    assert small_text(path) == "ab"
    monkeypatch.setenv(VARIABLE, "label-bytes=4")
    with pytest.raises(LimitExceeded, match=r"a\.csv: more than 4 bytes; at most 4 are read"):
        small_text(path)
    with pytest.raises(LimitExceeded):
        read_labels(path)
    with pytest.raises(LimitExceeded):
        limited_bytes(Path("/dev/zero"), "label-bytes")
