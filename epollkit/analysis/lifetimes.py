"""When an open file description ends: the last close of the numbers that stand for it.

Facts about the kernel
----------------------
* ``dup`` gives one open file description a second number.  ``close`` frees a number; the
  description, its buffers and its entries in interest lists end with the last of them.
* Another process may hold a number of it, too.  Then our last close ends nothing.

What we do about them
---------------------
The streams of a log that share a description are taken together.  It ended where the last of them
was closed, if all of them were and nobody else held it then.  Of closes that overlap, the one that
began last counts: before that, nothing can have ended.

*Source:* close(2), dup(2), epoll(7).
"""

from typing import NamedTuple


class LastClose(NamedTuple):
    """The end of an open file description.

    *stream* is the index of the stream that was closed last, *at_ns* when; *call* is the index of
    the call that closed it, None if that was not seen.
    """

    description: int
    stream: int
    at_ns: int
    call: int | None


def last_closes(log) -> list[LastClose]:
    """List the ends of the open file descriptions that ended within *log*."""
    sharing = {}
    for stream in log.objects:
        sharing.setdefault(stream.description, []).append(stream)
    closes = []
    for description, streams in sharing.items():
        if all(stream.closed_ns is not None and not stream.held_elsewhere for stream in streams):
            last = max(streams, key=lambda stream: _began(log, stream))
            closes.append(LastClose(description, last.index, last.closed_ns, last.closed_by))
    return closes


def _began(log, stream):
    """Return when the close of *stream* began; where it was not seen, when that was noticed."""
    call = stream.closed_by
    return stream.closed_ns if call is None else log.columns()["start_ns"][call]
