#!/usr/bin/python3
"""A raw AMQP 1.0 client on Proton: send | receive, logged in by SASL PLAIN.

proton_client.py send    USER TOKEN CA ADDRESS TO MESSAGE_ID BODY
proton_client.py receive USER TOKEN CA ADDRESS accept|release|reject
Prints one line of JSON; the exit code is 1 when the peer refused, with the condition in it."""
import json
import sys
import uuid

from proton import Delivery, Message, SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Container

LIMIT_S = 15


class Client(MessagingHandler):
    def __init__(self, args):
        super().__init__(prefetch=0, auto_accept=False)
        self.mode, self.user, self.token, self.ca, self.address = args[:5]
        self.rest = args[5:]
        self.result = None
        self.failed = True

    def on_start(self, event):
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_trusted_ca_db(self.ca)
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
        self.timer = event.container.schedule(LIMIT_S, self)
        self.connection = event.container.connect(
            "amqps://localhost:5671", ssl_domain=domain, user=self.user, password=self.token,
            allowed_mechs="PLAIN", reconnect=False, heartbeat=None)
        if self.mode == "send":
            event.container.create_sender(self.connection, self.address)
        else:
            self.link = event.container.create_receiver(self.connection, self.address)
            self.link.flow(1)

    def on_sendable(self, event):
        if self.rest is None:
            return
        to, message_id, body = self.rest
        self.rest = None
        event.sender.send(Message(
            address=to, id=uuid.UUID(message_id[5:]) if message_id.startswith("uuid:") else message_id,
            properties={"iothub-ack": "full", "room": "a/b"}, body=body.encode(), inferred=True))

    def on_settled(self, event):
        if self.mode == "send":
            self.finish(event, {"state": "settled"}, False)

    def on_rejected(self, event):
        self.finish(event, {"condition": event.delivery.remote.condition.name}, True)

    def on_message(self, event):
        message, verb = event.message, self.rest[0]
        tag = event.delivery.tag  # bytes that the binding reads as UTF-8 text
        result = {
            "body": bytes(message.body).decode(), "id": str(message.id), "to": message.address,
            "properties": message.properties, "tag_bytes": len(tag.encode("utf-8", "surrogateescape")),
            "annotations": sorted(str(key) for key in message.annotations or {}),
        }
        event.delivery.update({"accept": Delivery.ACCEPTED, "release": Delivery.RELEASED, "reject": Delivery.REJECTED}[verb])
        event.delivery.settle()
        self.finish(event, result, False)

    def on_link_error(self, event):
        self.finish(event, {"condition": event.link.remote_condition.name}, True)

    def on_connection_error(self, event):
        self.finish(event, {"condition": event.connection.remote_condition.name}, True)

    def on_transport_error(self, event):
        self.finish(event, {"condition": event.transport.condition.name}, True)

    def on_timer_task(self, event):
        self.finish(event, {"error": f"nothing within {LIMIT_S} s"}, True)

    def finish(self, event, result, failed):
        if self.result is not None:  # a rejected delivery is also a settled one
            return
        self.result, self.failed = result, failed
        self.timer.cancel()
        self.connection.close()


client = Client(sys.argv[1:])
Container(client).run()
print(json.dumps(client.result))
sys.exit(1 if client.failed else 0)
