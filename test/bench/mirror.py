# SPDX-License-Identifier: Apache-2.0
"""Section "mirror": what mirroring costs the traffic that is mirrored, and whether every packet of it is."""

import functools
import os
import socket
import time

import packet
from agent import Agent
from contenders import (COLLECTOR, SENDER_CPU, Bare, Contender, Program, TrafficControl, Vtap, configuration)
from lab import Lab, end_process, wait_until
from report import Row

SECTION = "mirror"
PACKETS = 50_000
ROUND_TRIPS = 8_000
THROUGHPUT_BYTES = 1 << 30
TRIES = 3
SENDERS = {"trafgen": "AF_PACKET", "udp": "UDP socket"}
ZERO_LOSS_PACKETS, ZERO_LOSS_RATE = 1_000_000, 100_000
RELOADS, RELOAD_RATE = 1000, 20_000
SESSIONS = 100
ETH_P_ALL = 3


def row(name, samples, unit, bar="", wrong=()):
    return Row(SECTION, name, list(samples), unit, bar, next(filter(None, wrong), ""))


def compared(rounds, names, measure, best=min):
    """
    {name: one figure for each round}: the best of TRIES runs of measure(name). The names take turns, each time in another
    order. Whatever else the machine does only ever makes a run worse, for seconds at a time: the best ones can be compared.
    """
    figures = {name: [] for name in names}
    for _ in range(rounds):
        tries = {name: [] for name in names}
        for number in range(TRIES):
            for position in range(len(names)):
                name = names[(position + number) % len(names)]
                tries[name].append(measure(name))
        for name in names:
            figures[name].append(best(tries[name]))
    return figures


