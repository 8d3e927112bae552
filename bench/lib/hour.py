"""An hour of mixed load with --data: does what it uses stay bounded?"""
import multiprocessing
import os
import random
import subprocess
import time
from contextlib import contextmanager

from clients import Http, Mqtt, create, device_bound, metrics
from growth import DEPTH, FLAT, Table
from peers import DEVICE_KEY, HUB, OWNER_KEY
from process import cpu_seconds, descriptors, megabytes

DEVICES = 100
ROWS = 12
BOUND = 1.1  # the last third's most : the middle third's; the first is for warming up
WAL_MB = 32  # the log is cut back to 16 MiB after a burst; one is under way
COUNTED = ("c2d_commands_ingress_success", "c2d_commands_egress_complete_success", "c2d_commands_egress_reject_success",
           "C2DMessagesExpired", "d2c_telemetry_ingress_success", "iothub_emulator_connections_opened", "iothub_emulator_feedback_records")


def every(seconds, step):
    """`step(number)` at a steady pace, until the process is ended."""
    number, due = 0, time.monotonic()
    while True:
        step(number)
        number, due = number + 1, due + seconds
        time.sleep(max(0, due - time.monotonic()))


# ---- what is done, each in a process of its own --------------------------------------------------------
def telemetry(hub):
    clients = [Mqtt(hub.port("mqtt"), f"dev{i}") for i in range(20)]
    every(0.05, lambda n: clients[n % 20].publish(b"x" * random.randrange(50, 1500), 20))


def over_https(hub):
    """Sent, locked, and completed, abandoned or rejected; feedback fetched and completed."""
    https = Http(hub.port("https"), tls=True)

    def settle(queue, verb, action=""):
        status, headers, _ = https.ask("GET", queue)
        if status == 200:
            token = headers["etag"].strip('"')
            https.ask(verb if action != "/abandon" else "POST", f"{queue}/{token}{action}")

    def step(number):
        device = f"dev{20 + number % 20}"
        https.socket.sendall(device_bound(device, b"x" * random.randrange(10, 4000), ack="full"))
        https.answer()
        settle(f"/devices/{device}/messages/devicebound", "DELETE", ("", "?reject", "/abandon", "")[number % 4])
        if number % 50 == 0:
            settle("/messages/serviceBound/feedback", "DELETE")
    every(0.02, step)


def registry(hub):
    """Devices come, get messages, connect, subscribe, and are deleted with all they have."""
    https = Http(hub.port("https"), tls=True)

    def step(number):
        device = f"new{number % 1000}"
        if create(https, device) != 200:
            raise RuntimeError(f"{device} was not created")
        https.socket.sendall(device_bound(device, b"x" * 500) * 5)
        for _ in range(5):
            https.answer()
        client = Mqtt(hub.port("mqtt"), device)
        client.subscribe()
        client.publish()
        client.close(politely=number % 2 == 0)
        https.ask("DELETE", f"/devices/{device}", headers="If-Match: *\r\n")
    every(0.1, step)


def expiries(hub):
    """Messages that nobody fetches; once a minute a thousand of them, purged again."""
    http = Http(hub.port("http"))

    def step(number):
        http.pipeline([device_bound(f"dev{60 + number % 20}", b"x" * 300, expiry=time.time() + 5, ack="full")] * 2, 204)
        if number % 600 == 599:
            for device in range(80, DEVICES):
                http.pipeline([device_bound(f"dev{device}", b"x" * 2000)] * DEPTH, 204)
            for device in range(80, DEVICES):
                http.ask("DELETE", f"/devices/dev{device}/commands")
    every(0.1, step)


