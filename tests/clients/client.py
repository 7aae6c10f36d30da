"""A subscriber and a publisher on the Python package websockets.

    python client.py subscribe URL FILE    send FILE, then print a line for each thing that comes
    python client.py publish URL FILE      send FILE and print what comes until the server closes
    python client.py subscribe|publish URL FILE CA    URL is wss://..., and the file CA has the
                                           authority to trust

The lines are `ready` (the subscription is in force), `message HEX` (a text message, its bytes in
hexadecimal digits) and `closed CODE`. The subscriber leaves when its standard input ends.
"""

import asyncio
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def main(role: str, url: str, file: str, ca: str | None = None) -> None:
    with open(file, encoding="utf-8", newline="") as opened:
        message = opened.read()
    tls = ssl.create_default_context(cafile=ca) if ca else None
    async with connect(url, ssl=tls) as socket:
        await socket.send(message)
        if role == "subscribe":
            # A subscription has no answer, but messages are taken in order and this one has.
            await socket.send('{"type":"ping"}')
            answer = await socket.recv()
            say("ready" if answer == '{"type":"pong"}' else f"unexpected {answer!r}")
            end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
            listening = asyncio.create_task(listen(socket))
            await asyncio.wait({asyncio.ensure_future(end), listening}, return_when=asyncio.FIRST_COMPLETED)
            listening.cancel()
        else:
            await listen(socket)


async def listen(socket) -> None:
    try:
        while True:
            message = await socket.recv()
            say(f"message {message.encode().hex()}" if isinstance(message, str) else f"binary {message.hex()}")
    except ConnectionClosed as closed:
        say(f"closed {closed.rcvd.code if closed.rcvd else 1006}")


def say(line: str) -> None:
    print(line, flush=True)


asyncio.run(main(*sys.argv[1:]))
