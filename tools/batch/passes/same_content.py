"""Whether the answers that a run has are of the files that are there now: looked at where a file's time has changed."""

from collections.abc import Sequence

from spikecut.sources.datasets.base import Example, sources_of
from spikecut.sources.datasets.digests import digests_of
from spikecut.tools.batch.run_folder.folder import MANIFEST, RunFolder
from spikecut.tools.batch.run_folder.manifest import changed_data, read_manifest, write_manifest


def check_same_content(run: RunFolder, ids: Sequence[str], members: Sequence[Example]) -> None:
    """Refuses to go on where a file that has an answer was written anew, with other content of the same size.

    Every byte of those files is read; a copy of the data set passes, and its times are noted.

    Raises:
        ConfigError: naming a recording whose content has changed.
    """
    before = {item.item_id: item.mtime_ns for item in read_manifest(run.path / MANIFEST)}
    touched = {item.item_id for item in run.items if before.get(item.item_id) != item.mtime_ns}
    if not touched:
        return
    answered = run.digests(touched)
    pairs = [(item, member) for item, member in zip(ids, members, strict=True) if item in answered]
    sources = sources_of([member for _, member in pairs])
    now = {id(source): digest for source, digest in zip(sources, digests_of(sources), strict=True)}
    if other := [item for item, member in pairs if now[id(member.source)] != answered[item]]:
        raise changed_data(run.path, f"{other[0]} has other content", len(other))
    write_manifest(run.path / MANIFEST, run.items)
