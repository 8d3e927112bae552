"""The servers that are compared: how each is started, and how the generator reaches it."""
import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
import urllib.parse

from load import PROGRAMS, ROOT, Failed

STORM = 10000  # devices that W5 connects at most
HUB = "localhost"
OWNER_KEY = "aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI="
DEVICE_KEY = base64.b64encode(b"k" * 32).decode()
ACTIVEMQ, MQTT_CLIENT_JAR = "/usr/share/activemq/lib", "/usr/share/java/mqtt-client.jar"
NPM = {"aedes": "aedes@1.2.0", "azurite_m": "azurite@3.35.0"}
os.environ["PATH"] += os.pathsep + "/usr/sbin"  # where Debian has mosquitto and nginx


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


def certificate(folder, name, *key):
    """Signed by itself: nobody checks it here."""
    path = os.path.join(folder, name)
    if not os.path.exists(f"{path}.crt"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-keyout", f"{path}.key", "-out", f"{path}.crt",
                        "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, capture_output=True)


def configure(work):
    """Certificates, and the files of bench/peers with the name of the scratch folder in them."""
    tls, folder, source = os.path.join(work, "tls"), os.path.join(work, "peer"), os.path.join(ROOT, "bench/peers")
    for path in (tls, os.path.join(folder, "nginx"), os.path.join(folder, "rabbitmq")):
        os.makedirs(path, exist_ok=True)
    certificate(tls, "rsa", "rsa:2048")
    certificate(tls, "ec", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    subprocess.run(["openssl", "pkcs12", "-export", "-in", "ec.crt", "-inkey", "ec.key", "-out", "ec.p12", "-passout", "pass:changeit"],
                   cwd=tls, check=True)
    for name in os.listdir(source):
        with open(os.path.join(source, name), encoding="utf-8") as text, open(os.path.join(folder, name), "w", encoding="utf-8") as out:
            out.write(string.Template(text.read()).substitute(work=work))


def npm_module(work, peer):
    """Where npm puts the peer's package."""
    return os.path.join(work, peer, "node_modules", NPM[peer].split("@")[0])


def others(work):
    """The peers of the emulator."""
    configure(work)
    tls, aedes, azurite = os.path.join(work, "tls"), npm_module(work, "aedes"), npm_module(work, "azurite_m")

    def configuration(name):
        return os.path.join(work, "peer", name)

    def ours(name):
        return os.path.join(PROGRAMS, name)

    def debian(name):
        return shutil.which(name) or name

    floor = {"mqtt": 21883, "mqtts": 28883, "amqp": 25672, "events": 25673, "http": 28080, "https": 28443}
    nats = Peer("nats", [debian("nats-server"), "-c", configuration("nats.conf")], {"mqtt": 51883}, warm=1)
    # What devices had not acknowledged when it was stopped would come first, and nothing else after it.
    nats.before = lambda: shutil.rmtree(os.path.join(work, "peer/nats"), ignore_errors=True)
    return [
        Peer("floor", [ours("floor"), *(word for name, port in floor.items() for word in (f"--{name}", str(port))),
                       "--cert", os.path.join(tls, "ec.crt"), "--key", os.path.join(tls, "ec.key")],
             floor, send=["--addr", "/messages/devicebound", "--to", "{id}"], receive=["--source", "{id}"]),
        Peer("mosquitto", [debian("mosquitto"), "-c", configuration("mosquitto.conf")], {"mqtt": 31883, "mqtts": 38883}),
        nats,
        Peer("nats_tls", [debian("nats-server"), "-c", configuration("nats_tls.conf")], {"mqtts": 58883}, warm=1),
        Peer("rabbit", ["bash", configuration("rabbitmq.sh")], {"mqtt": 41883, "mqtts": 48883, "amqp": 45672}, warm=3,
             needs=("rabbitmq-server",), send=["--addr", "/queue/{id}"], receive=["--source", "/queue/{id}"]),
        # Debian's ActiveMQ leaves the library out that its MQTT is written on.
        Peer("activemq", ["java", "-Xmx1g", "-cp", f"{ACTIVEMQ}/*:{ACTIVEMQ}/optional/*:{MQTT_CLIENT_JAR}",
                          "org.apache.activemq.console.Main", "start", f"xbean:file:{configuration('activemq.xml')}"],
             {"mqtt": 61883, "mqtts": 62883}, warm=6, needs=("java", ACTIVEMQ, MQTT_CLIENT_JAR)),
        Peer("aedes", ["node", configuration("aedes.js")], {"mqtt": 32883, "mqtts": 33883}, warm=3, needs=("node", aedes)),
        Peer("proton", [ours("proton_broker"), "-a", "127.0.0.1:35672"], {"amqp": 35672}, send=["--addr", "{id}"], receive=["--source", "{id}"]),
        Peer("azurite_m", ["node", os.path.join(azurite, "dist/src/queue/main.js"), "--queueHost", "127.0.0.1",
                           "--queuePort", "10001", "--silent", "--disableTelemetry", "--inMemoryPersistence"],
             {"http": 10001}, warm=3, needs=("node", azurite)),
        Peer("nginx", [debian("nginx"), "-c", configuration("nginx.conf")], {"http": 28081, "https": 28444}),
        Peer("beast", [ours("beast_hello"), "28082"], {"http": 28082}),
    ]
