"""uvloop: an event loop in C, whose sockets no Python call touches."""

import asyncio

import uvloop

DATA = b"parcel" * 50_000


async def echo(reader, writer):
    writer.write(await reader.readexactly(len(DATA)))
    await writer.drain()
    writer.close()


async def main(relay):
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        port = relay(server.sockets[0].getsockname()[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(DATA)
        assert await reader.readexactly(len(DATA)) == DATA
        writer.close()
        await writer.wait_closed()


def program(relay):
    uvloop.run(main(relay))
