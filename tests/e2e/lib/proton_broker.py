#!/usr/bin/python3
"""A small AMQP 1.0 broker on Proton: another peer than our emulator for the clients' AMQP.

proton_broker.py PORT CERT KEY PASSWORD

A sender's messages go to the queue that their `to` names, else to the link's target; a receiver gets
those of the queue that its source names, a released one once more. Prints a line of JSON for each
event. Debian's Proton is built without the SASL library and a server on it knows no PLAIN: so a front
of our own speaks TLS and SASL (any user, this password) and passes the bytes on.
"""
import asyncio
import json
import socket
import ssl
import struct
import sys
import threading
from collections import defaultdict, deque

from proton import Endpoint
from proton.handlers import MessagingHandler
from proton.reactor import Container


def say(**event):
    print(json.dumps(event), flush=True)


SASL_HEADER = b"AMQP\x03\x01\x00\x00"


def sasl_frame(performative):
    """size, doff 2, type 1 (SASL), channel 0"""
    return struct.pack("!IBBH", len(performative) + 8, 2, 1, 0) + performative


# described list 0x40 of one array of symbols; described list 0x44 of one ubyte
MECHANISMS = sasl_frame(b"\x00\x53\x40\xc0\x0b\x01\xe0\x08\x01\xa3\x05PLAIN")
OUTCOME_OK = sasl_frame(b"\x00\x53\x44\xc0\x03\x01\x50\x00")
OUTCOME_AUTH = sasl_frame(b"\x00\x53\x44\xc0\x03\x01\x50\x01")


def initial_response(frame):
    """sasl-init is (mechanism symbol, initial response binary, host name)."""
    rest = frame[frame.index(b"\xa3\x05PLAIN") + 7:]
    if rest[0] == 0xA0:
        return rest[2:2 + rest[1]]
    size = struct.unpack("!I", rest[1:5])[0]
    return rest[5:5 + size]


async def log_in(reader, writer, password):
    assert await reader.readexactly(8) == SASL_HEADER
    writer.write(SASL_HEADER + MECHANISMS)
    size = struct.unpack("!I", await reader.readexactly(4))[0]
    _, user, given = initial_response(await reader.readexactly(size - 4)).decode().split("\0")
    accepted = given == password
    say(login=user, accepted=accepted)
    writer.write(OUTCOME_OK if accepted else OUTCOME_AUTH)
    await writer.drain()
    return accepted


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass  # as good as an end
    writer.close()


async def front(port, broker_port, cert, key, password):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(reader, writer):
        if not await log_in(reader, writer, password):
            return writer.close()
        broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", broker_port)
        await asyncio.gather(pump(reader, broker_writer), pump(broker_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    say(listening=port)
    await server.serve_forever()


class Broker(MessagingHandler):
    def __init__(self, port):
        super().__init__(auto_accept=True, auto_settle=True, prefetch=10)
        self.port = port
        self.queues = defaultdict(deque)  # address -> messages that nobody holds
        self.receivers = defaultdict(list)  # address -> links
        self.held = {}  # link and tag -> (address, message)
        self.ready = threading.Event()

    def on_start(self, event):
        event.container.listen(f"amqp://127.0.0.1:{self.port}")
        self.ready.set()

    def on_link_opening(self, event):
        link = event.link
        link.source.address, link.target.address = link.remote_source.address, link.remote_target.address
        link.rcv_settle_mode = link.remote_rcv_settle_mode
        if link.is_sender:
            self.receivers[link.source.address].append(link)

    def on_message(self, event):
        address = event.message.address or event.receiver.target.address
        say(message=address, id=event.message.id, properties=event.message.properties,
            body=bytes(event.message.body).decode())
        self.queues[address].append(event.message)
        self.deliver(address)

    def on_sendable(self, event):
        self.deliver(event.sender.source.address)

    def deliver(self, address):
        for link in self.receivers[address]:
            while link.credit > 0 and self.queues[address]:
                message = self.queues[address].popleft()
                delivery = link.send(message)
                self.held[link.name, delivery.tag] = (address, message)

    def settled(self, event, outcome, again=False):
        address, message = self.held.pop((event.link.name, event.delivery.tag), (None, None))
        if message is None:
            return
        delivery = event.delivery
        say(outcome=outcome, id=message.id, settled=delivery.settled)
        if not delivery.settled:  # the receiver settles second and waits for us
            delivery.update(delivery.remote_state)
            delivery.settle()
        if again:
            self.queues[address].appendleft(message)

    def on_accepted(self, event):
        self.settled(event, "accepted")

    def on_rejected(self, event):
        self.settled(event, "rejected")

    def on_released(self, event):
        self.settled(event, "released", again=True)
        self.deliver(event.link.source.address)

    def on_link_closing(self, event):
        self.forget(event.link)

    def on_disconnected(self, event):
        link = event.connection.link_head(Endpoint.LOCAL_ACTIVE) if event.connection else None
        while link:
            self.forget(link)
            link = link.next(Endpoint.LOCAL_ACTIVE)

    def forget(self, link):
        if not link.is_sender:
            return
        links = self.receivers[link.source.address]
        if link in links:
            links.remove(link)
        for (name, tag), (address, message) in list(self.held.items()):
            if name == link.name:
                del self.held[name, tag]
                self.queues[address].appendleft(message)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def main():
    port, cert, key, password = sys.argv[1:]
    broker = Broker(free_port())
    threading.Thread(target=Container(broker).run, daemon=True).start()
    broker.ready.wait()
    asyncio.run(front(int(port), broker.port, cert, key, password))


main()
