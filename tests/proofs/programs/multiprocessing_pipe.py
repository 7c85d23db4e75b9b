"""multiprocessing: messages to a child and back; each is four bytes of length, then the bytes."""

import multiprocessing

MESSAGES = [b"x" * size for size in (1, 100, 10_000, 16_000)]


def child(connection):
    for _ in MESSAGES:
        connection.send_bytes(connection.recv_bytes())


def program(relay):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
    process.start()
    there.close()
    for message in MESSAGES:
        here.send_bytes(message)
        assert here.recv_bytes() == message
    here.close()
    process.join()
    counted = sum(4 + len(message) for message in MESSAGES)
    return {"written": counted, "read": counted}
