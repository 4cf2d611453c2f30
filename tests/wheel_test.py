"""`make wheel-test`: the built wheel and the sdist, each in an empty environment outside the checkout, run the demo.

Not a test of pytest: it installs everything twice, some minutes and 4 GB of temporary files. What it shows: neither
needs the links of the checkout or the guard of `setup.py`, the demo runs from an installed package, and nothing imports
torchvision, which Norse's metadata drags in.

$ python tests/wheel_test.py
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (
    "models/weights/gestures.safetensors",
    "models/weights/gestures.json",
    "models/weights/ncaltech101.safetensors",
    "tools/recipes/nmnist.toml",
    "py.typed",
)
PROBE = """
import sys, pathlib, spikecut, torch
from spikecut.tools.cli import main
code = main(["demo", "--count", "2", "--out", "demo"])
place = pathlib.Path(spikecut.__file__).resolve()
assert code == 0, code
assert "site-packages" in place.parts, place
assert not any(part.is_symlink() for part in place.parent.iterdir()), "the installed package has links"
assert pathlib.Path("demo/demo.mp4").stat().st_size > 10_000
assert "torchvision" not in sys.modules
print("torch", torch.__version__, "with CUDA" if torch.version.cuda else "for the CPU")
"""


def run(*words: str | Path, cwd: Path) -> None:
    """Runs a command without what the checkout or the caller's environment would lend it.

    Raises:
        SystemExit: if it fails.
    """
    lent = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in lent}
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(map(str, words[:4]))} … ended with {done.returncode}")


def check_contents(built: Path) -> None:
    """Refuses an archive with links, or without the files that are no Python.

    Raises:
        SystemExit: naming what is wrong.
    """
    if built.suffix == ".whl":
        with zipfile.ZipFile(built) as archive:
            names = archive.namelist()
    else:
        with tarfile.open(built) as archive:
            names = [member.name for member in archive.getmembers()]
            links = [member.name for member in archive.getmembers() if member.issym() or member.islnk()]
        if links:
            raise SystemExit(f"error: {built.name} holds links: {', '.join(links[:3])}")
    for needed in NEEDED:
        if not any(name.endswith(f"spikecut/{needed}") for name in names):
            raise SystemExit(f"error: {built.name} lacks {needed}")


def check(built: Path, folder: Path) -> None:
    """Installs one archive into an environment of its own and runs the demo there.

    Raises:
        SystemExit: if anything fails.
    """
    check_contents(built)
    environment, work = folder / "environment", folder / "elsewhere"
    work.mkdir(parents=True)
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", built, cwd=work)
    run(python, "-c", PROBE, cwd=work)
    run(environment / "bin" / "spikecut", "--version", cwd=work)
    print(f"{built.name}: installed alone, demo run, no torchvision imported", flush=True)


def main() -> None:
    """Builds both archives from a clean copy of what git tracks, and checks each."""
    with tempfile.TemporaryDirectory(prefix="spikecut-wheel-") as name:
        folder = Path(name)
        checkout = folder / "checkout"
        run("git", "clone", "--quiet", ROOT, checkout, cwd=folder)
        run(sys.executable, "-m", "build", "--outdir", folder / "dist", checkout, cwd=folder)
        built = sorted((folder / "dist").iterdir())
        assert [path.suffix for path in built] == [".whl", ".gz"]
        for at, path in enumerate(built):
            check(path, folder / str(at))


if __name__ == "__main__":
    main()