@contextmanager
def reference_clients(hub, folder):
    """Messages from AMQP to a device over AMQP and one over MQTT, completed; feedback over AMQP."""
    common = ["--ca", os.path.join(folder, "tls/ca.pem"), "--output", "json"]
    ports = [f"--{name}-port={hub.port(name)}" for name in ("mqtts", "amqps", "https")]
    owner = {**os.environ, "IOTHUB_CONNECTION_STRING": f"HostName={HUB};SharedAccessKeyName=iothubowner;SharedAccessKey={OWNER_KEY}"}

    def start(program, arguments, env):
        return subprocess.Popen([os.path.join(hub.programs, program), *common, *ports, *arguments], env=env, stdout=subprocess.DEVNULL)

    def device(number, transport):
        env = {**os.environ, "IOTHUB_DEVICE_CONNECTION_STRING": f"HostName={HUB};DeviceId=dev{number};SharedAccessKey={DEVICE_KEY}"}
        return start("iothub-device", ["--transport", transport, "receive"], env)

    def send(number):
        if start("iothub-service", ["send", f"dev{40 + number % 2}", "x" * 300, "--count", "20", "--ack", "full"], owner).wait() != 0:
            raise RuntimeError("iothub-service could not send")

    sender = multiprocessing.Process(target=every, args=(0.5, send))
    running = [device(40, "amqp"), device(41, "mqtt"), start("iothub-service", ["feedback", "--timeout", "24h"], owner)]
    sender.start()
    try:
        yield running
    finally:
        sender.kill()
        sender.join()
        for process in running:
            process.terminate()
            process.wait()


# ---- what is seen --------------------------------------------------------------------------------------
def size_mb(folder, name):
    path = os.path.join(folder, name)
    return os.path.getsize(path) / 2**20 if os.path.exists(path) else 0


def sample(hub, folder, seconds):
    """The most of each in so many seconds, and CPU time an operation."""
    def done():
        seen = metrics(hub.port("control"))
        return sum(seen[name] for name in COUNTED)

    most, end, cpu, before = {}, time.monotonic() + seconds, cpu_seconds(hub.pid), done()
    while time.monotonic() < end:
        now = {"rss_mb": megabytes(hub.pid), "db_mb": size_mb(folder, "hub.db"), "wal_mb": size_mb(folder, "hub.db-wal"),
               "descriptors": descriptors(hub.pid)}
        most = {key: max(value, most.get(key, 0)) for key, value in now.items()}
        time.sleep(1)
    operations = done() - before
    return {**most, "operations/s": operations / seconds, "CPU us each": (cpu_seconds(hub.pid) - cpu) / operations * 1e6}


def hour(lab):
    table = Table(f"{lab.minutes:g} minutes of mixed load with --data: the most of each", "minutes")
    with lab.hub(DEVICES, data=True) as hub, reference_clients(hub, lab.work) as running:
        mine = [multiprocessing.Process(target=work, args=(hub,), daemon=True) for work in (telemetry, over_https, registry, expiries)]
        for process in mine:
            process.start()
        for row in range(1, ROWS + 1):
            figures = sample(hub, lab.data, lab.minutes * 60 / ROWS)
            table.add(f"{lab.minutes * row / ROWS:.3g}", figures)
            if dead := [p for p in mine if not p.is_alive()] + [p.args for p in running if p.poll() is not None]:
                raise RuntimeError(f"a client ended by itself: {dead}")
        for process in mine:
            process.kill()
    rows = list(table.rows.values())
    middle, last = rows[ROWS // 3:2 * ROWS // 3], rows[2 * ROWS // 3:]
    for column in ("rss_mb", "db_mb", "descriptors"):
        ratio = max(row[column] for row in last) / max(row[column] for row in middle)
        table.judge(f"{column}: {ratio:.2f} x from the middle third to the last, <= {BOUND}", ratio <= BOUND)
    wal = max(row["wal_mb"] for row in rows)
    table.judge(f"wal_mb: {wal:.1f} at most, <= {WAL_MB}", wal <= WAL_MB)
    ratio = sum(row["CPU us each"] for row in last) / sum(row["CPU us each"] for row in middle)
    table.judge(f"CPU time an operation: {ratio:.2f} x from the middle third to the last, <= {FLAT}", ratio <= FLAT)
    yield table
