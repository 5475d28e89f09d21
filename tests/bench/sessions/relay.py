"""A relay on loopback that holds all bytes back for a chosen time, and counts them: for round trips and bytes on the wire."""

import asyncio
import threading


class Relay:
    """Listens on ADDRESS, PORT for connections to TARGET (address, port), in a thread of its own."""

    def __init__(self, address, port, target):
        self.target, self.delay, self.bytes, self.connections = target, 0.0, 0, 0
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.serve, args=(address, port, ready))
        self.thread.start()
        ready.wait()

    def reset(self, round_trip):
        """ROUND_TRIP: seconds, half of them each way."""
        self.delay, self.bytes, self.connections = round_trip / 2, 0, 0

    def serve(self, address, port, ready):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.connected, address, port))
        ready.set()
        self.loop.run_forever()

    async def connected(self, reader, writer):
        self.connections += 1
        there_reader, there_writer = await asyncio.open_connection(*self.target)
        await asyncio.gather(self.pass_on(reader, there_writer), self.pass_on(there_reader, writer))

    async def pass_on(self, reader, writer):
        """Whatever comes goes out after the delay, and no byte is held up by the one before it."""
        while True:
            try:
                data = await reader.read(65536)
            except OSError:
                data = b""
            self.bytes += len(data)
            self.loop.call_later(self.delay, self.send, writer, data)
            if not data:
                return

    @staticmethod
    def send(writer, data):
        if data:
            writer.write(data)
        else:
            writer.close()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
