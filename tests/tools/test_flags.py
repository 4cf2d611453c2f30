"""Truths about the command line: what is unknown is refused in our form, with the nearest known name."""

import re
import signal
import subprocess
import sys

import pytest

from spikecut.tools.cli import main
from spikecut.tools.commands import COMMANDS
from spikecut.tools.flags import Flag, check_words, flags_of


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        ("relpay x", "no command 'relpay'", "did you mean 'replay'?"),
        ("--versoin", "no flag '--versoin'", "did you mean '--version'?"),
        ("", "a command is missing", "spikecut --help lists all commands"),
        ("replay x --modle y", "spikecut replay: no flag '--modle'", "did you mean '--model'?"),
        ("run x --jsno", "spikecut run: no flag '--jsno'", "did you mean '--json'?"),
        ("run x -q", "spikecut run: no flag '-q'", "spikecut run --help lists the flags"),
        (
            "replay x --part=tets",
            "--part 'tets': expected one of train, calibration, test, all",
            "did you mean 'test'?",
        ),
        ("simulate gesture x", "WHAT 'gesture': expected one of gestures, nmnist", "did you mean 'gestures'?"),
        ("cost x --n many", "--n 'many': expected a whole number", ""),
        ("why x --start soon", "--start 'soon': expected a number", ""),
        ("run x --model", "--model: expected a value", ""),
        ("report --compare x", "--compare: expected 2 values", ""),
        ("run", "spikecut run: FILE is missing", "spikecut run --help shows what it takes"),
        ("run a b", "spikecut run: 'b' is one word too many", "spikecut run --help shows what it takes"),
        ("evaluate x", "spikecut evaluate: --out is missing", "spikecut evaluate --help explains it"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_nearest_known_name(
    words: str, error: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    first, _, second = capsys.readouterr().err.partition("\n")
    assert first.startswith(f"error: {error}")
    assert second == (f"hint: {hint}\n" if hint else "")


@pytest.mark.parametrize(
    "words",
    [
        "replay x --cutoff ltt topk --batch-size 4 --no-json",
        "replay --batch_size=4 x",
        "why x --start -1.5",
        "results a b c",
        "report --compare a b",
        "recipe x --out y --seed 0 1 2",
        "run --nonsense --help",
    ],
)
def test_what_the_parser_takes_is_not_refused(words: str) -> None:
    command, *rest = words.split()
    check_words(command, rest, COMMANDS[command])


def test_the_flags_are_the_fields_of_the_options() -> None:
    part = next(flag for flag in flags_of(COMMANDS["replay"]) if flag.field == "part")
    assert part == Flag("part", "part", False, False, 1, str, ("train", "calibration", "test", "all"))
    folder, *_ = flags_of(COMMANDS["replay"])
    assert (folder.positional, folder.required, folder.shown) == (True, True, "FOLDER")


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_says_a_default_once(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*([name] if name else []), "--help"])
    assert end.value.code == 0
    text = re.sub(r"[│\s]+", " ", capsys.readouterr().out)
    assert "None" not in text
    for help_text in re.split(r" --[a-z]", text):
        assert help_text.count("efault: ") <= 1, help_text


def test_the_help_lists_commands_version_configuration_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"• {name} " in text for name in COMMANDS)
    for word in ("-h, --help", "--version", "--config FILE", "130 interrupted", "143 terminated"):
        assert word in text
    assert main(["--version"]) == 0
    assert re.fullmatch(r"spikecut \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_ends_alike_by_either_signal(number: int, code: int) -> None:
    script = (
        "import dataclasses, signal, sys\nfrom spikecut.tools.cli import main\n"
        "from spikecut.tools.commands import COMMANDS\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job does not inherit\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Wait:\n"
        "    '''Wait.'''\n"
        "    uses_torch = False\n"
        "    def run(self):\n"
        "        try:\n"
        "            print('waiting', flush=True)\n"
        "            signal.pause()\n"
        "        finally:\n"
        "            print('tidied up')\n"
        "COMMANDS['wait'] = Wait\n"
        "sys.exit(main(['wait']))"
    )
    command = [sys.executable, "-c", script]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "waiting\n"
    running.send_signal(number)
    out, error = running.communicate()
    assert (running.returncode, out) == (code, "tidied up\n")
    assert error == ("terminated\n" if number == signal.SIGTERM else "interrupted\n")
