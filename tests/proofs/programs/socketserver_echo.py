"""socketserver, a thread a client, and clients that send while they receive."""

import socket
import socketserver
import threading

DATA = bytes(range(256)) * 2_000


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


def client(port):
    with socket.create_connection(("127.0.0.1", port)) as sock:

        def send():
            sock.sendall(DATA)
            sock.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        echoed = bytearray()
        while piece := sock.recv(5_000):
            echoed += piece
        sending.join()
        assert echoed == DATA


def program(relay):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        serving = threading.Thread(target=server.serve_forever, name="server")
        serving.start()
        port = relay(server.server_address[1])
        clients = [threading.Thread(target=client, args=(port,)) for _ in range(4)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        server.shutdown()
        serving.join()
