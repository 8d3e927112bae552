"""What should stay flat while a hub grows: one function for each shape, -> its tables. `lab` starts hubs."""
import multiprocessing
import os
import statistics
import subprocess
import threading
import time
from contextlib import contextmanager, nullcontext

import workloads as w
from clients import VERSION, OWNER, Http, Mqtt, Probe, connect_packet, create, device_bound, metrics, watch
from process import cpu_seconds, megabytes

FLAT = 1.5  # largest : smallest. What grows with the logarithm, and with the processor's caches, stays below
FLOOR_FLAT = 1.2  # where the floor server's cost grows too: ours : its, at the largest : at the smallest
PAGES_FLAT = 2  # a page reads a thousand identities, of 100,000 from memory that is in no cache
PAUSE_MS = 100  # the longest that another client may be held up
NEIGHBOUR_MS = 1  # what a neighbour may add to the others' p99
BUSY = 0.3  # cores that somebody else used: times say nothing then
VERDICTS = {True: "flat", False: "NOT FLAT", None: "too busy to judge"}
DEPTH = 50  # messages in a full queue
TALK = 10  # devices that talk where no more than ten are registered


class Table:
    """Rows by size. `flat`: the columns whose last row is compared with the first that has them, from row `base` on; a
    dict says how many times as much is flat."""

    def __init__(self, title, first, flat=(), base=0):
        self.title, self.first, self.base, self.rows, self.verdicts = title, first, base, {}, []
        self.flat = flat if isinstance(flat, dict) else dict.fromkeys(flat, FLAT)

    def add(self, label, figures):
        self.rows[label] = figures

    def judge(self, what, good):
        self.verdicts.append((what, good))

    def judge_flat(self):
        for column, limit in self.flat.items():
            seen = [row[column] for row in list(self.rows.values())[self.base:] if row.get(column)]
            if len(seen) > 1:
                ratio = seen[-1] / seen[0]
                self.judge(f"{column}: {ratio:.2f} x from smallest to largest, <= {limit}", ratio <= limit)

    def print(self):
        columns = list(dict.fromkeys([*self.flat, *(column for row in self.rows.values() for column in row)]))
        print(f"\n### {self.title}\n\n| {self.first} | " + " | ".join(columns) + " |\n|---" + "|---" * len(columns) + "|")
        for label, row in self.rows.items():
            print(f"| {label} | " + " | ".join(text(row.get(column)) for column in columns) + " |")
        print()
        for what, good in self.verdicts:
            print(f"- {VERDICTS[good]}: {what}")


def text(value):
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def cost(hub, seconds, step):
    """CPU microseconds of the server for each `step(number)`, done one after the other."""
    end, count, before = time.monotonic() + seconds, 0, cpu_seconds(hub.pid)
    while time.monotonic() < end:
        step(count)
        count += 1
    return (cpu_seconds(hub.pid) - before) / count * 1e6


# ---- registered devices ------------------------------------------------------------------------------
def create_and_delete(http):
    def step(number):
        device = f"new{number}"
        if create(http, device) != 200 or http.ask("DELETE", f"/devices/{device}", headers="If-Match: *\r\n")[0] != 204:
            raise RuntimeError(f"{device} was not created and deleted")
    return step


def connect(port):
    packets = [connect_packet(f"dev{i}") for i in range(TALK)]
    return lambda number: Mqtt(port, f"dev{number % TALK}", packets[number % TALK]).close()


