"""The Python package websockets with compression, as an echo server and as a client of one.

    python deflate.py client URL TAKEOVER WINDOW    talk, and hear all of it back
    python deflate.py daemon URL TAKEOVER WINDOW    the same by way of notifications to itself
    python deflate.py server TAKEOVER WINDOW        echo; prints the port, leaves when its input ends

TAKEOVER is true or false, for both directions; WINDOW is 9 to 15, for both directions.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)


def messages():
    def rows(count):
        return ",".join(f'{{"id":{i * 7919 % 1000},"name":"café {i}"}}' for i in range(count))

    noise = bytes((i * i * 31 + (i >> 3)) & 255 for i in range(5000))
    return ["", "a", rows(1), rows(1), rows(30), noise, rows(3000), rows(500).encode(), "", "", rows(30)]


async def client(url, options):
    extension = ClientPerMessageDeflateFactory(**options)
    async with connect(url, extensions=[extension], compression=None) as socket:
        print(socket.response.headers.get("Sec-WebSocket-Extensions"), flush=True)
        for message in messages():
            await socket.send(message)
            assert await socket.recv() == message
        # A message in fragments.
        await socket.send(["frag", "", "ments"])
        assert await socket.recv() == "fragments"


async def daemon(url, options):
    extension = ClientPerMessageDeflateFactory(**options)
    async with connect(url, extensions=[extension], compression=None, subprotocols=["campanile.v1"]) as socket:
        print(socket.response.headers.get("Sec-WebSocket-Extensions"), flush=True)
        await socket.send('{"sender":"client","subscriptions":[{"package":"p","page":"q"}]}')
        for message in messages():
            news = {"package": "p", "page": "q", "data": str(message)}
            sent = json.dumps({"sender": "server", "notification": news}, ensure_ascii=False)
            await socket.send(sent)
            while "notification" not in (heard := json.loads(text := await socket.recv())):
                pass
            assert text == f'{{"position":"{heard["position"]}",{sent[1:]}'


async def server(options):
    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    extension = ServerPerMessageDeflateFactory(**options)
    async with serve(echo, "127.0.0.1", 0, extensions=[extension], compression=None) as listening:
        print(listening.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


role, *arguments = sys.argv[1:]
takeover, window = arguments[-2] == "true", int(arguments[-1])
options = {
    "server_no_context_takeover": not takeover,
    "client_no_context_takeover": not takeover,
    "server_max_window_bits": window,
    "client_max_window_bits": window,
}
if role == "server":
    asyncio.run(server(options))
else:
    asyncio.run((client if role == "client" else daemon)(arguments[0], options))
