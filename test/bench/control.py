# SPDX-License-Identifier: Apache-2.0
"""Section "control": how fast what a user asked for reaches the hosts, how many hosts one controller holds, and what a crash costs."""

import http.client
import json
import os
import queue
import random
import socket
import ssl
import statistics
import subprocess
import threading
import time

import packet
from controller import Controller
from contenders import tool
from lab import Lab, TimedOut, end_process, wait_until
from report import Row
from vpc import Guest, Vpc

SECTION = "control"
HOSTS, INTERFACES, SESSIONS = 1000, 10_000, 10_000
CONCURRENT = 16
RULES = 10_000
FIRST_COPIES = 100
TRAFFIC_PER_SECOND = 5000
LIST_PAGES = 30
CHANGES = 20
CRASHES = 50
ETH_P_ALL = 3


def row(name, samples, unit, bar="", note=""):
    return Row(SECTION, name, list(samples), unit, bar, note)


def percentile(samples, share):
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * share))]


def first_copy(_):
    """From the acknowledgement of a new session to its first copy, through controller, agent and data plane."""
    took_ms = []
    with Lab() as lab:
        vpc = Vpc(lab)
        host = vpc.add_host("A", "172.31.0.1")
        guest = Guest(vpc, "web", "10.0.0.1")
        host.guest(guest, "v1")
        controller = vpc.start_controller()
        vpc.describe([(guest, host, "v1")])
        host.start_agent()
        controller.vtap("target", "create", "--name", "ids", "--address", "172.31.0.9")
        target = controller.shown("target", "show", "ids")["id"]
        interface = controller.shown("interface", "show", "web")["id"]
        api = controller.client()
        guest.namespace.neighbour("10.0.0.9", "02:00:00:00:99:99", "eth0")
        sender = guest.namespace.spawn([tool("udp-send"), "10.0.0.9", "9", "64", str(1 << 40), str(TRAFFIC_PER_SECOND)])
        with vpc.collector.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as seen:
            seen.settimeout(10)
            seen.bind(("uC", ETH_P_ALL))
            for vni in range(1, FIRST_COPIES + 1):
                session = api.post("/v1/sessions", {"mode": "copy", "sources": [interface], "target": target,
                                                    "encapsulation": {"vni": vni}})
                acknowledged = time.perf_counter()
                while (copy := packet.parse_vxlan(seen.recv(4096))) is None or copy.vni != vni:
                    pass
                took_ms.append((time.perf_counter() - acknowledged) * 1000)
                api.delete(f"/v1/sessions/{session['id']}")
        end_process(sender)
    return [row("session created -> first copy, median", [statistics.median(took_ms)], "ms", "< 100"),
            row("session created -> first copy, 99th percentile", [percentile(took_ms, 0.99)], "ms", "< 300")]


