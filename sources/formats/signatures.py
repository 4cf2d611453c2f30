"""What a file is, by its first bytes: signatures of formats, and of files that are none of them."""

from collections.abc import Callable

from spikecut.sources.formats.prophesee.header import prophesee_encoding

AEDAT3 = b"#!AER-DAT3."
AEDAT4 = b"#!AER-DAT4."
HDF5 = b"\x89HDF\r\n\x1a\n"
NUMPY = b"\x93NUMPY"
EVENT_STREAM = b"Event Stream"
_ZIP = b"PK\x03\x04"
_FEWEST_LETTERS = 4
_OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive, without a single member",
    b"\x1f\x8b\x08": "a gzip file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"RIFF": "a RIFF file (WAV or WebP)",
    b"%PDF": "a PDF document",
}


def begins_with(signature: bytes) -> Callable[[bytes], bool]:
    """A predicate on the first bytes of a file.

    >>> begins_with(b"%PDF")(b"%PDF-1.7")
    True
    """
    return lambda head: head.startswith(signature)


def is_prophesee(*encodings: str) -> Callable[[bytes], bool]:
    """A predicate on the first bytes of a file: whether it has a Prophesee header of one of these encodings.

    `evt ?` is a header that states none, or one that is not read: it belongs to the first row.
    An ATIS event at (37, 32) begins like a header, `% `; there a line of text must follow.

    >>> is_prophesee("evt3")(b"% evt 3.0" + bytes([10, 0, 128]))
    True
    """

    def recognised(head: bytes) -> bool:
        encoding = prophesee_encoding(head)
        return encoding is not None and (encoding in encodings or ("evt ?" in encodings and encoding[:4] == "evt "))

    return recognised


def is_aedat2(head: bytes) -> bool:
    """Whether a file is AEDAT of any version but 3 and 4: the reader of 2.0 refuses the others by their numbers."""
    return head.startswith(b"#!AER-DAT") and not head.startswith((AEDAT3, AEDAT4))


def is_structured_array(head: bytes) -> bool:
    """Whether a file is a NumPy array with named fields, by the description at its beginning."""
    return head.startswith(NUMPY) and b"'descr': [" in head[:64]


def is_plain_array(head: bytes) -> bool:
    """Whether a file is a NumPy array without named fields."""
    return head.startswith(NUMPY) and not is_structured_array(head)


def is_array_archive(head: bytes) -> bool:
    """Whether a file is a zip archive whose first member is a NumPy array.

    >>> is_array_archive(b"PK" + bytes([3, 4]) + bytes(22) + bytes([5, 0, 0, 0]) + b"t.npy")
    True
    """
    n_name = int.from_bytes(head[26:28], "little")
    name = head[30 : 30 + n_name]
    return head.startswith(_ZIP) and name.endswith(b".npy")


def is_video(head: bytes) -> bool:
    """Whether a file is a video: MP4 or QuickTime, AVI, Matroska or WebM."""
    return head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ") or head[:4] == b"\x1aE\xdf\xa3"


def is_text(head: bytes) -> bool:
    """Whether the bytes are printable ASCII and blanks."""
    return all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head)


def is_damaged_text(head: bytes) -> bool:
    """Whether the bytes are text all the same, with some zeros in it: seven of eight are printable ASCII and blanks.

    >>> is_damaged_text(b"10,2,3,1" + bytes(1) + b"11,2,3,0"), is_damaged_text(bytes(range(256)))
    (True, False)
    """
    return 8 * sum(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head) >= 7 * len(head)


def wide_encoding(head: bytes) -> str | None:
    """The encoding of text whose letters take two or four bytes, by its byte-order mark or its zeros; else None.

    >>> wide_encoding("10 2 3 1".encode("utf-16-le")), wide_encoding("10 2 3 1".encode("utf-32-be"))
    ('UTF-16LE', 'UTF-32BE')
    """
    if head[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "UTF-32"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") and 0 in head[2:4]:
        return "UTF-16"
    for name, n, place in (("UTF-32LE", 4, 0), ("UTF-32BE", 4, 3), ("UTF-16LE", 2, 0), ("UTF-16BE", 2, 1)):
        whole = head[: len(head) // n * n]
        letters = whole[place::n]
        if len(letters) >= _FEWEST_LETTERS and is_text(letters) and whole.count(0) == len(whole) - len(letters):
            return name
    return None


def other_kind(head: bytes) -> str | None:
    """The kind of a file that is no recording or one that spikecut does not read, or None if nothing is known.

    >>> other_kind(b"%PDF-1.7")
    'a PDF document'
    """
    if encoding := wide_encoding(head):
        return f"text in {encoding} (PowerShell and some editors write it); save it as UTF-8"
    return next((kind for signature, kind in _OTHERS.items() if head.startswith(signature)), None)
