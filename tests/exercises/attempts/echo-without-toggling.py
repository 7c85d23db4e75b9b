"""Attempts at echo-without-toggling:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select

IN, OUT, ET = select.EPOLLIN, select.EPOLLOUT, select.EPOLLET


def armed_once(sock):
    owed = b""
    with select.epoll() as ep:
        ep.register(sock, IN | OUT | ET)
        while True:
            ep.poll()
            try:
                while True:
                    owed = owed or os.read(sock, 16_384)
                    if not owed:
                        return
                    owed = owed[os.write(sock, owed) :]
            except BlockingIOError:
                pass


def small_pieces(sock):
    ep, owed, mask = select.epoll(), b"", IN
    ep.register(sock, IN)
    with ep:
        while True:
            ep.poll()
            if not owed and not (owed := os.read(sock, 4096)):
                return
            try:
                owed = owed[os.write(sock, owed) :]
            except BlockingIOError:
                pass
            wanted = OUT if owed else IN
            if wanted != mask:
                ep.modify(sock, mask := wanted)


def asks_before_each_send(sock):
    owed = b""
    with select.epoll() as ep:
        ep.register(sock, IN)
        while True:
            [(_, mask)] = ep.poll()
            if mask & IN:
                owed = os.read(sock, 65_536)
                if not owed:
                    return
                ep.modify(sock, OUT)
            elif mask & OUT:
                owed = owed[os.write(sock, owed) :]
                if not owed:
                    ep.modify(sock, IN)


def modifies_to_be_sure(sock):
    owed = b""
    with select.epoll() as ep:
        ep.register(sock, IN)
        while True:
            ep.poll()
            owed = owed or os.read(sock, 65_536)
            if not owed:
                return
            try:
                owed = owed[os.write(sock, owed) :]
            except BlockingIOError:
                pass
            ep.modify(sock, OUT if owed else IN)


def always_armed(sock):
    owed = b""
    with select.epoll() as ep:
        ep.register(sock, IN | OUT)
        while True:
            ep.poll()
            try:
                owed = owed or os.read(sock, 65_536)
                if not owed:
                    return
                owed = owed[os.write(sock, owed) :]
            except BlockingIOError:
                pass


def drops_the_tail(sock):
    with select.epoll() as ep:
        ep.register(sock, IN)
        while True:
            ep.poll()
            data = os.read(sock, 65_536)
            if not data:
                return
            try:
                os.write(sock, data)
            except BlockingIOError:
                pass


def holds_it_all(sock):
    owed, mask = bytearray(), IN
    with select.epoll() as ep:
        ep.register(sock, IN)
        while True:
            for _, events in ep.poll():
                if events & IN:
                    data = os.read(sock, 65_536)
                    if not data:
                        return
                    owed += data
            try:
                del owed[: os.write(sock, owed)]
            except BlockingIOError:
                pass
            wanted = IN | OUT if owed else IN
            if wanted != mask:
                ep.modify(sock, mask := wanted)


def one_read_an_edge(sock):
    owed = b""
    with select.epoll() as ep:
        ep.register(sock, IN | OUT | ET)
        while True:
            for _, mask in ep.poll():
                if mask & IN and not owed:
                    owed = os.read(sock, 4096)
                    if not owed:
                        return
                try:
                    owed = owed[os.write(sock, owed) :]
                except BlockingIOError:
                    pass


def expects_room(sock):
    with select.epoll() as ep:
        ep.register(sock, IN)
        while ep.poll():
            data = os.read(sock, 65_536)
            if not data:
                return
            while data:
                data = data[os.write(sock, data) :]


def blocks(sock):
    os.set_blocking(sock, True)
    while data := os.read(sock, 65_536):
        while data:
            data = data[os.write(sock, data) :]


RIGHT = [armed_once, small_pieces]
WRONG = {
    asks_before_each_send: ("wrong", "send first"),
    modifies_to_be_sure: ("wrong", "changed what is on an interest list"),
    always_armed: ("wrong", "busy polling"),
    drops_the_tail: ("wrong", "missing"),
    holds_it_all: ("wrong", "it may hold 262,144"),
    one_read_an_edge: ("sleeps for ever", "asleep in"),
    expects_room: ("raised", "BlockingIOError"),
    blocks: ("wrong", "never called poll of an epoll"),
}
