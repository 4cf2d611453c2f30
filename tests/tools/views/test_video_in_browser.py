"""The demo's video plays in a browser: Debian's Chromium, without a display, from a server of this process."""

import http.server
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spikecut.tools.cli import main

CHROMIUM = shutil.which("chromium")
PAGE = """<video src="{name}" muted></video><script>
const video = document.querySelector("video")
const tell = ended => fetch("/", {{method: "POST", body: JSON.stringify({{
  ended, error: video.error?.message ?? null, time: video.currentTime,
  duration: video.duration, width: video.videoWidth, height: video.videoHeight}})}})
video.onended = () => tell(true)
video.onerror = () => tell(false)
video.playbackRate = 4
video.play()
</script>"""


@contextmanager
def serving(folder: Path, reports: "queue.Queue[dict[str, object]]") -> Iterator[int]:
    """The port of a server of the files of a folder, which also takes what the page tells."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def do_POST(self) -> None:
            reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_chromium_plays_the_video_of_the_demo_to_its_end(tmp_path: Path, suffix: str) -> None:
    """One drawn gesture of 3 s before the score of 3 s, 960 x 540."""
    video = tmp_path / f"demo{suffix}"
    assert main(["demo", "--out", str(tmp_path / "demo"), "--count", "1", "--save", str(video)]) == 0
    (tmp_path / "index.html").write_text(PAGE.format(name=video.name))
    reports: queue.Queue[dict[str, object]] = queue.Queue()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
    with serving(tmp_path, reports) as port:
        command = [str(CHROMIUM), *flags, f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0"]
        browser = subprocess.Popen(
            [*command, f"http://127.0.0.1:{port}/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            report = reports.get(timeout=120)
        finally:
            browser.terminate()
            browser.wait()
    assert report["error"] is None
    assert report["ended"] is True
    assert (report["width"], report["height"]) == (960, 540)
    assert report["time"] == report["duration"]
    assert isinstance(report["duration"], float | int)
    assert 6 < report["duration"] < 30
