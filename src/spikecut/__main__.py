"""`python -m spikecut` is the command `spikecut`."""

from spikecut.tools.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