def overhead(rounds):
    """Time per packet with each way to mirror, less the time without, by AF_PACKET and by a UDP socket."""
    with Lab() as lab:
        contenders = {"none": Contender(lab, "none"), "bare": Bare(lab, "bare"), "tc": TrafficControl(lab, "tc"),
                      "as_is": Vtap(lab, "as_is", checksum="as_is"), "complete": Vtap(lab, "complete")}
        took, wrong = {}, {(sender, name): [] for sender in SENDERS for name in contenders}

        def measure(sender, name):
            took_ns, what = contenders[name].measured(sender, PACKETS)
            wrong[sender, name].append(what)
            return took_ns
        for sender in SENDERS:
            for contender in contenders.values():
                contender.measured(sender, PACKETS // 10)
            took[sender] = compared(rounds, list(contenders), functools.partial(measure, sender))
    rows = []
    for sender, title in SENDERS.items():
        base = took[sender]["none"]
        rows.append(row(f"no mirroring, {title}, 256 B", base, "ns/packet"))
        added = {name: [with_it - without for with_it, without in zip(took[sender][name], base)] for name in contenders}
        for name, text in (("bare", "bare clone to the uplink"), ("tc", "tc u32 + mirred into vxlan"),
                           ("as_is", "vtap as_is"), ("complete", "vtap complete")):
            rows.append(row(f"added by {text}, {title}", added[name], "ns/packet", wrong=wrong[sender, name]))
        # trafgen's checksums are whole; a socket's are not, and "complete" has them completed.
        for name, rival, bar in (("as_is", "tc", "<= 0.8"), ("as_is", "bare", "<= 1.9"),
                                 ("complete", "tc", "<= 0.95"), ("complete", "bare", "<= 2.2")):
            rows.append(row(f"vtap {name} / {rival}, {title}", [a / b for a, b in zip(added[name], added[rival])], "ratio",
                            bar, wrong[sender, name] + wrong[sender, rival]))
    return rows


def throughput(rounds):
    """TCP through v1, as bits per second with mirroring in relation to those without in the same round."""
    plans = {  # "complete" sums up every byte besides: no bar there
        "full, as_is, uplink with tunnel TSO": (">= 0.9", {"checksum": "as_is"}, "all"),
        "full, as_is, uplink without tunnel TSO": (">= 0.45", {"checksum": "as_is"}, "no tunnel"),
        "full, complete, uplink without offloads": ("", {}, "none"),
        "full, complete, uplink with tunnel TSO": ("", {}, "all"),
        "128 B of each wire packet, as_is": (">= 0.3", {"packet_length": 128, "checksum": "as_is"}, "all"),
        "128 B of each wire packet, complete": (">= 0.3", {"packet_length": 128}, "all"),
    }
    with Lab() as lab:
        contenders = {"none": Contender(lab, "none"), "bare": Bare(lab, "bare"), "tc": TrafficControl(lab, "tc")}
        for index, (name, (_, session, offload)) in enumerate(plans.items()):
            contenders[name] = Vtap(lab, f"t{index}", offloads=offload, **session)
        rates = compared(rounds, list(contenders), lambda name: contenders[name].iperf3(THROUGHPUT_BYTES), max)
        wrong = {name: [contenders[name].lost()] for name in plans}
    rows = [row("TCP without mirroring", [rate / 1e9 for rate in rates["none"]], "Gbit/s")]
    for name, text, bar in (("bare", "full, bare clone, uplink with tunnel TSO", ""),
                            ("tc", "full, tc mirred, uplink with tunnel TSO", ""),
                            *((name, name, bar) for name, (bar, _, _) in plans.items())):
        ratios = [with_it / without for with_it, without in zip(rates[name], rates["none"])]
        rows.append(row(f"TCP with / without: {text}", ratios, "ratio", bar, wrong.get(name, ())))
    return rows


def round_trip(rounds):
    """One byte to and fro over TCP between guests of two hosts, one of them mirrored in both directions."""
    with Lab() as lab:
        contenders = {"none": Contender(lab, "none"), "bare clone": Bare(lab, "bare"), "tc mirred": TrafficControl(lab, "tc"),
                      "vtap as_is": Vtap(lab, "as_is", checksum="as_is"), "vtap complete": Vtap(lab, "complete")}
        peers = {name: contender.other_guest() for name, contender in contenders.items()}
        took = compared(rounds, list(contenders), lambda name: contenders[name].round_trips(peers[name], ROUND_TRIPS))
        wrong = {name: [contenders[name].lost()] for name in contenders if name.startswith("vtap")}
    rows = [row("TCP round trip without mirroring, median", [median / 1000 for median, _ in took["none"]], "us")]
    for name in list(contenders)[1:]:
        for index, statistic in enumerate(("median", "mean")):
            ratios = [with_it[index] / without[index] for with_it, without in zip(took[name], took["none"])]
            bar = "<= 1.1" if name.startswith("vtap") and statistic == "median" else ""
            rows.append(row(f"TCP round trip with / without, {statistic}: {name}", ratios, "ratio", bar, wrong.get(name, ())))
    return rows


def sent_by(process, lab):
    """How many datagrams a udp-send has sent that has come to its end."""
    return int(lab.log_of(process).split()[0])


def zero_loss(_):
    with Lab() as lab:
        vtap = Vtap(lab, "loss")
        sender = vtap.guest.spawn(["chrt", "--fifo", "1", *vtap.udp_argv(ZERO_LOSS_PACKETS, ZERO_LOSS_RATE)])
        sender.wait(120)
        sent = sent_by(sender, lab)
        vtap.lost()  # lets the last ones arrive; what is missing is told by the rows
        counters, arrived = vtap.counters(), vtap.collector.count()
        status = vtap.agent.status()
    named = status["sessions"][0]["lost"] + sum(device[key] for device in status["devices"] if device["role"] == "uplink"
                                                for key in ("tx_dropped", "queue_dropped"))
    title = f"{sent} packets at {ZERO_LOSS_RATE // 1000} 000/s, complete"
    return [row(f"matched / sent, {title}", [counters["matched_packets"] / sent], "ratio", "= 1"),
            row(f"copies received / sent, {title}", [arrived / sent], "ratio", "= 1"),
            row("copies that no counter accounts for", [sent - arrived - named], "packets", "= 0")]


def reloads(_):
    """One session stays as it is while the filter of another is replaced again and again under traffic."""
    def wanted(number):
        config = configuration({}, {"filter": "changing"})
        config["filters"] = [{"name": "changing", "rules": [
            {"direction": "out", "number": 10 + index, "action": "accept" if (number + index) % 2 else "reject",
             "protocol": "udp", "destination_ports": f"{1 + number % 1000}-{2000 + index}"} for index in range(4)]}]
        return config
    took_ms = []
    with Lab() as lab:
        vtap = Vtap(lab, "reload")
        vtap.agent.reload(wanted(0))
        before = vtap.counters()["matched_packets"]
        generation = vtap.agent.status()["agent"]["generation"]
        sender = vtap.guest.spawn(["chrt", "--fifo", "1", *vtap.udp_argv(1 << 40, RELOAD_RATE)])
        wait_until(lambda: vtap.counters()["matched_packets"] > before, 5, "the first packet")
        for number in range(1, RELOADS + 1):
            vtap.agent.write(wanted(number))
            start = time.perf_counter()
            vtap.agent.reload()
            took_ms.append((time.perf_counter() - start) * 1000)
        end_process(sender)
        sent = sent_by(sender, lab)

        def settled():
            counters = [vtap.counters(session) for session in (0, 1)]
            return sum(each["mirrored_packets"] for each in counters) == vtap.collector.count()
        wait_until(settled, 5, "every copy to arrive")
        counters = vtap.counters()
        applied = vtap.agent.status()["agent"]["generation"] - generation
    wrong = [f"only {applied} reloads were applied"] if applied < RELOADS else []
    return [row(f"reload of a filter, {RELOADS} times under {RELOAD_RATE // 1000} 000 packets/s", took_ms, "ms"),
            row(f"packets that an unchanged session missed meanwhile, of {sent}", [sent - counters["mirrored_packets"]],
                "packets", "= 0", wrong)]


def memory(_):
    with Lab() as lab:
        vtap = Vtap(lab, "memory")
        sources = [f"d{index}" for index in range(SESSIONS)]
        vtap.host.ip(*[f"link add {name} up type veth peer name {name}p" for name in sources])
        config = configuration(*[{"sources": [{"device": name, "side": "host"}], "filter": "web"} for name in sources])
        config["filters"] = [{"name": "web", "rules": [
            {"direction": direction, "number": 10, "action": "accept", "protocol": "tcp", "destination_ports": "80-443"}
            for direction in ("in", "out")]}]
        vtap.agent.reload(config)
        vtap.agent.wait_status(lambda status: [each["state"] for each in status["sessions"]] == ["active"] * SESSIONS)
        return [row(f"resident memory of the agent with {SESSIONS} sessions", [vtap.agent.memory_bytes() / 1e6], "MB", "< 30")]


def first_copy_s(contender, subject):
    """Seconds from the start of the agent to the first copy at the collector."""
    with contender.sink.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as seen:
        seen.settimeout(10)
        seen.bind(("uC", ETH_P_ALL))
        start = time.perf_counter()
        subject.start(wait=False)
        while packet.parse_vxlan(seen.recv(4096)) is None:
            pass
        took_s = time.perf_counter() - start
    subject.wait_notification("READY=1")
    return took_s


def start(rounds):
    """From nothing to the first copy, under traffic."""
    took_ms = []
    with Lab() as lab:
        contender = Contender(lab, "start")
        sender = contender.guest.spawn(contender.udp_argv(1 << 40, 2000))
        subject = Agent(contender.host, configuration({}))
        for _ in range(rounds):
            took_ms.append(first_copy_s(contender, subject) * 1000)
            subject.stop()
            subject.detach()
        end_process(sender)
    return [row("start of the agent to the first copy", took_ms, "ms", "< 300")]


PARTS = (overhead, throughput, round_trip, zero_loss, reloads, memory, start)
