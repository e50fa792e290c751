"""The test image `app`: a page that shows messages of a WebSocket and of server-sent events.

Tornado detects a common fault of gateways: it rejects a WebSocket whose Origin differs from the request's Host.
"""

import asyncio
import pathlib
import socket

import tornado.web
import tornado.websocket

FOLDER = pathlib.Path(__file__).parent
HOST = socket.gethostname()


class Page(tornado.web.RequestHandler):
    def get(self):
        self.set_header("Cache-Control", "no-store")
        self.write((FOLDER / "app.html").read_text())


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        self.write_message(f"{message} from {HOST}")


class Events(tornado.web.RequestHandler):
    async def get(self):
        self.set_header("Content-Type", "text/event-stream")
        number = 0
        while not self.request.connection.stream.closed():
            number += 1
            self.write(f"data: event {number} from {HOST}\n\n")
            await self.flush()
            await asyncio.sleep(0.2)


async def main():
    tornado.web.Application([("/", Page), ("/echo", Echo), ("/events", Events)]).listen(80)
    await asyncio.Event().wait()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
