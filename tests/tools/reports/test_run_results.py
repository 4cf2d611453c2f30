"""Truths about answers as reports read them: every example counts, also where several have one name."""

from spikecut.tools.batch.run_folder.manifest import Item
from spikecut.tools.reports.run_results import Answered, distinct, names_of


def test_examples_of_one_name_have_the_same_names_in_a_run_and_in_an_evaluation() -> None:
    ids = ["user01: roll#7", "user01: roll#8", "user01: clap", "0/a#1.bin", "0/b#2"]
    items = [Item(one, f"data/{one}" if "/" in one else "data/user01.aedat", 1, 1, "x", "") for one in ids]
    places = ["user01: roll", "user01: roll", "user01: clap", "data/0/a#1.bin", "data/0/b#2"]
    answers = [Answered(rule, place, "x", "x", 1.0) for rule in ("none", "topk") for place in places]
    names = [one.recording for one in distinct(answers)]
    assert names[:5] == names[5:] == list(names_of(items).values())
    assert names[:2] == ["user01: roll", "user01: roll (2)"]
    assert len(set(names)) == len(ids)
