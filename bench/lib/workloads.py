"""What is asked of each peer: one function for each shape. `load` runs the generator once -> its figures."""
import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse

from peers import HUB, OWNER_KEY, token
from process import busy_seconds

DEVICES = 100


def w1(load, peer, *more, protocol="mqtt"):
    return load("pub", "--port", peer.port(protocol), "--clients", DEVICES, "--topic", "devices/{id}/messages/events/", *peer.login, *more)


def w1_single(load, peer):
    return w1(load, peer, "--window", 1)


def w1_tls(load, peer):
    return w1(load, peer, "--tls", "1.3", protocol="mqtts")


def w2(load, peer, *more):
    """From AMQP to MQTT. A broker without AMQP: the nearest shape, an MQTT publisher."""
    receive = ["--recv-port", peer.port("mqtt"), *peer.login, *more]
    if peer.name == "rabbit":
        send = ["--send-port", peer.port("amqp"), "--addr", "/exchange/amq.topic", "--subject", "devices.{id}.messages.devicebound"]
    elif "amqp" in peer.ports:
        send = ["--send-port", peer.port("amqp"), *peer.send]
    else:
        send = ["--send", "mqtt", "--send-port", peer.port("mqtt"), "--addr", "devices/{id}/messages/devicebound/x"]
    return load("c2d", *send, *receive)


def w3(load, peer, *more):
    return load("c2d", "--send-port", peer.port("amqp"), *peer.send, "--recv", "amqp", "--recv-port", peer.port("amqp"), *peer.receive, *more)


def at_100(workload):
    """Slow enough that nothing waits: latency."""
    return lambda load, peer: workload(load, peer, "--rate", 100)


def w7_mqtt(load, peer):
    return w2(load, peer, "--persistent", 1, "--durable", 1, "--id", "dev" if peer.name.startswith("emulator") else "pdev")


def w7_amqp(load, peer):
    return w3(load, peer, "--durable", 1, "--id", "dev" if peer.name.startswith("emulator") else "qdev")


def w4(load, peer, *more, protocol="http"):
    base = ["http", "--port", peer.port(protocol), *more]
    if peer.name == "azurite_m":
        return load(*base, "--steps", "post,get,del", "--query", azurite_query(), "--prepare", "/devstoreaccount1/{id}", "--id", "devq",
                    "--post", "/devstoreaccount1/{id}/messages",
                    "--get", "/devstoreaccount1/{id}/messages?numofmessages=1&visibilitytimeout=60",
                    "--del", "/devstoreaccount1/{id}/messages/{token}?popreceipt={receipt}",
                    "--body-prefix", "<QueueMessage><MessageText>", "--body-suffix", "</MessageText></QueueMessage>")
    if not peer.name.startswith("emulator"):  # a cycle is three constant answers
        return {key: value * 3 if key.endswith("_us") and key[:3] in ("srv", "gen") else value for key, value in load(*base).items()}
    version = "api-version=2021-04-12"
    queue = "/devices/dev0/messages/devicebound"  # one for all: the generator sends the same headers for each
    return load(*base, "--steps", "post,get,del", "--post", f"/messages/deviceBound?{version}", "--get", f"{queue}?{version}",
                "--del", f"{queue}/{{token}}?{version}",
                "--header", f"Authorization: {token(HUB, OWNER_KEY, 'iothubowner')}\r\niothub-to: {queue}")


def w4_tls(load, peer):
    return w4(load, peer, "--tls", "1.3", protocol="https")


def w5(load, peer, *more, protocol="mqtt", clients=10000):
    return load("storm", "--port", peer.port(protocol), "--clients", clients, *peer.login, *more)


def w5_tls(load, peer):
    return w5(load, peer, "--tls", "1.3", protocol="mqtts", clients=2000)


def w6(load, peer):
    """The generator starts it and waits for the first CONNACK. What it does not say: what others used meanwhile."""
    start, own, (busy, stolen) = time.monotonic(), sum(os.times()[:4]), busy_seconds()
    figures = load("startup", "--port", peer.port("mqtt"), *peer.login, "--", *peer.pinned(load.core))
    took, own, (busy_now, stolen_now) = time.monotonic() - start, sum(os.times()[:4]) - own, busy_seconds()
    return {**figures, "installed_mb": installed_mb(peer), "other_cpu": max(0, busy_now - busy - own) / took, "steal": (stolen_now - stolen) / took}


def installed_mb(peer):
    """The stripped executable, MiB: what a user must bring beside Debian's libraries."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "-o", out.name, shutil.which(peer.command[0])], check=True)
        return os.path.getsize(out.name) / 2**20


def azurite_query():
    """An account token for Azurite's well-known account."""
    account = "devstoreaccount1"
    key = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
    until, version = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400)), "2019-12-12"
    text = f"{account}\nrwdlacup\nq\nsco\n\n{until}\n\nhttp\n{version}\n"
    sig = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
    return urllib.parse.urlencode({"sv": version, "ss": "q", "srt": "sco", "sp": "rwdlacup", "se": until, "spr": "http", "sig": sig})
