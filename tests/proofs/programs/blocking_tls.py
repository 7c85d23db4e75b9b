"""TLS over blocking sockets, a server in a thread."""

import socket
import threading

import certificate

DATA = b"parcel" * 10_000


def program(relay):
    for_server, for_client = certificate.contexts()
    counted = {"written": 0, "read": 0}

    def serve():
        conn, _ = listener.accept()
        with for_server.wrap_socket(conn, server_side=True) as tls:
            came = bytearray()
            while len(came) < len(DATA):
                came += tls.recv(4_000)
            counted["read"] += len(came)
            tls.sendall(came)
            counted["written"] += len(came)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, name="server")
        serving.start()
        conn = socket.create_connection(listener.getsockname())
        with for_client.wrap_socket(conn, server_hostname="127.0.0.1") as tls:
            tls.sendall(DATA)
            counted["written"] += len(DATA)
            came = bytearray()
            while len(came) < len(DATA):
                came += tls.recv(4_000)
            counted["read"] += len(came)
        serving.join()
    assert came == DATA
    return counted
