"""Tornado, a server and a client of it."""

import asyncio

from tornado import httpclient, httpserver, netutil, web

DATA = b"parcel" * 5_000


class Echo(web.RequestHandler):
    def post(self):
        self.write(self.request.body)


async def main(relay):
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    server = httpserver.HTTPServer(web.Application([("/", Echo)]))
    server.add_sockets(sockets)
    url = f"http://127.0.0.1:{relay(sockets[0].getsockname()[1])}/"
    for _ in range(100):
        answer = await httpclient.AsyncHTTPClient().fetch(url, method="POST", body=DATA)
        assert answer.body == DATA
    server.stop()
    await server.close_all_connections()


def program(relay):
    asyncio.run(main(relay))
