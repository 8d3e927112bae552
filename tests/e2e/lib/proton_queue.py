#!/usr/bin/env python3
"""proton_queue.py PORT: a plain queue as Proton's blocking client uses it. Exit 0: it does."""
import sys
import uuid

from proton import Message, Timeout
from proton.utils import BlockingConnection

URL = f"amqp://127.0.0.1:{sys.argv[1]}"
BODIES = ["text", b"bytes", 7, 2.5, True, None, [1, "two", [3]], {"a": 1, "b": [True]}, uuid.UUID(int=5), "x" * 90_000]


def main():
    connection = BlockingConnection(URL, timeout=20)  # ANONYMOUS
    for name in ("plain", "a name/with ümlauts & spaces", "q" * 200):
        sender = connection.create_sender(name)
        for number, body in enumerate(BODIES):
            sender.send(Message(body=body, id=number, subject="s", properties={"n": number, "u": "ü"}))
        receiver = connection.create_receiver(name, credit=1)
        for number, body in enumerate(BODIES):
            message = receiver.receive()
            assert (message.body, message.id, message.subject, message.properties) == \
                (body, number, "s", {"n": number, "u": "ü"}), message
            receiver.accept()
        receiver.close()

    sender = connection.create_sender("outcomes")
    for body in ("released", "rejected", "kept"):
        sender.send(Message(body=body))
    receiver = connection.create_receiver("outcomes", credit=1)
    assert receiver.receive().body == "released"
    receiver.release(delivered=False)
    # Back in its place, or behind the one that the credit had asked for already.
    seen = []
    for _ in range(3):
        seen.append(receiver.receive().body)
        receiver.reject() if seen[-1] == "rejected" else receiver.accept()
    assert sorted(seen) == ["kept", "rejected", "released"], seen
    try:
        raise AssertionError(f"{receiver.receive(timeout=0.3).body} came again")
    except Timeout:
        pass
    connection.close()


main()
