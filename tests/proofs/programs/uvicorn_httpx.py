"""uvicorn in a thread, httpx against it."""

import socket
import threading

import httpx
import uvicorn

DATA = b"parcel" * 5_000


async def echo(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def program(relay):
    config = uvicorn.Config(echo, loop="asyncio", http="h11", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = relay(listener.getsockname()[1])
        serving = threading.Thread(target=server.run, args=([listener],), name="uvicorn")
        serving.start()
        with httpx.Client() as client:
            for _ in range(100):
                answer = client.post(f"http://127.0.0.1:{port}/", content=DATA)
                assert answer.content == DATA
        server.should_exit = True
        serving.join()
