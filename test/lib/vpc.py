# SPDX-License-Identifier: Apache-2.0
"""
A virtual VPC of network namespaces: hosts whose bridges are joined by the VPC's own tunnel, guests, a collector and a machine
for the controller, all on one fabric. What the demo, `make play` and the tests of the whole system stand on.
"""

import contextlib
import json
import os
import socket
import ssl
import threading

import packet
from agent import Agent
from controller import Client, Controller
from lab import run

PROJECT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
VTAP = os.environ.get("VTAP") or os.path.join(PROJECT, "build", "bin", "vtap")
UPLINK_MTU = 1600
CONTROL, COLLECTOR = "172.31.0.8", "172.31.0.9"
PORT = 8750
NETWORK = "10.0.0.0/24"


class Host:
    """A host of the VPC: its uplink u<NAME>, a bridge br0 and the VPC's tunnel. Guests are cabled to it by guest()."""

    def __init__(self, vpc, name, address):
        self.vpc, self.name, self.address = vpc, name, address
        self.uplink = f"u{name}"
        self.namespace = vpc.lab.namespace(f"host{name}")
        self.mac = vpc.lab.next_mac()
        self.cables = {}  # guest's device -> Guest
        self.agent = None
        self._connect()

    def _connect(self):
        self.vpc.plug(self.namespace, self.uplink, self.address, self.mac)
        self.namespace.ip(f"link add vpc type vxlan id 5 local {self.address} dstport 8472 dev {self.uplink}")
        self.namespace.bridge("br0", ["vpc"])

    def guest(self, guest, device):
        """Plugs a guest's cable (which is made) into the bridge as `device`."""
        self.cables[device] = guest
        self.vpc.lab.veth(guest.namespace, "eth0", self.namespace, device, a_mac=guest.mac)
        self.namespace.ip(f"link set {device} master br0")
        guest.namespace.address("eth0", guest.address + "/24")

    def start_agent(self, wait=True, **options):
        """An agent that joins the VPC's controller; with the state directory of the one before, if there was one."""
        token = self.vpc.controller.vtap("host", "token", self.name).strip()
        if self.agent is None:
            self.agent = Agent(self.namespace, None, controller=self.vpc.controller.url, **options)
        self.agent.start(join=token, wait=wait)
        return self.agent

    def reboot(self):
        """
        As after a loss of power: all that the kernel had is gone, the namespace and what was pinned too, and is set up again
        with the same guests. The agent, which has kept its state directory, is not started.
        """
        self.agent.kill9()
        self.agent.lose_pins()
        for guest in self.cables.values():
            guest.namespace.ip("link delete eth0")
        self.namespace.delete()
        self.namespace.add()
        self._connect()
        for device, guest in self.cables.items():
            self.guest(guest, device)
        for other in self.vpc.hosts.values():
            if other is not self:
                self.reach(other)

    def reach(self, other):
        """What is broadcast in the VPC goes to that host, too."""
        self.namespace.run(["bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vpc", "dst", other.address])


class Guest:
    def __init__(self, vpc, name, address):
        self.name, self.address = name, address
        self.namespace = vpc.lab.namespace(name)
        self.mac = vpc.lab.next_mac()


class NamespaceClient(Client):
    """A client whose connections begin inside a namespace."""

    def __init__(self, namespace, *arguments, **options):
        super().__init__(*arguments, **options)
        self.namespace = namespace

    def request(self, *arguments, **options):
        with self.namespace.entered():
            return super().request(*arguments, **options)


