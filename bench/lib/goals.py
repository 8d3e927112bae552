"""The workloads with their peers and goals. A goal is a `must` (ahead of every peer) or a `target` (the
distance to the floor server); both are ratios within one run, from the goal table of bench/anchors.md."""
from dataclasses import dataclass, field

import workloads as w


@dataclass
class Goal:
    kind: str  # must, target
    column: str
    limit: float  # the emulator's figure is at most this many times the least of `peers`; with none: at most this
    peers: list = field(default_factory=list)
    at_least: bool = False

    def by_the_clock(self):
        """Rates and times say nothing on a busy machine; CPU time and memory do."""
        return self.column in ("rate", "ms") or self.column.endswith(("p50_us", "p99_us"))

    def verdict(self, figures, us):
        """-> (pass | short | -, why)"""
        mine, others = figures.get(us, {}).get(self.column), [p for p in self.peers if self.column in figures.get(p, {})]
        if mine is None or (self.peers and not others):
            return "-", f"not run: {', '.join(self.peers)}" if self.peers else "no figure"
        if not self.peers:
            name, base = "", 1.0
        else:
            name = min(others, key=lambda p: figures[p][self.column])
            base = figures[name][self.column]
        if base == 0:
            return "-", f"{name} has 0: too small to be counted"
        ratio, sign = mine / base, ">=" if self.at_least else "<="
        met = ratio >= self.limit if self.at_least else ratio <= self.limit
        return "pass" if met else "short", f"{self.column} {ratio:.2f}{' x ' + name if name else ''}, {sign} {self.limit:g}"


def must(column, limit, *peers, **more):
    return Goal("must", column, limit, list(peers), **more)


def target(column, limit, *peers, **more):
    return Goal("target", column, limit, list(peers), **more)


@dataclass
class Workload:
    title: str
    run: object
    peers: list
    columns: list
    goals: list
    us: str = "emulator"


COUNTED = ["rate", "srv_us", "srv_sys_us", "x_floor", "gen_us"]
ACK = COUNTED + ["ack_p50_us", "ack_p99_us", "rss_mb"]
LATENCY = COUNTED + ["e2e_p50_us", "e2e_p99_us", "rss_mb"]
CYCLE = COUNTED + ["cycle_p50_us", "cycle_p99_us", "rss_mb"]
STORMED = COUNTED + ["conn_p50_us", "conn_p99_us", "kb_per_conn", "rss1_mb"]
MQTT = ["mosquitto", "nats", "rabbit", "activemq", "aedes"]
MQTTS = ["mosquitto", "nats_tls", "rabbit", "activemq", "aedes"]

WORKLOADS = {
    "W1": Workload("W1 plain_w10: MQTT telemetry, 100 clients, QoS 1, 10 in flight each", w.w1, ["floor", *MQTT, "emulator"], ACK,
                   [must("srv_us", 0.5, *MQTT), target("srv_us", 3.0, "floor")]),
    "W1_single": Workload("W1 plain_w1: the same, 1 in flight", w.w1_single, ["floor", *MQTT, "emulator"], ACK,
                          [must("srv_us", 0.8, *MQTT), target("srv_us", 1.4, "floor")]),
    "W1_tls": Workload("W1 tls_w10: 10 in flight, TLS 1.3, ECDSA P-256", w.w1_tls, ["floor", *MQTTS, "emulator"], ACK,
                       [must("srv_us", 0.5, *MQTTS), target("srv_us", 2.5, "floor")]),
    "W2": Workload("W2: C2D, one AMQP sender (window 100) to 100 MQTT devices (a broker without AMQP: MQTT sender)", w.w2,
                   ["floor", *MQTT, "emulator"], LATENCY,
                   [must("srv_us", 0.15, "rabbit"), must("srv_us", 0.75, "mosquitto", "nats", "activemq", "aedes"), target("srv_us", 2.0, "floor")]),
    "W2_100ps": Workload("W2 at 100 messages a second", w.at_100(w.w2), ["floor", "mosquitto", "rabbit", "emulator"], LATENCY,
                         [must("e2e_p50_us", 0.5, "rabbit"), must("e2e_p50_us", 1.3, "mosquitto"),
                          target("e2e_p50_us", 1.3, "floor"), target("e2e_p99_us", 2.0, "floor")]),
    "W3": Workload("W3: C2D, one AMQP sender (window 100) to 100 AMQP devices, explicit accept", w.w3, ["floor", "proton", "rabbit", "emulator"], LATENCY,
                   [must("srv_us", 0.5, "proton"), must("srv_us", 0.15, "rabbit"), target("srv_us", 2.0, "floor")]),
    "W3_100ps": Workload("W3 at 100 messages a second", w.at_100(w.w3), ["floor", "proton", "emulator"], LATENCY,
                         [must("e2e_p50_us", 0.8, "proton"), target("e2e_p50_us", 1.3, "floor")]),
    "W4": Workload("W4: POST, GET (lock), DELETE (complete) over 32 connections (floor, beast: three constant answers)", w.w4,
                   ["floor", "beast", "azurite_m", "emulator"], CYCLE, [must("srv_us", 0.1, "azurite_m"), target("srv_us", 1.6, "beast")]),
    "W4_tls": Workload("W4 over TLS 1.3 (floor, nginx: three constant answers)", w.w4_tls, ["floor", "nginx", "emulator"], CYCLE,
                       [target("srv_us", 1.7, "nginx")]),
    "W5": Workload("W5 plain: 10,000 MQTT connections, 64 at a time", w.w5, ["floor", "mosquitto", "emulator"], STORMED,
                   [must("srv_us", 0.9, "mosquitto"), must("kb_per_conn", 2.0), target("srv_us", 1.5, "floor"), target("kb_per_conn", 1.0, "mosquitto")]),
    "W5_tls": Workload("W5 tls13_ec: 2000 connections over TLS 1.3, ECDSA P-256", w.w5_tls, ["floor", "mosquitto", "emulator"], STORMED,
                       [must("srv_us", 0.9, "mosquitto"), must("kb_per_conn", 1.0, "mosquitto"), target("srv_us", 1.1, "floor"),
                        target("kb_per_conn", 1.05, "floor")]),
    "W6": Workload("W6 startup: exec to the first CONNACK, all front ends up; memory then and 2 s later", w.w6,
                   ["floor", "mosquitto", "nats", "emulator small"], ["ms", "min_ms", "cpu_ms", "x_floor", "rss_mb", "rss_settled_mb", "installed_mb"],
                   [must("ms", 0.95, "mosquitto"), must("rss_settled_mb", 1.0, "nats"), must("installed_mb", 1.0, "nats"),
                    target("ms", 1.25, "floor"), target("rss_settled_mb", 1.5, "floor"), target("installed_mb", 5.0)], us="emulator small"),
    "W7_mqtt": Workload("W7: W2 with --data, every message and settlement on disk before it is answered", w.w7_mqtt,
                        ["floor", "rabbit", "nats", "emulator --data"], LATENCY,
                        [must("srv_us", 0.15, "rabbit"), must("srv_us", 0.25, "nats"), must("rate", 6.0, "rabbit", at_least=True),
                         target("rate", 16000, at_least=True)], us="emulator --data"),
    "W7_amqp": Workload("W7: W3 with --data", w.w7_amqp, ["floor", "rabbit", "emulator --data"], LATENCY,
                        [must("srv_us", 0.15, "rabbit"), must("rate", 6.0, "rabbit", at_least=True), target("rate", 16000, at_least=True)],
                        us="emulator --data"),
}
