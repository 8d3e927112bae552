"""Small blocking clients of the emulator, for what the load generator does not do: one request at a time,
as little work a request as Python allows."""
import json
import multiprocessing
import select
import socket
import ssl
import struct
import time

from peers import DEVICE_KEY, HUB, OWNER_KEY, token

VERSION = "api-version=2021-04-12"
OWNER = f"Authorization: {token(HUB, OWNER_KEY, 'iothubowner')}\r\n"


def device_token(device):
    return token(f"{HUB}/devices/{device}", DEVICE_KEY)


def connect_packet(device, password=None, clean=True):
    def field(text):
        data = text.encode()
        return len(data).to_bytes(2, "big") + data

    body = field("MQTT") + bytes([4, 0xC2 if clean else 0xC0]) + (240).to_bytes(2, "big") + field(device)
    body += field(f"{HUB}/{device}/?{VERSION}") + field(password or device_token(device))
    return b"\x10" + length(len(body)) + body


def length(size):
    out = bytearray()
    while True:
        size, low = divmod(size, 128)
        out.append(low | (128 if size else 0))
        if not size:
            return bytes(out)


def say_hello(port, count, at_once=64):
    """`count` times the first half of a TLS 1.2 handshake with the RSA certificate: one ClientHello, made once,
    until the server has answered with its signature; then the connection is reset."""
    offer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    offer.maximum_version = ssl.TLSVersion.TLSv1_2
    offer.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    outgoing = ssl.MemoryBIO()
    try:
        offer.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=HUB).do_handshake()
    except ssl.SSLWantReadError:
        hello = outgoing.read()

    waiting, answers, ready = {}, {}, select.epoll()

    def start():
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(hello)
        ready.register(client, select.EPOLLIN)
        waiting[client.fileno()], answers[client.fileno()] = client, b""

    started = min(count, at_once)
    for _ in range(started):
        start()
    while waiting:
        for descriptor, _ in ready.poll():
            more = waiting[descriptor].recv(8192)
            if not more:
                raise RuntimeError("the hub has refused the handshake")
            answers[descriptor] += more
            if not answers[descriptor].endswith(b"\x0e\0\0\0"):  # ServerHelloDone
                continue
            waiting.pop(descriptor).close()
            if started < count:
                started += 1
                start()


class Mqtt:
    """One MQTT connection: connected when it is there."""

    def __init__(self, port, device, packet=None, tls=None, no_delay=True):
        """`tls`: an ssl.SSLContext. Without `no_delay` Nagle's algorithm is on, as most libraries leave it."""
        self.device = device
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        if no_delay:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=HUB)
        self.socket.sendall(packet or connect_packet(device))
        if self.read(4)[:1] != b"\x20":
            raise RuntimeError(f"{device}: no CONNACK")

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise RuntimeError(f"{self.device}: the hub has closed the connection")
            data += more
        return data

    def packet(self):
        """-> the first byte and the body of the next one"""
        kind, size, shift = self.read(1)[0], 0, 0
        while True:
            byte = self.read(1)[0]
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return kind, self.read(size)

    def publish(self, body=b"x" * 100, count=1):
        """Telemetry, QoS 1: back when it is acknowledged."""
        topic = f"devices/{self.device}/messages/events/".encode()
        payload = len(topic).to_bytes(2, "big") + topic + b"\x00\x01" + body
        self.socket.sendall((b"\x32" + length(len(payload)) + payload) * count)
        if self.read(4 * count) != b"\x40\x02\x00\x01" * count:
            raise RuntimeError(f"{self.device}: no PUBACK")

    def subscribe(self):
        """To its cloud-to-device messages, QoS 1."""
        topic = f"devices/{self.device}/messages/devicebound/#".encode()
        payload = b"\x00\x02" + len(topic).to_bytes(2, "big") + topic + b"\x01"
        self.socket.sendall(b"\x82" + length(len(payload)) + payload)
        self.read(5)

    def close(self, politely=True):
        if politely:
            self.socket.sendall(b"\xe0\x00")
        self.socket.close()


class Http:
    """One keep-alive connection, as iothubowner."""

    def __init__(self, port, tls=False):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.input = b""

    @staticmethod
    def request(verb, path, body=b"", headers=""):
        query = "&" if "?" in path else "?"
        size = f"Content-Length: {len(body)}\r\n" if body or verb != "GET" else ""
        return f"{verb} {path}{query}{VERSION} HTTP/1.1\r\nHost: {HUB}\r\n{OWNER}{headers}{size}\r\n".encode() + body

    def more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the hub has closed the connection")
        self.input += data

    def answer(self):
        """-> (status, headers by lower-case name, body)"""
        while b"\r\n\r\n" not in self.input:
            self.more()
        head, _, rest = self.input.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.input, size = rest, int(headers.get("content-length", 0))
        while len(self.input) < size:
            self.more()
        body, self.input = self.input[:size], self.input[size:]
        return int(first.split()[1]), headers, body

    def ask(self, verb, path, body=b"", headers=""):
        self.socket.sendall(self.request(verb, path, body, headers))
        return self.answer()

    def pipeline(self, requests, status):
        """All at once, none with a body in its answer. -> how many were answered with `status`."""
        self.socket.sendall(b"".join(requests))
        good, seen = f"HTTP/1.1 {status} ".encode(), 0
        while seen < len(requests):
            while (seen := self.input.count(b"\r\n\r\n")) < len(requests):
                self.more()
        found, self.input = self.input.count(good), b""
        return found


def device_bound(device, body, expiry=None, ack="none"):
    """A request that sends it a message."""
    headers = f"iothub-to: /devices/{device}/messages/devicebound\r\niothub-messageid: m\r\niothub-ack: {ack}\r\n"
    if expiry:
        headers += time.strftime("iothub-expiry: %Y-%m-%dT%H:%M:%SZ\r\n", time.gmtime(expiry))
    return Http.request("POST", "/messages/deviceBound", body, headers)


def create(http, device):
    key = {"symmetricKey": {"primaryKey": DEVICE_KEY, "secondaryKey": DEVICE_KEY}}
    return http.ask("PUT", f"/devices/{device}", json.dumps({"deviceId": device, "authentication": key}).encode())[0]


def metrics(port):
    """All of the control port's, by name."""
    http = Http(port)
    http.socket.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    lines = http.answer()[2].decode().splitlines()
    http.socket.close()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] not in ("", "#"))}


class Probe:
    """Another client: in a process of its own it sends telemetry (through the hub's lock and, with --data,
    the disk) every few milliseconds, and keeps how long each took."""
    PAUSE = 0.004

    def __init__(self, port):
        self.receive, send = multiprocessing.Pipe(duplex=False)
        self.end = multiprocessing.Event()
        self.process = multiprocessing.Process(target=self.run, args=(port, send), daemon=True)
        self.times = []

    def run(self, port, out):
        client, times = Mqtt(port, "probe"), []
        while not self.end.is_set():
            begin = time.monotonic()
            client.publish()
            times.append((time.monotonic() - begin) * 1000)
            time.sleep(self.PAUSE)
        out.send(times)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *error):
        self.end.set()
        self.times = sorted(self.receive.recv())
        self.process.join()

    def ms(self, share):
        return self.times[int(share * (len(self.times) - 1))]


def watch(port, seconds):
    """What the probe sees while nothing else is done."""
    with Probe(port) as probe:
        time.sleep(seconds)
    return probe
