"""The experiments of notebook 03, in other ways than there: what each returns goes to answer()."""

import os
import select
from contextlib import ExitStack


def events_of(sizehint, pipes=3, written=3):
    with ExitStack() as stack:
        ep = stack.enter_context(select.epoll(sizehint))
        for place in range(pipes):
            r, w = os.pipe()
            stack.callback(os.close, r)
            stack.callback(os.close, w)
            ep.register(r, select.EPOLLIN)
            if place < written:
                os.write(w, b"!")
        return len(ep.poll(0))


def reported_by_outer(watch, is_written=True):
    r, w = os.pipe()
    with select.epoll() as outer, select.epoll() as inner:
        try:
            inner.register(r, select.EPOLLIN)
            for one in watch:
                outer.register({"inner": inner, "r": r, "outer": outer}[one], select.EPOLLIN)
            if is_written:
                os.write(w, b"parcel")
            names = {r: "r", inner.fileno(): "inner"}
            return " and ".join(sorted(names[fd] for fd, mask in outer.poll(0))) or "nothing"
        except OSError:
            return "error"
        finally:
            os.close(w)
            os.close(r)


RUNS = {
    "epoll-of-one": [
        lambda: events_of(1),
        lambda: events_of(1000),
        lambda: events_of(1, pipes=5, written=5),
        lambda: events_of(1, written=1),
    ],
    "epoll-inside": [
        lambda: reported_by_outer(["inner"]),
        lambda: reported_by_outer(["inner"], is_written=False),
        lambda: reported_by_outer(["r"]),
        lambda: reported_by_outer(["outer"]),
        lambda: reported_by_outer(["inner", "r"]),
    ],
}