def devices(lab):
    columns = ["telemetry of 10", "C2D to 10", "telemetry of 100", "C2D to 100", "read", "create, delete", "connect", "statistics"]
    table = Table("Registered devices, CPU us an operation", "registered", columns)
    for count in (10, 100, 1_000, 10_000, 100_000):
        with lab.hub(count) as hub:
            row = {}
            for talk in [TALK] + [w.DEVICES] * (count >= w.DEVICES):
                row[f"telemetry of {talk}"] = w.w1(hub.load, hub.peer, "--clients", talk)["srv_us"]
                row[f"C2D to {talk}"] = w.w2(hub.load, hub.peer, "--devices", talk)["srv_us"]
            row["read"] = hub.load("http", "--port", hub.port("https"), "--tls", "1.3", "--get", f"/devices/{{id}}?{VERSION}",
                                   "--conns", TALK, "--header", OWNER.strip())["srv_us"]
            https = Http(hub.port("https"), tls=True)
            row["create, delete"] = cost(hub, lab.secs, create_and_delete(https))
            row["connect"] = cost(hub, lab.secs, connect(hub.port("mqtt")))
            row["statistics"] = cost(hub, lab.secs, lambda _: https.ask("GET", "/statistics/devices"))
            row["rss_mb"] = megabytes(hub.pid)
            table.add(f"{count:,}", row)
    table.judge_flat()
    yield table


# ---- connections -------------------------------------------------------------------------------------
@contextmanager
def idle(hub, count):
    """So many MQTT connections that say nothing."""
    holder = subprocess.Popen(hub.load.command("storm", "--port", hub.port("mqtt"), "--clients", count, "--id", "idle", "--hold", 600,
                                               *hub.peer.login), stdout=subprocess.DEVNULL)
    try:
        while metrics(hub.port("control"))["iothub_emulator_connections_open"] < count:
            if holder.poll() is not None:
                raise RuntimeError("the idle devices did not all connect")
            time.sleep(0.1)
        time.sleep(0.5)
        yield
    finally:
        holder.kill()
        holder.wait()


def connections(lab):
    beside = Table("Idle connections beside the 100 that talk, CPU us an operation", "idle", ["telemetry", "C2D", "connect"])
    # With ten, ten messages share a write: another load, and not a smaller one.
    talking = Table("All connections talk, CPU us an operation", "connections",
                    {"telemetry": FLAT, "C2D, x floor": FLOOR_FLAT}, base=1)
    for count in (10, 100, 1_000, 10_000):
        with lab.hub(w.DEVICES, others=[f"idle{i}" for i in range(count)]) as hub, idle(hub, count):
            beside.add(f"{count:,}", {"telemetry": w.w1(hub.load, hub.peer)["srv_us"], "C2D": w.w2(hub.load, hub.peer)["srv_us"],
                                      "connect": cost(hub, lab.secs, connect(hub.port("mqtt"))), "rss_mb": megabytes(hub.pid)})
        with lab.hub(count) as hub:
            telemetry = w.w1(hub.load, hub.peer, "--clients", count)["srv_us"]
            # A message to another connection each time is cold memory, the kernel's above all: the floor server shows how much.
            with lab.floor() as floor:
                runs = [[w.w2(it.load, it.peer, "--devices", count)["srv_us"] for it in (hub, floor)] for _ in range(3)]
            ours, floors = map(statistics.median, zip(*runs))
            talking.add(f"{count:,}", {"telemetry": telemetry, "C2D, x floor": ours / floors, "C2D": ours, "C2D of floor": floors,
                                       "rss_mb": megabytes(hub.pid)})
    for table in (beside, talking):
        table.judge_flat()
        yield table


# ---- queues ------------------------------------------------------------------------------------------
def fill(hub, first, last, **how):
    """50 messages for each of the devices from qFIRST to before qLAST. -> seconds it took"""
    http, begin = Http(hub.port("http")), time.monotonic()
    for device in range(first, last):
        if http.pipeline([device_bound(f"q{device}", b"x" * 200, **how)] * DEPTH, 204) != DEPTH:
            raise RuntimeError(f"a message to q{device} was refused")
    return time.monotonic() - begin


def beside_queues(hub):
    figures = w.w2(hub.load, hub.peer)
    return {"C2D to 100": figures["srv_us"], "send, lock, complete": w.w4(hub.load, hub.peer)["srv_us"], "rss_mb": megabytes(hub.pid)}


