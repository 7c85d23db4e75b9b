"""Attempts at serve-edges:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import select
from collections import deque

IN, OUT, ET = select.EPOLLIN, select.EPOLLOUT, select.EPOLLET
kept = []


def _serve(listener, stop, turn, accepts=True, mask=IN | OUT | ET):
    """Serve; *turn(client)* says ``again``, ``wait`` or ``over``."""
    clients = {}
    with select.epoll() as ep:
        ep.register(listener, IN | ET)
        ep.register(stop, IN)
        while True:
            for fd, _ in ep.poll():
                if fd == stop:
                    for client in clients.values():
                        client["sock"].close()
                    return
                if fd == listener.fileno():
                    while True:
                        try:
                            sock, _ = listener.accept()
                        except BlockingIOError:
                            break
                        sock.setblocking(False)
                        clients[sock.fileno()] = {"sock": sock, "owed": b""}
                        ep.register(sock, mask)
                        if not accepts:
                            break
                elif fd in clients:
                    state = turn(clients[fd])
                    if state == "again":
                        ep.modify(fd, mask)
                    elif state == "over":
                        clients.pop(fd)["sock"].close()


def _move(client, size=8192):
    """Move one piece: read it if nothing is owed, send it as far as it goes."""
    if not client["owed"]:
        client["owed"] = client["sock"].recv(size)
        if not client["owed"]:
            return False
    client["owed"] = client["owed"][client["sock"].send(client["owed"]) :]
    return True


def once_a_turn(listener, stop):
    """One piece an event, and modify asks again each time."""

    def turn(client):
        try:
            return "again" if _move(client, 65_536) else "over"
        except BlockingIOError:
            return "wait"
        except OSError:
            return "over"

    _serve(listener, stop, turn)


def with_a_list_of_its_own(listener, stop):
    """Who was not refused comes again, by a list; poll does not sleep while there are some."""
    clients, ready = {}, deque()
    with select.epoll() as ep:
        ep.register(listener, IN | ET)
        ep.register(stop, IN | ET)
        while True:
            for fd, _ in ep.poll(0 if ready else None):
                if fd == stop:
                    for client in clients.values():
                        client["sock"].close()
                    return
                if fd != listener.fileno():
                    ready.append(fd) if fd not in ready else None
                    continue
                try:
                    while True:
                        sock, _ = listener.accept()
                        sock.setblocking(False)
                        clients[sock.fileno()] = {"sock": sock, "owed": b""}
                        ep.register(sock, IN | OUT | ET)
                except BlockingIOError:
                    pass
            for fd in [ready.popleft() for _ in range(len(ready))]:
                try:
                    if _move(clients[fd]):
                        ready.append(fd)
                    else:
                        clients.pop(fd)["sock"].close()
                except BlockingIOError:
                    pass
                except OSError:
                    clients.pop(fd)["sock"].close()


def _eager(client):
    """Go on until refused, however long that takes."""
    try:
        while _move(client, 1024):
            pass
        return "over"
    except BlockingIOError:
        return "wait"
    except OSError:
        return "over"


def eager(listener, stop):
    _serve(listener, stop, _eager)


def accepts_once(listener, stop):
    _serve(listener, stop, _eager, accepts=False)


def level_triggered(listener, stop):
    _serve(listener, stop, _eager, mask=IN)


def reads_once(listener, stop):
    def turn(client):
        try:
            return "wait" if _move(client, 4096) else "over"
        except BlockingIOError:
            return "wait"
        except OSError:
            return "over"

    _serve(listener, stop, turn)


def never_hears_of_room(listener, stop):
    def turn(client):
        try:
            for _ in range(4):
                if not _move(client):
                    return "over"
            return "again"
        except BlockingIOError:
            return "wait"
        except OSError:
            return "over"

    _serve(listener, stop, turn, mask=IN | ET)


def falls_with_one_client(listener, stop):
    def turn(client):
        try:
            for _ in range(4):
                if not _move(client):
                    return "over"
            return "again"
        except BlockingIOError:
            return "wait"

    _serve(listener, stop, turn)


def takes_every_error_for_later(listener, stop):
    def turn(client):
        try:
            for _ in range(4):
                if not _move(client):
                    return "over"
        except OSError:
            pass
        return "again"

    _serve(listener, stop, turn)


def closes_the_listener(listener, stop):
    once_a_turn(listener, stop)
    listener.close()


RIGHT = [once_a_turn, with_a_list_of_its_own]
WRONG = {
    eager: ("wrong", "without a poll between"),
    accepts_once: ("sleeps for ever", "not how many"),
    level_triggered: ("wrong", "without EPOLLET"),
    reads_once: ("sleeps for ever", "waited in"),
    never_hears_of_room: ("sleeps for ever", "never sent"),
    falls_with_one_client: ("raised", 'client["owed"]'),
    takes_every_error_for_later: ("wrong", "busy polling"),
    closes_the_listener: ("wrong", "closed listener"),
}
