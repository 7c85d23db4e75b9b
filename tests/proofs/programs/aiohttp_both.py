"""aiohttp, a server and a client of it."""

import asyncio

import aiohttp
from aiohttp import web

DATA = b"parcel" * 5_000


async def echo(request):
    return web.Response(body=await request.read())


async def main(relay):
    app = web.Application()
    app.router.add_post("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = relay(runner.addresses[0][1])
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            async with session.post(f"http://127.0.0.1:{port}/", data=DATA) as answer:
                assert await answer.read() == DATA
    await runner.cleanup()


def program(relay):
    asyncio.run(main(relay))
