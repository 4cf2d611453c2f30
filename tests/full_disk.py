"""A disk that is full after so many bytes of a file, for tests of what writes files."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def full_disk(n_bytes: int = 64) -> Iterator[None]:
    """No file of this process grows beyond `n_bytes`: writing more fails as on a full disk (EFBIG, not ENOSPC)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