def expire(hub, messages, until):
    """Waits for all of them to expire. -> figures of that, the probe's among them"""
    quiet = watch(hub.port("mqtt"), 2)
    if metrics(hub.port("control"))["C2DMessagesExpired"] or time.time() > until - 1:
        raise RuntimeError("the machine is too slow: messages expired before the queues were full")
    with Probe(hub.port("mqtt")) as probe:
        time.sleep(until - time.time() - 0.5)
        cpu = cpu_seconds(hub.pid)
        while metrics(hub.port("control"))["C2DMessagesExpired"] < messages:
            if time.time() > until + 120:
                raise RuntimeError("the messages do not all expire")
            time.sleep(0.1)
        seconds, cpu = time.time() - until, cpu_seconds(hub.pid) - cpu
    return {"quiet p99 ms": quiet.ms(0.99), "quiet longest ms": quiet.ms(1), "p99 ms": probe.ms(0.99), "longest ms": probe.ms(1),
            "all gone after s": seconds, "CPU us each": cpu / messages * 1e6}


def queues(lab):
    expiry = Table("All messages expire at once (ack full): what another client sees meanwhile", "hub")
    for where, data in (("in memory", False), ("with --data", True)):
        table = Table(f"Queued messages {where}, CPU us an operation beside them", "queued", ["C2D to 100", "send, lock, complete"])
        full = lab.queues
        with lab.hub(w.DEVICES, others=[f"q{i}" for i in range(full)], data=data) as hub:
            table.add("0", beside_queues(hub))
            some = full // 20
            took = fill(hub, 0, some)
            table.add(f"{some * DEPTH:,}", beside_queues(hub))
            until = int(time.time() + took * 20 * 1.5 + 6 * (lab.secs + lab.warm)) + 5
            fill(hub, some, full, expiry=until, ack="full")
            table.add(f"{full * DEPTH:,}", beside_queues(hub))
            figures = expire(hub, (full - some) * DEPTH, until)
            expiry.add(f"{where}, {(full - some) * DEPTH:,}", figures)
            expiry.judge(f"{where}: another client waited {figures['longest ms']:.0f} ms at most, <= {PAUSE_MS}", figures["longest ms"] <= PAUSE_MS)
        table.judge_flat()
        yield table
    yield expiry


# ---- listing -----------------------------------------------------------------------------------------
def page_through(http, size, devices):
    """POST /devices/query from begin to end. -> milliseconds of each page"""
    seen, times, following = 0, [], ""
    while True:
        begin = time.monotonic()
        _, headers, body = http.ask("POST", "/devices/query", b'{"query": "SELECT * FROM devices"}', f"x-ms-max-item-count: {size}\r\n{following}")
        times.append((time.monotonic() - begin) * 1000)
        seen += body.count(b'"deviceId"')
        if "x-ms-continuation" not in headers:
            if seen < devices:
                raise RuntimeError(f"{seen} devices listed of {devices}")
            return times
        following = f"x-ms-continuation: {headers['x-ms-continuation']}\r\n"


def list_once(http, _):
    begin = time.monotonic()
    if http.ask("GET", "/devices?top=1000")[0] != 200:
        raise RuntimeError("a list was refused")
    return [(time.monotonic() - begin) * 1000]


LISTS = {"pages of 100": lambda http, devices: page_through(http, 100, devices),
         "pages of 1000": lambda http, devices: page_through(http, 1000, devices), "GET top=1000": list_once}


