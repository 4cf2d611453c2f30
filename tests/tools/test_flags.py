"""Truths about the command line: what is unknown is refused in our form, with the nearest known name."""

import re
import signal
import subprocess
import sys

import pytest

from spikecut.sources.formats import FORMATS, written_formats
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
        ("run x --filter flip:x --filter flip:y", "--filter is given twice", "give all once: --filter ONE TWO"),
        ("run x --jsno", "spikecut run: no flag '--jsno'", "did you mean '--json'?"),
        ("run x -q", "spikecut run: no flag '-q'", "spikecut run --help lists the flags"),
        (
            "replay x --part=tets",
            "--part 'tets': expected one of train, calibration, test, all",
            "did you mean 'test'?",
        ),
        ("simulate gesture x", "WHAT 'gesture': expected one of gestures, nmnist", "did you mean 'gestures'?"),
        ("simulate gestures x --version 3", "--version '3': expected one of 1, 2", ""),
        ("cost x --n many", "--n 'many': expected a whole number", ""),
        ("why x --start soon", "--start 'soon': expected a number", ""),
        ("calibrate x --rule conformal --seed -1", "--seed '-1': expected a whole number of 0 or more", ""),
        ("recipe x --out y --seed 0 -1", "--seed '-1': expected a whole number of 0 or more", ""),
        ("demo --seed=-1", "--seed '-1': expected a whole number of 0 or more", ""),
        ("why x --start nan", "--start 'nan': expected a finite number", ""),
        ("why x --start 1e300", "--start '1e300': expected a number of at most 1,000,000,000", ""),
        ("cut x y --piece -1", "--piece '-1': expected a number of 0 or more", ""),
        ("calibrate x --leak inf", "--leak 'inf': expected a finite number", ""),
        ("policy x --look 0", "--look '0': expected a whole number of 1 or more", ""),
        ("convert a.bin", "spikecut convert: TARGET is missing", "spikecut convert --help shows what it takes"),
        ("run x --model", "--model: expected a value", ""),
        ("report --compare x", "--compare: expected 2 values", ""),
        ("run", "spikecut run: FILE is missing", "spikecut run --help shows what it takes"),
        ("why a b", "spikecut why: 'b' is one word too many", "spikecut why --help shows what it takes"),
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
        "calibrate x --leak -1.5",
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


@pytest.mark.parametrize("command", COMMANDS)
def test_every_seed_and_every_number_of_things_is_bounded(command: str) -> None:
    counted = {"users", "jobs", "threads", "n", "rounds", "batch_size", "count", "steps", "epochs", "look", "width"}
    for flag in flags_of(COMMANDS[command]):
        if command != "policy" or flag.field in ("look", "width"):  # its plan refuses numbers itself
            least = {"seed": 0, "start": 0, "piece": 0, "skip": 0} | dict.fromkeys(counted, 1)
            if flag.field in least and flag.kind in (int, float):
                assert flag.problem(least[flag.field] - 1), flag
                assert not flag.problem(least[flag.field]), flag


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_the_configuration_and_has_no_two_blank_lines(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([], [name]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        text = capsys.readouterr().out
        assert "--config FILE" in text
        assert "\n\n\n" not in text
        assert "default: )" not in text


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("convert", "SOURCE TARGET"),
        ("cut", "SOURCE TARGET"),
        ("train", "NAME"),
        ("recipe", "NAME"),
        ("results", "RUN [RUN ...]"),
    ],
)
def test_usage_names_what_is_expected(name: str, usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert usage in capsys.readouterr().out.splitlines()[0]


def test_help_names_the_formats_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    for name, formats in (("convert", written_formats()), ("run", FORMATS)):
        with pytest.raises(SystemExit):
            main([name, "--help"])
        text = capsys.readouterr().out
        assert all(str(row) in text for row in formats.values())


def test_help_says_that_the_video_of_the_demo_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    assert "OUT/demo.mp4, replaced if it exists" in re.sub(r"[│\s]+", " ", capsys.readouterr().out)


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