class Agents:
    """The agents of many hosts in one process; what they say, with the time."""

    def __init__(self, lab, url, tokens):
        self.process = lab.spawn([tool("agents"), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        with self.process.stdin as pipe:
            pipe.write("".join(token + "\n" for token in tokens))

    def _read(self):
        for line in self.process.stdout:
            kind, time_ns, *rest = line.split(maxsplit=4)
            self.events.put((kind, int(time_ns) / 1e9, rest))

    def wait(self, kind, hosts, timeout_s):
        """Until each of these hosts has said it; returns {host: (seconds on the monotonic clock, rest)}, of the last time."""
        found, deadline = {}, time.monotonic() + timeout_s
        while not hosts <= found.keys():
            try:
                what, when, rest = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimedOut(f"{len(hosts - found.keys())} of {len(hosts)} hosts did not say {kind} in {timeout_s} s") from None
            if what == kind:
                found[rest[0]] = (when, rest[1:])
        return found

    def drain(self):
        """What has been said since the last call, without waiting."""
        events = []
        while not self.events.empty():
            events.append(self.events.get())
        return events


def authority_path(controller):
    return os.path.join(controller.folder, "authority.pem")


def posted(controller, method, path, lines):
    """(answers, seconds) of many requests, CONCURRENT at a time."""
    done = subprocess.run([tool("post"), controller.url, method, path, str(CONCURRENT)], input="\n".join(lines) + "\n", text=True,
                          capture_output=True, check=True, env={**os.environ, "VTAP_ACCESS_KEY_ID": controller.key[0], "VTAP_SECRET_ACCESS_KEY": controller.key[1],
                               "VTAP_CA_FILE": authority_path(controller)})
    return [json.loads(line) for line in done.stdout.splitlines()], float(done.stderr.split()[1])


class Site:
    """A controller by TLS, its hosts with their agents, interfaces and one target."""

    def __init__(self, lab):
        self.controller = Controller(options=["--certificate", "auto"])
        lab.on_exit(self.controller.close)
        context = self.controller.authority()
        with open(authority_path(self.controller), "w") as out:
            out.write(ssl.DER_cert_to_PEM_cert(context.get_ca_certs(binary_form=True)[0]))
        api = self.api = self.controller.client(context=context)
        hosts, _ = posted(self.controller, "POST", "/v1/hosts", [
            json.dumps({"name": f"h{number}", "underlay_address": f"172.16.{number // 250}.{number % 250 + 1}"})
            for number in range(HOSTS)])
        self.hosts = [host["id"] for host in hosts]
        tokens, _ = posted(self.controller, "POST", "/v1/hosts/{}/token", self.hosts)
        interfaces, _ = posted(self.controller, "POST", "/v1/interfaces", [
            json.dumps({"name": f"i{number}", "host": self.hosts[number % HOSTS], "device": f"tap{number // HOSTS}"})
            for number in range(INTERFACES)])
        self.interfaces = [interface["id"] for interface in interfaces]
        self.target = api.post("/v1/targets", {"name": "ids", "address": "172.31.0.9"})["id"]
        self.agents = Agents(lab, self.controller.url, [token["token"] for token in tokens])
        self.agents.wait("ack", set(self.hosts), 120)

    def session(self, number, **keys):
        return {"name": f"s{number}", "mode": "copy", "sources": [self.interfaces[number]], "target": self.target,
                "encapsulation": {"vni": number + 1}, **keys}


def pages(site):
    """Milliseconds from the request to the last byte of one page, for each kind of list."""
    took_ms = []
    for path in ("/v1/sessions", "/v1/sessions?sort=-name", "/v1/sessions?target=ids&limit=1000", "/v1/interfaces?host=h7",
                 "/v1/interfaces?sort=name&limit=1000"):
        for _ in range(LIST_PAGES // 5):
            began = time.perf_counter()
            answer = site.api.request("GET", path)
            took_ms.append((time.perf_counter() - began) * 1000)
            assert answer.status == 200, answer.text
    return took_ms


def changes(site, sessions):
    """Milliseconds from one session's change to its host's acknowledgement, and how many other hosts heard of it."""
    took_ms, others = [], 0
    for number in random.sample(range(SESSIONS), CHANGES):
        site.agents.drain()
        host = site.hosts[number % HOSTS]
        began = time.monotonic()
        site.api.patch(f"/v1/sessions/{sessions[number]}", {"packet_length": 100 + number % 100})
        took_ms.append((site.agents.wait("ack", {host}, 10)[host][0] - began) * 1000)
        others += sum(kind == "ack" and rest[0] != host for kind, _, rest in site.agents.drain())
    return took_ms, others


def rule(number):
    return {"direction": "in", "number": number, "protocol": "tcp", "source": f"10.{number >> 8}.{number & 255}.0/24",
            "destination_ports": f"{number}"}


def big_filter(site):
    """Seconds from the edit of one rule among many to the acknowledgement of every host that uses the filter."""
    api = site.api
    found = api.post("/v1/filters", {"name": "big"})["id"]
    api.put(f"/v1/filters/{found}/rules", {"rules": [rule(number) for number in range(1, RULES + 1)]})
    site.agents.drain()
    posted(site.controller, "POST", "/v1/sessions", [
        json.dumps(site.session(number, name=f"big{number}", filter=found)) for number in range(HOSTS)])
    site.agents.wait("ack", set(site.hosts), 300)
    wait_until(lambda: not site.agents.drain(), 60, "the agents to be quiet", 1)
    edited = api.get(f"/v1/filters/{found}/rules?limit=1")["items"][0]["id"]
    began = time.monotonic()
    api.patch(f"/v1/rules/{edited}", {"action": "reject"})
    acknowledged = site.agents.wait("ack", set(site.hosts), 60)
    return max(when for when, _ in acknowledged.values()) - began


def scale(_):
    """One controller with a thousand hosts."""
    with Lab() as lab:
        site = Site(lab)
        created, took_s = posted(site.controller, "POST", "/v1/sessions",
                                 [json.dumps(site.session(number)) for number in range(SESSIONS)])
        wait_until(lambda: not site.agents.drain(), 120, "the agents to be quiet", 1)
        rows = [row(f"sessions created through the API, {SESSIONS} over {HOSTS} hosts", [SESSIONS / took_s], "1/s", ">= 500")]
        rows.append(row("a page of a list", [percentile(pages(site), 0.99)], "ms", "< 50"))
        took_ms, others = changes(site, [session["id"] for session in created])
        rows.append(row("one change -> acknowledged by its host", [max(took_ms)], "ms", "< 200"))
        rows.append(row("other hosts that heard of it", [others], "hosts", "= 0"))
        rows.append(row(f"one of {RULES} rules edited -> acknowledged by {HOSTS} hosts", [big_filter(site)], "s", "< 3"))
        rows.append(row("resident memory of vtapd", [site.controller.memory_bytes() / 1e6], "MB", "< 300"))
        site.agents.drain()
        began = time.monotonic()
        site.controller.kill()
        site.controller.start()
        back = site.agents.wait("back", set(site.hosts), 60)
        rows.append(row(f"vtapd killed and restarted -> {HOSTS} agents are back", [max(when for when, _ in back.values()) - began],
                        "s", "< 10"))
    return rows


def crashes(_):
    """vtapd is killed at random moments under writes; everything that it acknowledged must be there."""
    acknowledged, lost, half = {}, 0, 0
    with Lab() as lab:
        controller = Controller()
        lab.on_exit(controller.close)
        for crash in range(CRASHES):
            stop = threading.Event()

            def write(crash=crash):
                api, number = controller.client(), 0
                while not stop.is_set():
                    name = f"t{crash}-{number}"
                    try:
                        acknowledged[name] = api.post("/v1/targets", {"name": name, "address": "172.31.0.9"})["id"]
                    except (OSError, http.client.HTTPException):
                        return
                    number += 1
            writer = threading.Thread(target=write)
            writer.start()
            time.sleep(random.uniform(0.02, 0.3))  # the moment of the crash is the experiment
            controller.kill()
            stop.set()
            writer.join()
            controller.start()
        found = {target["name"]: target for target in controller.client().all("/v1/targets")}
        lost = sum(name not in found or found[name]["id"] != id for name, id in acknowledged.items())
        half = sum(target["address"] != "172.31.0.9" for target in found.values())
    return [row(f"acknowledged writes lost in {CRASHES} crashes, of {len(acknowledged)}", [lost], "writes", "= 0"),
            row("half-written objects found", [half], "objects", "= 0")]


PARTS = (first_copy, scale, crashes)
