"""http.server in a thread, urllib against it."""

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = bytes(range(256)) * 1_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(BODY)

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def program(relay):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, name="server")
        serving.start()
        url = f"http://127.0.0.1:{relay(server.server_address[1])}/"
        for data in (None, b"parcel" * 50_000):
            with urllib.request.urlopen(url, data) as answer:
                assert answer.read() == (data or BODY)
        server.shutdown()
        serving.join()
