"""Views of a run: video, window, terminal, web page. A new view is one file here and one row in `VIEWS`."""

from spikecut.tools.views.base import ViewKind
from spikecut.tools.views.terminal import TERMINAL
from spikecut.tools.views.video import VIDEO
from spikecut.tools.views.web.view import WEB
from spikecut.tools.views.window import WINDOW

VIEWS: dict[str, ViewKind] = {
    "video": VIDEO,
    "window": WINDOW,
    "terminal": TERMINAL,
    "web": WEB,
}
