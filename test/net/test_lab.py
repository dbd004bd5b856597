# SPDX-License-Identifier: Apache-2.0
"""The lab itself, without an agent: what the other tests rely on holds on this kernel."""

import os
import signal
import subprocess
import sys

import agent
import packet
from capture import Capture, Tcpdump, tshark
from case import SMALL, Case, main
from lab import CommandFailed, Lab, TimedOut, remove_stale, run, wait_until
from traffic import RawSender, download, http_server, iperf3, number_of, numbered_udp, ping, segments

A, B = "10.0.0.1", "10.0.0.2"


def namespaces():
    return run(["ip", "netns", "list"]).stdout


class TwoHosts(Case):
    def setUp(self):
        self.lab = self.enterContext(Lab())
        self.a, self.b = self.lab.namespace("a"), self.lab.namespace("b", ipv6=True)
        self.lab.veth(self.a, "va", self.b, "vb")
        self.a.address("va", A + "/24")
        self.b.address("vb", B + "/24")
        self.a_mac, self.b_mac = self.a.mac("va"), self.b.mac("vb")

    def test_ping_is_captured_in_both_directions(self):
        with Capture(self.b, "vb", keep=lambda data: packet.parse(data).protocol == packet.ICMP) as capture:
            self.assertEqual(ping(self.a, B, count=3), 3)
        self.assertEqual([frame.direction for frame in capture.frames], ["in", "out"] * 3)
        self.assertAll(capture.frames, lambda frame: packet.parse(frame.data).l4_checksum_ok, "ICMP checksum")
        self.assertEqual(capture.lost, 0)

    def test_raw_frames_arrive_as_they_were(self):
        count = 200 if SMALL else 20000
        frames = list(numbered_udp(count, self.a_mac, self.b_mac, A, B))
        with Capture(self.b, "vb", direction="in", keep=lambda data: data[14] == 0x45) as capture, \
                RawSender(self.a, "va") as sender:
            sender.send(*frames)
            capture.wait(count)
        self.assertEqual([number_of(frame.data) for frame in capture.frames], list(range(count)))
        self.assertEqual([frame.data for frame in capture.frames], frames)

    def test_tags_are_put_back(self):
        inner = packet.ipv4(packet.udp(b"x" * 40, A, B, 1, 2), A, B, packet.UDP)
        sent = [packet.ethernet(inner, self.a_mac, self.b_mac, vlans=tags) for tags in ([], [5], [7, 5], [0x6005])]
        with Capture(self.b, "vb", direction="in", keep=lambda data: data[12:14] != b"\x08\x06") as capture, \
                RawSender(self.a, "va") as sender:
            sender.send(*sent)
            capture.wait(len(sent))
        self.assertEqual([frame.data for frame in capture.frames], sent)

    def test_partial_checksum_and_super_packet(self):
        """A veth hands both over as they are; behind a cable without offloads the kernel has finished them."""
        payload = os.urandom(4000)
        plain = packet.ethernet(packet.ipv4(packet.udp(payload[:99], A, B, 1, 2), A, B, packet.UDP), self.a_mac, self.b_mac)
        large = packet.ethernet(packet.ipv4(packet.tcp(payload, A, B, 1, 2, "PA"), A, B, packet.TCP), self.a_mac, self.b_mac)
        keep = (lambda data: packet.parse(data).dport == 2)
        with Capture(self.b, "vb", direction="in", keep=keep) as capture, RawSender(self.a, "va") as sender:
            sender.send_partial(plain)
            sender.send_super(large, 1460)
            partial, whole = capture.wait(2)
            self.assertTrue(partial.partial and whole.partial)
            self.assertIs(packet.parse(partial.data).l4_checksum_ok, False)
            self.assertEqual(len(whole.data), len(large))
            self.a.offload("va", tx=False, tso=False)
            sender.send_partial(plain)
            sender.send_super(large, 1460)
            finished = [frame.data for frame in capture.wait(6)[2:]]
        self.assertEqual(finished, [plain, *segments(large, 1460)])

    def test_ipv6_neighbours(self):
        # The side without IPv6 is switched on late, which also shows that ipv6=False kept it silent.
        self.assertNotIn("inet6", self.a.ip("address show dev va"))
        self.a.sysctl({"net.ipv6.conf.all.disable_ipv6": 0})
        self.a.address("va", "2001:db8::1/64")
        self.b.address("vb", "2001:db8::2/64")
        self.assertEqual(ping(self.a, "2001:db8::2", count=2), 2)

    def test_real_tools(self):
        """HTTP through curl, seen by tcpdump and decoded by tshark; iperf3 moves bytes."""
        web = self.lab.path("web")
        os.mkdir(web)
        with open(os.path.join(web, "page"), "wb") as page:
            page.write(os.urandom(100_000))
        http_server(self.b, web)
        dump = Tcpdump(self.a, "va", "tcp port 80")
        download(self.a, f"http://{B}/page", self.lab.path("got"))
        wait_until(lambda: b"GET /page" in b"".join(data for _, data in dump.frames()), 10, "the request in the file")
        dump.stop()
        with open(os.path.join(web, "page"), "rb") as page, open(self.lab.path("got"), "rb") as got:
            self.assertEqual(page.read(), got.read())
        self.assertEqual(tshark(dump.path, ["ip.src", "http.request.uri"], "http.request"), [[A, "/page"]])
        result = iperf3(self.b, self.a, B, seconds=1)
        self.assertGreater(result["end"]["sum_received"]["bytes"], 100_000)


