"""Attempts at echo-two:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors
import threading
from concurrent.futures import ThreadPoolExecutor


def with_two_dictionaries(a, b):
    left, here = {a: bytearray(), b: bytearray()}, {a, b}
    with select.epoll() as ep:
        ep.register(a, select.EPOLLIN)
        ep.register(b, select.EPOLLIN)
        while here:
            for fd, mask in ep.poll():
                if mask & select.EPOLLOUT:
                    try:
                        del left[fd][: os.write(fd, left[fd])]
                    except BlockingIOError:
                        pass
                    if not left[fd]:
                        ep.modify(fd, select.EPOLLIN)
                elif data := os.read(fd, 4096):
                    left[fd] += data
                    ep.modify(fd, select.EPOLLOUT)
                else:
                    ep.unregister(fd)
                    here.remove(fd)


def with_all_of_it_in_memory(a, b):
    """Read on also while something is left, without a bound."""
    left, masks = {a: b"", b: b""}, {a: 1, b: 1}
    with select.epoll() as ep:
        for fd in (a, b):
            ep.register(fd, select.EPOLLIN)
        while masks:
            for fd, mask in ep.poll():
                if mask & select.EPOLLIN:
                    data = os.read(fd, 65536)
                    if not data:
                        ep.unregister(fd)
                        del masks[fd]
                        continue
                    left[fd] += data
                try:
                    left[fd] = left[fd][os.write(fd, left[fd]) :]
                except BlockingIOError:
                    pass
                masks[fd] = select.EPOLLIN | (select.EPOLLOUT if left[fd] else 0)
                ep.modify(fd, masks[fd])


def up_to_a_high_water_mark(a, b):
    """Read on while little is left, and no more once there is much."""
    left, here = {a: bytearray(), b: bytearray()}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, mask in ep.poll():
                if mask & select.EPOLLIN and len(left[fd]) < 131_072:
                    data = os.read(fd, 65536)
                    if not data:
                        ep.unregister(fd)
                        here.remove(fd)
                        continue
                    left[fd] += data
                try:
                    del left[fd][: os.write(fd, left[fd])]
                except BlockingIOError:
                    pass
                wanted = select.EPOLLIN if len(left[fd]) < 131_072 else 0
                ep.modify(fd, wanted | (select.EPOLLOUT if left[fd] else 0))


def with_a_queue_of_pieces(a, b):
    """Read all that comes, at once, and send it when there is room."""
    pieces, here = {a: [], b: []}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, mask in ep.poll():
                if mask & select.EPOLLIN:
                    if data := os.read(fd, 65536):
                        pieces[fd].append(data)
                    else:
                        ep.unregister(fd)
                        here.remove(fd)
                        continue
                if pieces[fd]:
                    try:
                        taken = os.write(fd, pieces[fd][0])
                        pieces[fd][0] = pieces[fd][0][taken:]
                        if not pieces[fd][0]:
                            pieces[fd].pop(0)
                    except BlockingIOError:
                        pass
                ep.modify(fd, select.EPOLLIN | (select.EPOLLOUT if pieces[fd] else 0))


def _echo_one(fd):
    os.set_blocking(fd, True)
    while data := os.read(fd, 65536):
        while data:
            data = data[os.write(fd, data) :]
    os.set_blocking(fd, False)


def with_two_blocking_threads(a, b):
    threads = [threading.Thread(target=_echo_one, args=(fd,)) for fd in (a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def with_a_pool(a, b):
    with ThreadPoolExecutor() as pool:
        list(pool.map(_echo_one, (a, b)))


def with_selectors(a, b):
    left = {a: b"", b: b""}
    with selectors.DefaultSelector() as selector:
        for fd in left:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                fd = key.fd
                left[fd] = left[fd] or os.read(fd, 9999)
                if not left[fd]:
                    selector.unregister(fd)
                    continue
                try:
                    left[fd] = left[fd][os.write(fd, left[fd]) :]
                except BlockingIOError:
                    pass
                selector.modify(fd, selectors.EVENT_WRITE if left[fd] else selectors.EVENT_READ)


def _loop(a, b, answer):
    here = {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                if data := os.read(fd, 65536):
                    answer(fd, data)
                else:
                    ep.unregister(fd)
                    here.remove(fd)


def blocks(a, b):
    for fd in (a, b):
        os.set_blocking(fd, True)

    def send_all(fd, data):
        while data:
            data = data[os.write(fd, data) :]

    _loop(a, b, send_all)


def ignores_the_result(a, b):
    def send(fd, data):
        try:
            os.write(fd, data)
        except BlockingIOError:
            pass

    _loop(a, b, send)


def tries_until_it_fits(a, b):
    def send_all(fd, data):
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                pass

    _loop(a, b, send_all)


def does_not_catch(a, b):
    _loop(a, b, os.write)


def one_after_the_other(a, b):
    for fd in (a, b):
        os.set_blocking(fd, True)
        while data := os.read(fd, 65536):
            while data:
                data = data[os.write(fd, data) :]


def misses_the_end(a, b):
    left = {a: b"", b: b""}
    with select.epoll() as ep:
        for fd in left:
            ep.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                left[fd] = left[fd] or os.read(fd, 65536)
                if left[fd]:
                    try:
                        left[fd] = left[fd][os.write(fd, left[fd]) :]
                    except BlockingIOError:
                        pass
                ep.modify(fd, select.EPOLLOUT if left[fd] else select.EPOLLIN)


def always_asks_for_out(a, b):
    left, here = {a: b"", b: b""}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN | select.EPOLLOUT)
        while here:
            for fd, mask in ep.poll():
                if mask & select.EPOLLIN and not left[fd]:
                    left[fd] = os.read(fd, 65536)
                    if not left[fd]:
                        ep.unregister(fd)
                        here.remove(fd)
                        continue
                if left[fd] and mask & select.EPOLLOUT:
                    try:
                        left[fd] = left[fd][os.write(fd, left[fd]) :]
                    except BlockingIOError:
                        pass


def mixes_them_up(a, b):
    left, here = b"", {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, mask in ep.poll():
                data = os.read(fd, 65536) if mask & select.EPOLLIN else b""
                if not data and mask & select.EPOLLIN:
                    ep.unregister(fd)
                    here.remove(fd)
                    continue
                left += data
                try:
                    left = left[os.write(fd, left) :]
                except BlockingIOError:
                    pass
                ep.modify(fd, select.EPOLLIN | (select.EPOLLOUT if left else 0))


def ends_with_the_first(a, b):
    left = {a: b"", b: b""}
    with select.epoll() as ep:
        for fd in left:
            ep.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                left[fd] = left[fd] or os.read(fd, 65536)
                if not left[fd]:
                    return
                try:
                    left[fd] = left[fd][os.write(fd, left[fd]) :]
                except BlockingIOError:
                    pass
                ep.modify(fd, select.EPOLLOUT if left[fd] else select.EPOLLIN)


RIGHT = [with_two_dictionaries, up_to_a_high_water_mark, with_selectors]
WRONG = {
    with_all_of_it_in_memory: ("wrong", "it may hold 262,144"),
    with_a_queue_of_pieces: ("wrong", "it may hold 262,144"),
    with_two_blocking_threads: ("wrong", "in another thread"),
    with_a_pool: ("wrong", "in another thread"),
    blocks: ("sleeps for ever", "asleep in os.write("),
    one_after_the_other: ("sleeps for ever", "asleep in"),
    does_not_catch: ("raised", "BlockingIOError"),
    ignores_the_result: ("wrong", "bytes came to the reader"),
    tries_until_it_fits: ("wrong", "busy polling"),
    always_asks_for_out: ("wrong", "busy polling"),
    misses_the_end: ("wrong", "after the end"),
    mixes_them_up: ("raised", "Error"),
    ends_with_the_first: ("wrong", "the rest is missing"),
}
