#!/usr/bin/env python3
"""paho_suite.py PORT: what any MQTT 3.1.1 broker does, asked of one by Debian's Paho. Writes TAP."""
import queue
import sys

import paho.mqtt.client as mqtt

PORT = int(sys.argv[1])
WAIT = 20
NOTHING = 0.3


class Client:
    def __init__(self, name, clean=True, will=None, protocol=mqtt.MQTTv311):
        self.messages, self.answers = queue.Queue(), queue.Queue()
        self.paho = mqtt.Client(name, clean_session=clean, protocol=protocol)
        self.paho.on_connect = lambda c, u, flags, rc: self.answers.put(("connack", rc, flags["session present"]))
        self.paho.on_disconnect = lambda c, u, rc: self.answers.put(("gone", rc))
        self.paho.on_subscribe = lambda c, u, mid, granted: self.answers.put(("suback", granted))
        self.paho.on_unsubscribe = lambda c, u, mid: self.answers.put(("unsuback",))
        self.paho.on_message = lambda c, u, m: self.messages.put((m.topic, m.payload.decode(), m.qos, m.retain))
        if will:
            self.paho.will_set(*will)
        self.paho.reconnect_delay_set(3600)
        self.paho.connect("127.0.0.1", PORT, 60)
        self.paho.loop_start()
        self.connack = self.answer()

    def answer(self):
        return self.answers.get(timeout=WAIT)

    def subscribe(self, *filters):
        self.paho.subscribe(list(filters))
        return self.answer()[1]

    def publish(self, topic, payload, qos=1, retain=False):
        self.paho.publish(topic, payload, qos, retain).wait_for_publish(WAIT)

    def next(self):
        return self.messages.get(timeout=WAIT)

    def nothing(self):
        try:
            return self.messages.get(timeout=NOTHING) and False
        except queue.Empty:
            return True

    def leave(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def die(self):  # without DISCONNECT
        self.paho.loop_stop()
        self.paho._sock_close()


def equal(found, wanted):
    assert found == wanted, f"{found!r}, not {wanted!r}"


def both_qos():
    receiver, sender = Client("r1"), Client("s1")
    equal(receiver.subscribe(("t/0", 0), ("t/1", 1), ("t/2", 2)), (0, 1, 1))
    for topic in ("t/0", "t/1", "t/2"):
        for qos in (0, 1):
            sender.publish(topic, f"{topic} {qos}", qos)
            equal(receiver.next(), (topic, f"{topic} {qos}", min(qos, 0 if topic == "t/0" else 1), 0))
    return receiver, sender


def order():
    receiver, sender = Client("r2"), Client("s2")
    receiver.subscribe(("order", 1))
    sent = [sender.paho.publish("order", str(n), 1) for n in range(200)]
    equal([receiver.next()[1] for _ in range(200)], [str(n) for n in range(200)])
    [one.wait_for_publish(WAIT) for one in sent]
    return receiver, sender


def wildcards():
    receiver, sender = Client("r3"), Client("s3")
    for filter_, topic, matches in (
            ("#", "a", True), ("#", "/a", True), ("#", "$a/b", False), ("a/#", "a", True), ("a/#", "a/b/c", True),
            ("a/#", "ab", False), ("+", "a", True), ("+", "/a", False), ("/+", "/a", True), ("+/+", "/a", True),
            ("a/+/c", "a/b/c", True), ("a/+/c", "a//c", True), ("a/+", "a/b/c", False), ("+/b", "$a/b", False),
            ("$a/+", "$a/b", True), ("a b/ü", "a b/ü", True), ("A", "a", False)):
        receiver.subscribe((filter_, 1))
        sender.publish(topic, filter_)
        assert receiver.next()[:2] == (topic, filter_) if matches else receiver.nothing(), (filter_, topic)
        receiver.paho.unsubscribe(filter_)
        equal(receiver.answer(), ("unsuback",))
    return receiver, sender


def overlapping():
    receiver, sender = Client("r4"), Client("s4")
    receiver.subscribe(("o/#", 0), ("o/+", 1), ("#", 0))
    sender.publish("o/x", "once")
    equal(receiver.next(), ("o/x", "once", 1, 0))
    assert receiver.nothing(), "a second copy"
    return receiver, sender


def sessions():
    receiver, sender = Client("r5", clean=False), Client("s5")
    equal(receiver.connack, ("connack", 0, 0))
    receiver.subscribe(("offline", 1))
    receiver.leave()
    for n in range(20):
        sender.publish("offline", str(n))
    again = Client("r5", clean=False)
    equal(again.connack, ("connack", 0, 1))
    equal([again.next()[1] for _ in range(20)], [str(n) for n in range(20)])
    again.leave()
    clean = Client("r5")
    equal(clean.connack, ("connack", 0, 0))
    sender.publish("offline", "too late")
    assert clean.nothing(), "a subscription outlived its session"
    return clean, sender


def wills():
    watcher = Client("r6")
    watcher.subscribe(("will/#", 1))
    Client("dies", will=("will/a", "gone", 1)).die()
    equal(watcher.next(), ("will/a", "gone", 1, 0))
    Client("leaves", will=("will/b", "gone", 1)).leave()
    assert watcher.nothing(), "a will after DISCONNECT"
    return watcher,


def takeover():
    first = Client("same")
    second = Client("same")
    equal(first.answer()[0], "gone")
    second.subscribe(("x", 1))
    second.publish("x", "me")
    equal(second.next()[:2], ("x", "me"))
    return second, first


def empty_client_id():
    one, other = Client(""), Client("")
    equal((one.connack, other.connack), (("connack", 0, 0),) * 2)
    one.subscribe(("e", 0))
    other.publish("e", "from another")
    equal(one.next()[1], "from another")
    return one, other


def refusals():
    one = Client("two")
    one.paho.publish("x", "y", 2)
    equal(one.answer()[0], "gone")  # QoS 2
    equal(Client("old", protocol=mqtt.MQTTv31).connack[0], "gone")
    return ()


def main():
    checks = (both_qos, order, wildcards, overlapping, sessions, wills, takeover, empty_client_id, refusals)
    for number, check in enumerate(checks, 1):
        try:
            for client in check():
                client.leave()
            print(f"ok {number} - {check.__name__}", flush=True)
        except Exception as error:  # the next one is not kept from running
            print(f"not ok {number} - {check.__name__}\n# failed: {type(error).__name__} {error}", flush=True)
    print(f"1..{len(checks)}")


main()
