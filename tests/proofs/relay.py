"""A relay in a process of its own: it stands between a client and a server, and counts the bytes.

It listens on a port of 127.0.0.1, prints its number, reads the number of the server's port, and
passes each connection on to there.  When its standard input ends it closes the listener, waits
until every connection has ended on both sides, and prints how many bytes it passed on: to the
server, to the client.
"""

import contextlib
import socket
import sys
import threading


def pump(source, sink, counted, direction):
    """Pass bytes on until the source has ended; count them."""
    try:
        while piece := source.recv(65_536):
            sink.sendall(piece)
            counted[direction] += len(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one of them has reset the connection: wake the thread that reads the other
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def main():
    counted, pumping = [0, 0], []

    def accept():
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                for direction, ends in enumerate([(client, server), (server, client)]):
                    pumping.append(threading.Thread(target=pump, args=(*ends, counted, direction)))
                    pumping[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        port = int(sys.stdin.readline() or 0)
        accepting = threading.Thread(target=accept)
        accepting.start()
        sys.stdin.read()
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
    for thread in pumping:
        thread.join()
    print(*counted, flush=True)


if __name__ == "__main__":
    main()
