"""TLS over asyncio: what the sockets carry is encrypted.

The client closes first, and the server answers: nothing is on its way when a socket is closed.
"""

import asyncio

import certificate

DATA = b"parcel" * 50_000


async def echo(reader, writer):
    writer.write(await reader.readexactly(len(DATA)))
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def main(relay):
    for_server, for_client = certificate.contexts()
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=for_server)
    async with server:
        port = relay(server.sockets[0].getsockname()[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=for_client)
        writer.write(DATA)
        assert await reader.readexactly(len(DATA)) == DATA
        writer.close()
        await writer.wait_closed()


def program(relay):
    asyncio.run(main(relay))
