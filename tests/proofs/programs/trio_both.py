"""trio, an echo server and a client of it."""

import trio

DATA = b"parcel" * 5_000


async def echo(stream):
    async for piece in stream:
        await stream.send_all(piece)


async def main(relay):
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, echo, 0)
        port = relay(listeners[0].socket.getsockname()[1])
        client = await trio.open_tcp_stream("127.0.0.1", port)
        async with client:
            for _ in range(100):
                nursery.start_soon(client.send_all, DATA)
                echoed = bytearray()
                while len(echoed) < len(DATA):
                    echoed += await client.receive_some(5_000)
                assert echoed == DATA
        nursery.cancel_scope.cancel()


def program(relay):
    trio.run(main, relay)
