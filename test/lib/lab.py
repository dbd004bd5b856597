# SPDX-License-Identifier: Apache-2.0
"""Network namespaces, cables, bridges and processes that are gone when the lab ends, however it ends.

    with Lab() as lab:
        a, b = lab.namespace("a"), lab.namespace("b")
        lab.veth(a, "va", b, "vb")
        a.address("va", "10.0.0.1/24")
        a.run(["ping", "-c1", "10.0.0.2"])

Everything is undone in the reverse order of its making: on a normal end, an exception, SIGINT and SIGTERM. What a killed
run left behind is removed when the next lab starts.
"""

import contextlib
import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

CLONE_NEWNET = 0x40000000
NETNS_DIR = "/run/netns"
PREFIX = "vtap-"
_libc = ctypes.CDLL(None, use_errno=True)
_lab_numbers = itertools.count()


class CommandFailed(Exception):
    pass


class TimedOut(AssertionError):
    pass


def wait_until(predicate, timeout_s, what, interval_s=0.02):
    """Polls until predicate() is true and returns its value; otherwise raises TimedOut, which names what was awaited."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimedOut(f"waited {timeout_s} s for {what() if callable(what) else what}; last value: {value!r}")
        time.sleep(interval_s)


def run(argv, check=True, timeout_s=120, **options):
    """Runs a command to its end; returns subprocess.CompletedProcess with text. A failure's text holds its output."""
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL if "input" not in options else None,
                          capture_output=True, text=True, timeout=timeout_s, **options)
    if check and done.returncode != 0:
        raise CommandFailed(f"{' '.join(map(str, argv))}: exit status {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
    return done


def end_process(process, signal_number=signal.SIGTERM, timeout_s=5):
    """Ends a child that may have ended already; one that ignores the signal is killed."""
    if process.poll() is None:
        process.send_signal(signal_number)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Namespace:
    """A network namespace; its loopback is up, and IPv6 only there if asked for (it talks by itself)."""

    def __init__(self, lab, label, ipv6):
        self.lab = lab
        self.label = label
        self.ipv6 = ipv6
        self.name = f"{lab.prefix}-{label}"
        self.path = f"{NETNS_DIR}/{self.name}"
        lab.on_exit(self.delete)  # before it exists, so that no signal comes between the two
        self.add()

    def __str__(self):
        return self.name

    def add(self):
        """Makes it; to be called again only after delete()."""
        run(["ip", "netns", "add", self.name])
        off = int(not self.ipv6)
        self.sysctl({"net.ipv6.conf.all.disable_ipv6": off, "net.ipv6.conf.default.disable_ipv6": off,
                     "net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.default.accept_dad": 0,
                     "net.ipv6.conf.default.router_solicitations": 0})
        self.ip("link set lo up")

    def delete(self):
        run(["ip", "netns", "delete", self.name], check=False)

    @contextlib.contextmanager
    def entered(self):
        """The calling thread stands in the namespace: sockets that it makes meanwhile stay there."""
        with open("/proc/thread-self/ns/net") as home, open(self.path) as there:
            _setns(there)
            try:
                yield
            finally:
                _setns(home)

    def socket(self, *arguments):
        with self.entered():
            return socket.socket(*arguments)

    def argv(self, argv):
        """The command line that runs argv in here. The mounts stay those of the caller, so that a bpffs is seen."""
        return ["nsenter", f"--net={self.path}", *map(str, argv)]

    def run(self, argv, **options):
        return run(self.argv(argv), **options)

    def spawn(self, argv, **options):
        return self.lab.spawn(self.argv(argv), **options)

    def ip(self, *commands):
        """Runs ip commands, each one string, in one go."""
        if len(commands) == 1:
            return run(["ip", "-n", self.name, *commands[0].split()]).stdout
        return run(["ip", "-n", self.name, "-batch", "-"], input="\n".join(commands) + "\n").stdout

    def ip_json(self, command):
        return json.loads(run(["ip", "-j", "-n", self.name, *command.split()]).stdout or "[]")

    def tc(self, command):
        return run(["tc", "-n", self.name, *command.split()]).stdout

    def sysctl(self, values):
        """values: name -> value. Names that this kernel does not have raise FileNotFoundError."""
        with self.entered():
            for name, value in values.items():
                with open("/proc/sys/" + name.replace(".", "/"), "w") as setting:
                    setting.write(str(value))

    def address(self, device, *prefixes):
        self.ip(*[f"address add {prefix} dev {device} {'nodad' if ':' in prefix else ''}" for prefix in prefixes])
        late = [prefix.split("/")[0] for prefix in prefixes if ":" in prefix]
        if late and "LOWER_UP" in self.ip_json(f"link show dev {device}")[0]["flags"]:
            wait_until(lambda: all(self.has_local_route(address) for address in late), 10, f"addresses {late} of {self}")

    def has_local_route(self, address):
        """An IPv6 address is solicited for, and answered, before the kernel takes packets for it: this route comes last."""
        return bool(self.ip_json(f"-6 route show table local {address} proto kernel"))

    def route(self, destination, via=None, dev=None, extra=""):
        words = f"{'-6 ' if ':' in destination + (via or '') else ''}route replace {destination}"
        self.ip(words + (f" via {via}" if via else "") + (f" dev {dev}" if dev else "") + f" {extra}")

    def neighbour(self, address, mac, device):
        """A permanent entry, so that no ARP or neighbour discovery is seen on the cable."""
        self.ip(f"neighbour replace {address} lladdr {mac} dev {device} nud permanent")

    def link(self, device):
        """What `ip -j -d -s link show` says of one device, statistics included."""
        return self.ip_json(f"-d -s link show dev {device}")[0]

    def mac(self, device):
        return self.link(device)["address"]

    def ifindex(self, device):
        return self.link(device)["ifindex"]

    def offload(self, device, **features):
        """ethtool -K with names such as tx, tso, gso, gro, or rx_gro_list for those with dashes."""
        words = [word for name, on in features.items() for word in (name.replace("_", "-"), "on" if on else "off")]
        self.run(["ethtool", "-K", device, *words])

    def bridge(self, name, ports=(), options=""):
        """A bridge that sends nothing of its own: one that snoops multicast joins 224.0.0.106 whenever it comes up."""
        self.ip(f"link add {name} type bridge mcast_snooping 0 {options}", f"link set {name} up",
                *[f"link set {port} master {name}" for port in ports], *[f"link set {port} up" for port in ports])

    def listens(self, port, protocol="tcp"):
        """True when a socket is bound to that local port (and listens, for TCP)."""
        with self.entered():
            lines = []
            for table in (protocol, protocol + "6"):
                with contextlib.suppress(FileNotFoundError), open(f"/proc/thread-self/net/{table}") as source:
                    lines += source.readlines()[1:]
        wanted = "0A" if protocol == "tcp" else "07"
        return any(int(line.split()[1].split(":")[1], 16) == port and line.split()[3] == wanted for line in lines)

    def wait_listens(self, port, protocol="tcp", timeout_s=20):
        wait_until(lambda: self.listens(port, protocol), timeout_s, f"{protocol} port {port} in {self.name}")


def _setns(opened):
    if _libc.setns(opened.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns to {opened.name}: {os.strerror(ctypes.get_errno())}")


class Lab:
    def __init__(self):
        self.prefix = f"{PREFIX}{os.getpid()}-{next(_lab_numbers)}"
        self._exits = []
        self._signals = {}
        self._macs = itertools.count(1)

    def __enter__(self):
        if os.geteuid() != 0:
            raise PermissionError("the lab needs root")
        remove_stale()
        self.tmp = tempfile.mkdtemp(prefix=self.prefix + "-")
        self.on_exit(lambda: shutil.rmtree(self.tmp, ignore_errors=True))
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._signals[number] = signal.signal(number, lambda number, _: sys.exit(128 + number))
        return self

    def __exit__(self, *_):
        """A signal that arrives meanwhile does not stop the cleaning."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            previous = signal.signal(number, signal.SIG_IGN)
            self._signals.setdefault(number, previous)
        try:
            while self._exits:
                action = self._exits.pop()
                try:
                    action()
                except Exception as error:  # one failure must not keep the rest from being undone
                    print(f"# lab: cleaning up: {error}", file=sys.stderr)
        finally:
            for number, previous in self._signals.items():
                signal.signal(number, previous)

    def on_exit(self, action):
        """action() is called when the lab ends, the last registered first."""
        self._exits.append(action)

    def path(self, name):
        """A file in the lab's own directory."""
        return os.path.join(self.tmp, name)

    def namespace(self, label, ipv6=False):
        return Namespace(self, label, ipv6)

    def next_mac(self):
        return "02:00:00:%02x:%02x:%02x" % tuple(next(self._macs).to_bytes(3, "big"))

    def veth(self, a, a_device, b, b_device, mtu=1500, a_mac=None, b_mac=None, up=True):
        """A cable between two namespaces (or within one); offloads are the kernel's defaults."""
        a.ip(f"link add {a_device} mtu {mtu} address {a_mac or self.next_mac()} type veth "
             f"peer name {b_device} mtu {mtu} address {b_mac or self.next_mac()} netns {b.name}")
        if up:
            a.ip(f"link set {a_device} up")
            b.ip(f"link set {b_device} up")

    def spawn(self, argv, log=None, stdin=subprocess.DEVNULL, **options):
        """
        Starts a process that ends with the lab, or with this process should that be killed. Its output goes to `log` (a
        name in the lab's directory; .log_path of the result). subprocess.Popen's options are passed on.
        """
        log_path = self.path(log or f"{os.path.basename(argv[0])}-{len(self._exits)}.log")
        with open(log_path, "wb") as output:
            options = {"stdout": output, "stderr": output, **options}
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, argv)], stdin=stdin, **options)
        process.log_path = log_path
        self.on_exit(lambda: end_process(process))
        return process

    def log_of(self, process):
        with open(process.log_path, errors="replace") as log:
            return log.read()

    def bpffs(self, name):
        """A bpffs of its own, mounted outside of every `ip netns exec`, so that pins outlive what made them."""
        path = self.path(name)
        os.mkdir(path)
        self.on_exit(lambda: run(["umount", path], check=False))
        run(["mount", "-t", "bpf", "bpf", path])
        return path


def _is_dead(pid):
    return not os.path.exists(f"/proc/{pid}")


def remove_stale():
    """Removes namespaces, mounts and directories of labs whose process is gone."""
    owner = re.compile(re.escape(PREFIX) + r"(\d+)-\d+-")
    temporary = tempfile.gettempdir()
    with open("/proc/self/mounts") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in points:
        match = owner.match(os.path.relpath(point, temporary))
        if match and _is_dead(match[1]):
            run(["umount", point], check=False)
    for directory, remove in ((NETNS_DIR, lambda path: run(["ip", "netns", "delete", os.path.basename(path)], check=False)),
                              (temporary, lambda path: shutil.rmtree(path, ignore_errors=True))):
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            match = owner.match(name)
            if match and _is_dead(match[1]):
                remove(os.path.join(directory, name))