class VpcController(Controller):
    """vtapd on a machine of its own, by TLS, with its store in the lab's directory."""

    def __init__(self, vpc):
        self.namespace = vpc.lab.namespace("control")
        vpc.plug(self.namespace, "uK", CONTROL)
        folder = vpc.lab.path("vtapd")
        os.mkdir(folder)
        self.authority_path = os.path.join(folder, "authority.pem")
        super().__init__(listen=f"{CONTROL}:{PORT}", options=["--certificate", "auto"], folder=folder,
                         wrap=self.namespace.argv(["setpriv", "--pdeathsig", "KILL"]), start=False)
        vpc.lab.on_exit(self.close)
        self.start()
        # As an operator has it who copies the file from the controller's machine.
        self.namespace.run(["curl", "-sfk", "-o", self.authority_path, f"{self.url}/agent/v1/authority"])

    def client(self, credential=None, **options):
        context = ssl.create_default_context(cafile=self.authority_path)
        return NamespaceClient(self.namespace, self.url, credential or self.key, context=context, **options)

    @property
    def cli_environment(self):
        """What the command line needs to be the administrator."""
        return {"VTAP_URL": self.url, "VTAP_ACCESS_KEY_ID": self.key[0], "VTAP_SECRET_ACCESS_KEY": self.key[1],
                "VTAP_CA_FILE": self.authority_path}

    def run(self, *arguments, check=False, **options):
        """The command line, as the administrator, to its end."""
        return run(self.namespace.argv([VTAP, *arguments]), env={**os.environ, **self.cli_environment}, check=check, **options)

    def vtap(self, *arguments, **options):
        """What it printed; raises when it was refused."""
        return self.run(*arguments, check=True, **options).stdout

    def shown(self, *arguments):
        """What it printed with -o json."""
        return json.loads(self.vtap(*arguments, "-o", "json"))


class Vpc:
    def __init__(self, lab):
        self.lab = lab
        self._ports = 0
        self.fabric = lab.namespace("fabric")
        self.fabric.bridge("switch")
        self.hosts = {}
        self.controller = None
        self.collector = lab.namespace("collector")
        self.plug(self.collector, "uC", COLLECTOR)
        # Somebody must hold the port, or the collector would answer each copy with an ICMP error.
        holder = self.collector.socket(socket.AF_INET, socket.SOCK_DGRAM)
        holder.bind((COLLECTOR, packet.VXLAN_PORT))
        lab.on_exit(holder.close)

    def plug(self, namespace, device, address, mac=None):
        """A cable from the fabric's switch to a machine."""
        port = f"port{self._ports}"
        self._ports += 1
        self.lab.veth(namespace, device, self.fabric, port, mtu=UPLINK_MTU, a_mac=mac)
        self.fabric.ip(f"link set {port} master switch")
        namespace.address(device, address + "/24")

    def add_host(self, name, address):
        """A further host, whose tunnel reaches all that are there, and theirs it."""
        host = self.hosts[name] = Host(self, name, address)
        for other in self.hosts.values():
            if other is not host:
                host.reach(other)
                other.reach(host)
        return host

    def start_agents(self):
        """One on each host, all at a time."""
        for host in self.hosts.values():
            host.start_agent(wait=False)
        for host in self.hosts.values():
            host.agent.wait_notification("READY=1")

    def start_controller(self):
        self.controller = VpcController(self)
        return self.controller

    def describe(self, guests):
        """Tells the controller what there is: hosts, the network, and each (guest, host, device)."""
        vtap = self.controller.vtap
        for host in self.hosts.values():
            vtap("host", "create", "--name", host.name, "--underlay-address", host.address, "--uplink", host.uplink)
        vtap("network", "create", "--name", "vpc", "--cidr", NETWORK)
        vtap("subnet", "create", "--name", "subnet", "--network", "vpc", "--cidr", NETWORK)
        for guest, host, device in guests:
            vtap("interface", "create", "--name", guest.name, "--mac", guest.mac, "--address", guest.address, "--network", "vpc",
                 "--subnet", "subnet", "--host", host.name, "--device", device)


def relay(listening, namespace, address):
    """
    Hands every connection that a listening socket of this process gets on to an address inside a namespace, until the
    socket is closed.
    """
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept():
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                far.connect(address)
            except OSError:
                near.close()
                far.close()
                continue
            threading.Thread(target=copy, args=(near, far), daemon=True).start()
            threading.Thread(target=copy, args=(far, near), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