def listing(lab):
    table = Table("Listing: pages of all devices, and what another client sees meanwhile", "registered, how")
    costs, longest = {how: [] for how in LISTS}, 0
    for count in (1_000, 10_000, 100_000):
        with lab.hub(count) as hub:
            https = Http(hub.port("https"), tls=True)
            quiet = watch(hub.port("mqtt"), lab.secs)
            table.add(f"{count:,}, nothing", {"p99 ms": quiet.ms(0.99), "longest ms": quiet.ms(1)})
            for how, pages_of in LISTS.items():
                times, before = [], cpu_seconds(hub.pid)
                with Probe(hub.port("mqtt")) as probe:
                    while len(times) < 50:
                        times += pages_of(https, count)
                us = (cpu_seconds(hub.pid) - before) / len(times) * 1e6
                times.sort()
                costs[how].append(us)
                longest = max(longest, probe.ms(1))
                table.add(f"{count:,}, {how}", {"p99 ms": probe.ms(0.99), "longest ms": probe.ms(1), "pages": len(times),
                                                "page p50 ms": times[len(times) // 2], "page longest ms": times[-1], "CPU us a page": us})
    for how, each in costs.items():
        ratio = each[-1] / each[0]
        table.judge(f"{how}: CPU time of a page {ratio:.2f} x from 1,000 to 100,000, <= {PAGES_FLAT}", ratio <= PAGES_FLAT)
    table.judge(f"another client waited {longest:.0f} ms at most, <= {PAUSE_MS}", longest <= PAUSE_MS)
    yield table


# ---- neighbours --------------------------------------------------------------------------------------
def refused(hub, device):
    """Sends to a queue that is full."""
    http = Http(hub.port("http"))
    request = device_bound(device, b"x" * 200)
    while True:
        http.socket.sendall(request * 20)
        for _ in range(20):
            http.answer()


def silent(hub, device):
    """Subscribes, and never reads what comes; asks for lists over HTTP, and never reads those either."""
    client, http = Mqtt(hub.port("mqtt"), device), Http(hub.port("http"))
    client.subscribe()
    http.socket.settimeout(None)
    sender = Http(hub.port("http"))
    sender.pipeline([device_bound(device, b"x" * 60_000)] * DEPTH, 204)
    while True:
        http.socket.sendall(Http.request("GET", "/devices?top=1000"))  # waits once the hub takes no more


def unsettled(hub, device):
    """Subscribes, reads, and acknowledges nothing, while somebody sends more."""
    client = Mqtt(hub.port("mqtt"), device)
    client.subscribe()
    client.socket.settimeout(None)
    threading.Thread(target=lambda: list(iter(lambda: client.socket.recv(1 << 16), b"")), daemon=True).start()
    refused(hub, device)


def hot_telemetry(hub, _):
    hub.load.secs = 600
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    command = hub.load.command("pub", "--port", hub.port("mqtt"), "--clients", 1, "--id", "hot", "--window", 1000,
                               "--topic", "devices/{id}/messages/events/", *hub.peer.login)
    os.execvp(command[0], command)


@contextmanager
def neighbour(hub, behaviour, device):
    """In a process of its own that gives way to the one that measures: the generator's core is not the subject."""
    def run():
        os.setsid()
        os.nice(10)
        behaviour(hub, device)

    process = multiprocessing.Process(target=run)
    process.start()
    time.sleep(1)
    try:
        if not process.is_alive():
            raise RuntimeError(f"{behaviour.__name__} ended by itself")
        yield
    finally:
        os.killpg(process.pid, 9)
        process.join()


NEIGHBOURS = [("nobody", None), ("telemetry as fast as it can", hot_telemetry), ("sends to a full queue", refused),
              ("never reads", silent), ("never acknowledges, sent more", unsettled), ("nobody, again", None)]


def neighbours(lab):
    table = Table("50 devices get 500 messages a second together; beside them one that", "neighbour")
    with lab.hub(1_000, others=[f"hot{i}" for i in range(len(NEIGHBOURS))]) as hub:
        for number, (name, behaviour) in enumerate(NEIGHBOURS):
            with neighbour(hub, behaviour, "hot0" if behaviour is hot_telemetry else f"hot{number}") if behaviour else nullcontext():
                figures = w.w2(hub.load, hub.peer, "--devices", 50, "--rate", 500)
            row = {f"{key} ms": figures[f"e2e_{key}_us"] / 1000 for key in ("p50", "p99", "max")}
            table.add(name, row if behaviour else {**row, "cores in other use": figures["other_cpu"]})
    alone = [row for row, (_, behaviour) in zip(table.rows.values(), NEIGHBOURS) if not behaviour]
    busy, p99 = max(row["cores in other use"] for row in alone) > BUSY, max(row["p99 ms"] for row in alone)
    for label, row in table.rows.items():
        if row not in alone:
            more = row["p99 ms"] - p99
            table.judge(f"{label}: p99 {more:+.2f} ms, <= {NEIGHBOUR_MS}", None if busy else more <= NEIGHBOUR_MS)
    yield table
