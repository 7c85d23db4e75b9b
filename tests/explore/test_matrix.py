"""matrix(): the same each time, and all of it in picture and text.

That each row is what the kernel says without epollkit is tested in test_endings.
"""

import pytest
from support import busy_cores

from epollkit import masks
from epollkit.explore import matrix
from epollkit.explore.endings import STREAMS


def test_it_is_the_same_each_time_on_busy_cores_too():
    rows = matrix().rows
    with busy_cores():
        assert all(matrix().rows == rows for _ in range(5))


def test_picture_and_text_have_every_row():
    few = matrix("pipe-read", "file")
    bundle = few._repr_mimebundle_()
    assert bundle["text/plain"].splitlines() == [
        "pipe, its read end:",
        "  nothing: the writer is there: nothing; a read: EAGAIN",
        "  data comes: IN; a read: b'parcel'",
        "  the writer closes: HUP; a read: b''",
        "  data comes, then the writer closes: IN | HUP; a read: b'parcel'",
        "regular file:",
        "  nothing: it is empty: cannot be registered (EPERM)",
        "  it holds data: cannot be registered (EPERM)",
    ]
    assert bundle["text/html"].count("<img alt=") == 1 and few.png().startswith(b"\x89PNG")
    assert few.rows[2].mask == masks.HUP


def test_no_two_lines_of_the_text_are_the_same():
    lines = repr(matrix()).splitlines()
    by_stream, stream = set(), ""
    for line in lines:
        stream = stream if line.startswith(" ") else line
        by_stream.add((stream, line))
    assert (
        len(by_stream) == len(lines) == sum(1 + len(stream.endings) for stream in STREAMS.values())
    )


def test_an_unknown_stream_is_refused_by_name():
    with pytest.raises(ValueError, match="'pipes' as a stream; there are pipe-read"):
        matrix("pipes")
