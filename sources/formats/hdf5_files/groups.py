"""The links of a group, in the old form (symbol table) and the new one (messages, or a heap with an index)."""

from collections.abc import Iterator
from dataclasses import dataclass

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded
from spikecut.sources.formats.hdf5_files.structure import (
    MSG_LINK,
    MSG_LINK_INFO,
    MSG_SYMBOLS,
    UNDEFINED,
    Fields,
    Hdf5Bytes,
    Message,
)

_LINKS_LIMIT = 100_000
_NAME_LIMIT = 1_024
_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Link:
    """A name in a group. `address` is that of the object's header, None for a link to elsewhere."""

    name: str
    address: int | None


def links_of(source: Hdf5Bytes, messages: list[Message]) -> dict[str, Link]:
    """The links in a group, by name.

    Raises:
        CorruptRecording: if their structure is damaged.
        LimitExceeded: if there are more than 100,000.
    """
    links: dict[str, Link] = {}
    for message in messages:
        fields = message.fields(source)
        if message.kind == MSG_LINK:
            _add(source, links, [_link(fields)])
        elif message.kind == MSG_SYMBOLS:
            tree, heap = fields.numbers(8, 8)
            _add(source, links, _symbols(source, tree, heap))
        elif message.kind == MSG_LINK_INFO:
            _, flags = fields.numbers(1, 1)
            fields.skip(8 if flags & 1 else 0)
            heap, _ = fields.numbers(8, 8)
            if heap != UNDEFINED:
                raise LimitExceeded(
                    source.path,
                    "a group with more links than spikecut reads (they are stored in a heap)",
                    hint="h5repack -L in.h5 out.h5 may store them in the old way; or copy the events alone",
                )
    return links


def is_group(messages: list[Message]) -> bool:
    """Whether an object header is that of a group."""
    return any(message.kind in (MSG_LINK, MSG_SYMBOLS, MSG_LINK_INFO) for message in messages)


def _add(source: Hdf5Bytes, links: dict[str, Link], more: "Iterator[Link] | list[Link]") -> None:
    for link in more:
        links[link.name] = link
        if len(links) > _LINKS_LIMIT:
            raise LimitExceeded(source.path, f"a group with more than {_LINKS_LIMIT:,} links")


def _link(fields: Fields) -> Link:
    """A link message (0x06)."""
    version, flags = fields.numbers(1, 1)
    if version != 1:
        raise fields.source.damaged(f"a link of version {version}", fields.begin)
    kind = fields.number(1) if flags & 8 else 0
    fields.skip((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = fields.words(fields.number(1 << (flags & 3)))
    return Link(name, fields.number(8) if kind == 0 else None)


def _symbols(source: Hdf5Bytes, tree: int, heap: int) -> Iterator[Link]:
    """The links in a symbol table: a B-tree of version 1 whose names lie in a local heap."""
    head = Fields(source, source.read(source.visit(heap), 32), heap)
    if head.bytes(4) != b"HEAP":
        raise source.damaged("no heap of names", heap)
    head.skip(4)
    size, _, data = head.numbers(8, 8, 8)
    for at in _leaves(source, tree, 0):
        node = Fields(source, source.read(source.visit(at), 8), at)
        if node.bytes(4) != b"SNOD":
            raise source.damaged("no symbol node", at)
        node.skip(2)
        n = node.number(2)
        entries = Fields(source, source.read(at + 8, 40 * n), at + 8)
        for _ in range(n):
            name_at, address, cached = entries.numbers(8, 8, 4)
            entries.skip(20)
            if name_at >= size:
                raise source.damaged("a name outside its heap", at)
            raw = source.read(data + name_at, min(_NAME_LIMIT, size - name_at))
            yield Link(raw.split(b"\0")[0].decode("utf-8", "replace"), address if cached != 2 else None)


def _leaves(source: Hdf5Bytes, tree: int, depth: int) -> Iterator[int]:
    head = Fields(source, source.read(source.visit(tree), 24), tree)
    signature, kind, level, n = head.bytes(4), *head.numbers(1, 1, 2)
    if signature != b"TREE" or kind != 0 or depth > _DEPTH:
        raise source.damaged("no tree of links", tree)
    body = Fields(source, source.read(tree + 24, 16 * n), tree + 24)
    for _ in range(n):
        body.skip(8)
        child = body.number(8)
        if level:
            yield from _leaves(source, child, depth + 1)
        else:
            yield child


def follow(source: Hdf5Bytes, link: Link) -> int:
    """The address of a linked object.

    Raises:
        CorruptRecording: if the link leads elsewhere: a recording holds its events itself.
    """
    if link.address is None:
        raise CorruptRecording(source.path, f"{link.name} is a link to elsewhere; a recording holds its events itself")
    return link.address
