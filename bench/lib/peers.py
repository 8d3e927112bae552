"""The servers that are compared: how each is started, and how the generator reaches it."""
import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

from load import Failed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STORM = 10000  # devices that W5 connects at most
HUB = "localhost"
OWNER_KEY = "aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI="
DEVICE_KEY = base64.b64encode(b"k" * 32).decode()
MQTT_CLIENT_JAR = "/usr/share/java/mqtt-client.jar"
NPM = {"aedes": "aedes@1.2.0", "azurite": "azurite@3.35.0"}


class Peer:
    """`ports`: of mqtt, mqtts, amqp, http, https, those that it serves. `send`, `receive`, `login`: the
    generator's arguments for an AMQP sender, an AMQP receiver and an MQTT client. `needs`: the commands and files
    without which it cannot be started."""

    def __init__(self, name, command, ports, login=(), send=(), receive=(), warm=0, needs=()):
        self.name, self.command, self.ports, self.warm = name, command, ports, warm
        self.login, self.send, self.receive = list(login), list(send), list(receive)
        self.needs = needs or (command[0],)
        self.before = lambda: None

    def port(self, protocol):
        return self.ports[protocol]

    def missing(self):
        """What keeps it from being started here, or None."""
        for need in self.needs:
            if not (os.path.exists(need) if os.sep in need else shutil.which(need)):
                return need
        return None

    def pinned(self, core):
        return ["taskset", "-c", core, *self.command]

    def start(self, core, work):
        for port in filter(listening, self.ports.values()):
            sys.exit(f"{self.name} needs port {port}, which another program has")
        self.before()
        log = open(os.path.join(work, f"{self.name}.log"), "w", encoding="utf-8")
        process = subprocess.Popen(self.pinned(core), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 60
        for port in self.ports.values():
            while not listening(port):
                if process.poll() is not None or time.monotonic() > end:
                    stop(process)
                    raise Failed(f"{self.name} does not listen on {port}; see {log.name}")
                time.sleep(0.05)
        return process


def listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(process):
    """Ends it with its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def token(resource, key, policy=None):
    until = str(int(time.time()) + 86400)
    mac = hmac.new(base64.b64decode(key), f"{resource}\n{until}".encode(), hashlib.sha256).digest()
    sig = urllib.parse.quote(base64.b64encode(mac).decode(), safe="")
    return f"SharedAccessSignature sr={resource}&sig={sig}&se={until}" + (f"&skn={policy}" if policy else "")


def seed(path, ids):
    with open(path, "w", encoding="ascii") as out:
        json.dump({"devices": [{"id": i, "primaryKey": DEVICE_KEY, "secondaryKey": DEVICE_KEY} for i in ids]}, out)
    return path


def emulator(program, work, name="emulator", devices=STORM, more=(), others=()):
    """TLS listeners too, on free ports where no workload uses them: it runs as shipped, all front ends up.
    Registered are dev0, dev1, ... and the `others`."""
    if not os.access(program, os.X_OK):
        sys.exit(f"no emulator at {program}: scripts/build release")
    ids = seed(os.path.join(work, f"seed-{devices}.json"), [f"dev{i}" for i in range(devices)] + ["probe", *others])
    ports = {"mqtt": 22883, "amqp": 22672, "mqtts": 22884, "http": 22080, "https": 22443, "amqps": 22671, "control": 22940}
    command = [program, "--tls-dir", os.path.join(work, "tls"), "--seed", ids,
               "--log-level", "warn", *more]
    for protocol, port in ports.items():
        command += [f"--{protocol}-port", str(port)]
    return Peer(
        name, command, ports,
        login=["--user", f"{HUB}/{{id}}/?api-version=2021-04-12", "--sas-key", DEVICE_KEY, "--sas-resource", f"{HUB}/devices/{{id}}"],
        send=["--send-user", f"iothubowner@sas.root.{HUB}", "--send-sas-key", OWNER_KEY, "--send-sas-resource", HUB,
              "--send-sas-policy", "iothubowner", "--addr", "/messages/devicebound", "--to", "/devices/{id}/messages/devicebound"],
        receive=["--recv-user", f"{{id}}@sas.{HUB}", "--recv-sas-key", DEVICE_KEY,
                 "--recv-sas-resource", f"{HUB}/devices/{{id}}", "--source", "/devices/{id}/messages/devicebound"])


def durable(program, work):
    """The emulator with --data: what is answered is on disk."""
    data = os.path.join(work, "data")
    peer = emulator(program, work, "emulator --data", 100, ["--data", data])
    peer.before = lambda: shutil.rmtree(data, ignore_errors=True)
    return peer


class Others:
    """Peers whose configurations and command lines peers.sh of `perf` knows."""

    def __init__(self, perf, work):
        self.script, self.env = os.path.join(perf, "peers.sh"), {**os.environ, "W": work}
        for folder in NPM:
            os.makedirs(os.path.join(work, folder), exist_ok=True)
        self.run("prepare")
        # Debian's ActiveMQ leaves the library out that its MQTT is written on; peers.sh looks for it there.
        extra = os.path.join(work, "activemq-extra")
        os.makedirs(extra, exist_ok=True)
        if not os.path.lexists(link := os.path.join(extra, "mqtt-client.jar")):
            os.symlink(MQTT_CLIENT_JAR, link)

    def run(self, *arguments):
        return subprocess.run(["bash", self.script, *arguments], env=self.env, check=True, capture_output=True, text=True).stdout

    def peer(self, name, **more):
        return Peer(name, self.run("cmd", name).split(), **more)

    def all(self, work):
        c2d = ["--addr", "/messages/devicebound", "--to", "{id}"]
        modules = {name: os.path.join(work, name, "node_modules", name) for name in NPM}
        nats = self.peer("nats", ports={"mqtt": 51883}, warm=1)
        # What devices had not acknowledged when it was stopped would come first, and nothing else after it.
        nats.before = lambda: shutil.rmtree(os.path.join(work, "peer/nats/js"), ignore_errors=True)
        return [
            self.peer("floor", ports={"mqtt": 21883, "mqtts": 28883, "amqp": 25672, "http": 28080, "https": 28443},
                      send=c2d, receive=["--source", "{id}"]),
            self.peer("mosquitto", ports={"mqtt": 31883, "mqtts": 38883}),
            nats,
            self.peer("nats_tls", ports={"mqtts": 58883}, warm=1),
            self.peer("rabbit", ports={"mqtt": 41883, "mqtts": 48883, "amqp": 45672}, warm=3, needs=("rabbitmq-server",),
                      send=["--addr", "/queue/{id}"], receive=["--source", "/queue/{id}"]),
            self.peer("activemq", ports={"mqtt": 61883, "mqtts": 62883}, warm=6, needs=("/usr/share/activemq/lib", MQTT_CLIENT_JAR)),
            self.peer("aedes", ports={"mqtt": 32883, "mqtts": 33883}, warm=3, needs=(modules["aedes"],)),
            self.peer("proton", ports={"amqp": 35672}, send=["--addr", "{id}"], receive=["--source", "{id}"]),
            self.peer("azurite_m", ports={"http": 10001}, warm=3, needs=(modules["azurite"],)),
            self.peer("nginx", ports={"http": 28081, "https": 28444}),
            self.peer("beast", ports={"http": 28082}),
        ]
