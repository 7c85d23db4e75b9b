"""Attempts at write-all:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import time


def when_refused(w, data):
    with select.epoll() as ep:
        ep.register(w, select.EPOLLOUT)
        while data:
            try:
                data = data[os.write(w, data) :]
            except BlockingIOError:
                ep.poll()


def poll_first(w, data):
    at, ep = 0, select.epoll()
    ep.register(w, select.EPOLLOUT)
    while at < len(data):
        ep.poll()
        at += os.write(w, data[at : at + 4096])
    ep.close()
    return at


def edge_triggered(w, data):
    view = memoryview(data)
    with select.epoll() as ep:
        ep.register(w, select.EPOLLOUT | select.EPOLLET)
        while view:
            ep.poll()
            try:
                while view:
                    view = view[os.write(w, view) :]
            except BlockingIOError:
                pass


def blocking_for_a_while(w, data):
    os.set_blocking(w, True)
    try:
        while data:
            data = data[os.write(w, data) :]
    finally:
        os.set_blocking(w, False)


def byte_by_byte(w, data):
    with select.epoll() as ep:
        ep.register(w, select.EPOLLOUT)
        for at in range(len(data)):
            ep.poll()
            os.write(w, data[at : at + 1])


def ignores_the_result(w, data):
    os.write(w, data)


def ignores_it_in_pieces(w, data):
    for at in range(0, len(data), 50_000):
        with select.epoll() as ep:
            ep.register(w, select.EPOLLOUT)
            ep.poll()
            os.write(w, data[at : at + 50_000])


def drops_the_refused_tail(w, data):
    for at in range(0, len(data), 1000):
        try:
            os.write(w, data[at : at + 1000])
        except BlockingIOError:
            return


def skips_what_is_refused(w, data):
    with select.epoll() as ep:
        ep.register(w, select.EPOLLOUT)
        for at in range(0, len(data), 4096):
            try:
                os.write(w, data[at : at + 4096])
            except BlockingIOError:
                ep.poll()


def sends_it_again(w, data):
    sent = 0
    with select.epoll() as ep:
        ep.register(w, select.EPOLLOUT)
        while sent < len(data):
            ep.poll()
            sent += os.write(w, data[: len(data) - sent])


def spins(w, data):
    while data:
        try:
            data = data[os.write(w, data) :]
        except BlockingIOError:
            pass


def naps(w, data):
    while data:
        try:
            data = data[os.write(w, data) :]
        except BlockingIOError:
            time.sleep(0.005)


def spins_slowly(w, data):
    with select.epoll() as ep:
        ep.register(w, select.EPOLLOUT)
        while data:
            if ep.poll(0):
                data = data[os.write(w, data) :]


def is_not_ready_for_refusal(w, data):
    while data:
        data = data[os.write(w, data) :]


def waits_for_the_wrong_thing(w, data):
    while data:
        try:
            data = data[os.write(w, data) :]
        except BlockingIOError:
            with select.epoll() as ep:
                ep.register(w, select.EPOLLIN)
                ep.poll()


def stays_blocking(w, data):
    os.set_blocking(w, True)
    while data:
        data = data[os.write(w, data) :]


def closes_the_stream(w, data):
    when_refused(w, data)
    os.close(w)


RIGHT = [when_refused, poll_first, edge_triggered, blocking_for_a_while]
WRONG = {
    naps: ("wrong", "with naps between"),
    byte_by_byte: ("wrong", "was stopped after"),
    ignores_the_result: ("wrong", "the rest is missing"),
    ignores_it_in_pieces: ("wrong", "came to the reader"),
    drops_the_refused_tail: ("wrong", "the rest is missing"),
    skips_what_is_refused: ("wrong", "came to the reader"),
    sends_it_again: ("wrong", "is not the one that belongs there"),
    spins: ("wrong", "busy polling"),
    spins_slowly: ("wrong", "busy polling"),
    is_not_ready_for_refusal: ("raised", "BlockingIOError"),
    waits_for_the_wrong_thing: ("sleeps for ever", "asleep in"),
    stays_blocking: ("wrong", "made w blocking"),
    closes_the_stream: ("wrong", "closed w"),
}
