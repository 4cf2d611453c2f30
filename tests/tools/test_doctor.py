"""Truths about `doctor`: what it calls sound is sound, what is broken is named, with a way to mend it."""

import json
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from spikecut.models.files import opening
from spikecut.sources.formats import FORMATS, written_formats
from spikecut.tools.cli import main
from spikecut.tools.doctor import installation, self_test
from spikecut.tools.views.encoders import ANIMATIONS, CODECS


def test_this_installation_is_sound_and_everything_in_the_tables_was_tried(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["ok"]
    rows = {row["thing"]: row for row in report["findings"]}
    assert all(row["state"] in ("ok", "absent") for row in rows.values())
    assert all(row["hint"] for row in rows.values() if row["state"] == "absent")
    needed = {Requirement(line).name for line in metadata.requires("spikecut") or () if "extra ==" not in line}
    assert needed <= set(rows)
    assert rows["formats"]["detail"].split(", ") == list(written_formats())
    assert rows["videos"]["detail"].split(", ") == [*CODECS, *ANIMATIONS]
    shipped = {path.stem for path in opening.SHIPPED.glob("*.safetensors")}
    assert set(rows["networks"]["detail"].split(", ")) == shipped
    assert "all that is needed works" in printed.err


def test_what_is_broken_is_named_and_the_rest_is_tried_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def damaged(path: Path, *_: object) -> int:
        raise OSError("no space left on device")

    kind = type(FORMATS["es"])
    whole = kind.write
    monkeypatch.setattr(
        kind, "write", lambda row, *given: damaged(*given) if row is FORMATS["es"] else whole(row, *given)
    )
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.1" if name == "numba" else version(name))
    assert main(["doctor"]) == 5
    out = capsys.readouterr().out
    assert "BROKEN numba" in out
    assert "0.1; needed is >=0.59" in out
    assert "pip install --upgrade 'numba>=0.59'" in out
    assert "BROKEN formats" in out
    assert "es: OSError: no space left on device" in out
    assert "broken: numba, formats" in out
    assert "ok     decision" in out


def test_a_package_that_is_not_there_or_does_not_load_says_so() -> None:
    absent = installation.package(Requirement("no-such-package>=3"))
    assert (absent.state, absent.detail) == ("broken", "not installed; needed is >=3")
    assert absent.hint == "pip install --upgrade 'no-such-package>=3'"


def test_a_package_whose_code_does_not_load_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(name: str) -> None:
        raise ImportError("undefined symbol: _ZN3foo")

    monkeypatch.setattr(installation, "import_module", refuses)
    found = installation.package(Requirement("numpy"))
    assert found.state == "broken"
    assert "does not load: undefined symbol: _ZN3foo" in found.detail
    assert "--force-reinstall numpy" in found.hint


def test_the_wheel_with_windows_does_what_the_one_without_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_version", {"opencv-python": "5.0.0"}.get)
    found = installation.package(Requirement("opencv-python-headless>=4.9"))
    assert (found.state, found.detail) == ("ok", "opencv-python 5.0.0 in its place")
    assert installation.package(Requirement("opencv-python-headless>=6")).state == "broken"


def test_two_wheels_of_opencv_of_different_versions_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"opencv-python": "4.9.0", "opencv-python-headless": "5.0.0"}
    monkeypatch.setattr(installation, "_version", versions.get)
    (found,) = installation._both_wheels()
    assert found.state == "broken"
    assert "opencv-python 4.9.0, opencv-python-headless 5.0.0" in found.detail
    versions["opencv-python"] = "5.0.0"
    assert not list(installation._both_wheels())


def test_a_cache_that_cannot_be_written_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("SPIKECUT_CACHE", str(file / "below"))
    found = next(one for one in installation.folders() if one.thing == "cache of frames")
    assert found.state == "broken"
    assert "not a directory" in found.detail
    assert "SPIKECUT_CACHE" in found.hint


def test_damaged_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in opening.SHIPPED.glob("nmnist.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "nmnist.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    with monkeypatch.context() as patched:
        patched.setattr(opening, "SHIPPED", tmp_path)
        (found,) = self_test.networks()
    assert found.state == "broken"
    assert found.detail.startswith("nmnist: ")