class Cleaning(Case):
    SCRIPT = """
import sys, time
from lab import Lab
with Lab() as lab:
    a = lab.namespace("a")
    child = a.spawn(["sleep", "1000"])
    print(lab.tmp, lab.bpffs("pins"), child.pid, flush=True)
    time.sleep(1000)
"""

    def start(self):
        process = subprocess.Popen([sys.executable, "-c", self.SCRIPT], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        directory, pins, child = process.stdout.readline().split()
        self.assertIn(f"vtap-{process.pid}-0-a", namespaces())
        self.assertTrue(os.path.ismount(pins))
        return process, directory, child

    def assert_gone(self, process, directory, child):
        self.assertNotIn(f"vtap-{process.pid}-", namespaces())
        self.assertFalse(os.path.exists(directory))
        wait_until(lambda: not os.path.exists(f"/proc/{child}"), 5, "the spawned process to end")

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                process, *made = self.start()
                process.send_signal(number)
                process.wait(20)
                self.assert_gone(process, *made)

    def test_killed_lab_is_cleaned_up_by_the_next(self):
        process, *made = self.start()
        process.kill()
        process.wait()
        remove_stale()
        self.assert_gone(process, *made)

    def test_exception(self):
        with self.assertRaises(ZeroDivisionError), Lab() as lab:
            prefix = lab.prefix
            lab.namespace("a")
            raise ZeroDivisionError
        self.assertNotIn(prefix, namespaces())

    def test_wait_until_names_what_it_awaited(self):
        with self.assertRaisesRegex(TimedOut, "the impossible"):
            wait_until(lambda: False, 0.05, "the impossible")


class StandIn(Case):
    """What drives the agent, with a program in its place that speaks like it."""

    PROGRAM = """#!/usr/bin/python3 -B
import json, os, signal, socket, sys
arguments = sys.argv[1:]
value = lambda name: arguments[arguments.index(name) + 1]
if "--status" in arguments:
    print(json.dumps({"pins": os.listdir(value("--pin-dir")), "state": value("--state-dir")}))
    sys.exit(0)
if "--check" in arguments:
    sys.exit(0 if "good" in open(value("--config")).read() else 2)
notify = lambda text: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text, os.environ["NOTIFY_SOCKET"])
if "bad" in open(value("--config")).read():
    sys.exit("line 1: bad")
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
os.makedirs(value("--pin-dir") + "/maps", exist_ok=True)
notify(b"READY=1\\nSTATUS=fine")
while signal.sigwait({signal.SIGHUP, signal.SIGTERM}) == signal.SIGHUP:
    notify(b"RELOADING=1")
    notify(b"READY=1")
"""

    def setUp(self):
        self.lab = self.enterContext(Lab())
        program = self.lab.path("program")
        with open(program, "w") as out:
            out.write(self.PROGRAM)
        os.chmod(program, 0o755)
        real, agent.PROGRAM = agent.PROGRAM, program
        self.addCleanup(setattr, agent, "PROGRAM", real)
        self.host = self.lab.namespace("host")

    def test_life(self):
        subject = agent.Agent(self.host, {"good": 1}).start()
        self.assertGreater(subject.memory_bytes(), 1 << 20)
        self.assertEqual(subject.wait_status(lambda status: status["pins"])["pins"], ["maps"])
        self.assertEqual(subject.status()["state"], subject.state_dir)
        for _ in range(3):
            self.assertEqual(subject.reload({"good": 2}), ["RELOADING=1", "READY=1"])
        subject.stop()
        self.assertEqual(subject.start().status()["pins"], ["maps"])
        subject.kill9()
        self.assertEqual(subject.start().status()["pins"], ["maps"])
        self.assertEqual([subject.check(text).returncode for text in ("good", "else")], [0, 2])

    def test_failure_shows_the_agents_own_words(self):
        with self.assertRaisesRegex(CommandFailed, "line 1: bad"):
            agent.Agent(self.host, "bad").start()


main()
