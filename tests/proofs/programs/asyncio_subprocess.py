"""asyncio with a child process: what it writes comes back."""

import asyncio

DATA = b"parcel" * 60_000


async def main():
    cat = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    echoed, _ = await cat.communicate(DATA)
    assert echoed == DATA and cat.returncode == 0


def program(relay):
    asyncio.run(main())
    return {"written": len(DATA), "read": len(DATA)}
