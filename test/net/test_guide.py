# SPDX-License-Identifier: Apache-2.0
"""The guide docs/guide/first-host.md, done as it says: its commands by a shell, its file, and the copies that it promises."""

import json
import os
import re

import packet
from agent import PROGRAM as AGENT
from capture import Tcpdump
from case import Case, main
from controller import PROGRAM as VTAPD
from lab import Lab, wait_until
from traffic import download, http_server, ping
from vpc import VTAP

PROJECT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
GUIDE = os.path.join(PROJECT, "docs", "guide", "first-host.md")
UNIT = os.path.join(PROJECT, "packaging", "vtapd.service.in")
GUEST, HOST, COLLECTOR_HOST, COLLECTOR = "10.0.0.5", "10.0.0.1", "172.31.0.1", "172.31.0.2"


def blocks(kind):
    with open(GUIDE) as guide:
        return re.findall(rf"```{kind}\n(.*?)```", guide.read(), re.DOTALL)


class FirstHost(Case):
    def setUp(self):
        lab = self.enterContext(Lab())
        self.lab = lab
        self.host, self.guest, self.collector = lab.namespace("host"), lab.namespace("guest"), lab.namespace("collector")
        lab.veth(self.guest, "eth0", self.host, "v1")
        self.guest.address("eth0", GUEST + "/24")
        self.host.address("v1", HOST + "/24")
        lab.veth(self.host, "eth0", self.collector, "eth0", mtu=1600)
        self.host.address("eth0", COLLECTOR_HOST + "/24")
        self.collector.address("eth0", COLLECTOR + "/24")
        with open(lab.path("first.yaml"), "w") as manifest:
            manifest.write(blocks("yaml")[0])
        with open(UNIT) as unit:
            self.controller_argv = re.search(r"^ExecStart=(.*)$", unit.read(), re.MULTILINE)[1].split()[1:-1]

    def prelude(self):
        """What a machine with systemd, and these programs installed, has; the directories are the test's own."""
        state, pins = self.lab.path("controller"), os.path.join(self.lab.bpffs("bpf"), "vtap")
        os.mkdir(pins)
        options = " ".join(word.replace("/var/lib/vtapd", state) for word in self.controller_argv)
        return f"""
            set -e
            cd {self.lab.tmp}
            hostname() {{ echo first; }}
            vtap() {{ {VTAP} "$@"; }}
            vtap-agent() {{ exec setpriv --pdeathsig KILL {AGENT} "$@" --pin-dir {pins} --state-dir {self.lab.path("agent")}; }}
            systemctl() {{
                [ "$*" = "enable --now vtapd" ]
                setpriv --pdeathsig KILL {VTAPD} {options} >vtapd.log 2>&1 &
                until grep -q listening vtapd.log; do kill -0 $!; done
            }}
            export VTAP_PROFILE={state}/admin-key.json
        """

    def test_first_copy(self):
        commands, adoption = blocks("sh")[1:3]
        self.assertEqual(len((commands + adoption).strip().splitlines()), 5)
        script = f"""{self.prelude()}
            {commands}
            until vtap host devices first | grep -q ^v1; do kill -0 $!; done
            {adoption}
            until vtap session list | grep -q " active "; do kill -0 $!; done
            echo all-is-set
            wait
        """
        shell = self.host.spawn(["bash", "-c", script], log="shell.log")

        def mirrors():
            self.assertIsNone(shell.poll(), self.lab.log_of(shell))
            return "all-is-set" in self.lab.log_of(shell)
        wait_until(mirrors, 30, lambda: self.lab.log_of(shell))
        self.assertIn("interface web", self.lab.log_of(shell))
        dump = Tcpdump(self.collector, "eth0", "udp port 4789")
        with open(self.lab.path("page"), "w") as page:
            page.write("mirrored")
        http_server(self.guest, self.lab.tmp)
        self.assertEqual(ping(self.host, GUEST, count=1), 1)
        download(self.host, f"http://{GUEST}/page", self.lab.path("got"))
        wait_until(lambda: any(b"mirrored" in data for _, data in dump.frames()), 10, "the page in a copy")
        copies = [packet.parse(copy.inner) for copy in packet.copies([data for _, data in dump.stop()], 66)]
        self.assertAll(copies, lambda frame: frame.protocol == packet.TCP, "the filter's packets only")
        self.assertEqual({(frame.src, frame.dst) for frame in copies}, {(GUEST, HOST), (HOST, GUEST)})

    def test_a_user_of_ones_own(self):
        """The login of the guide works, and leaves the administrator's key as it was: the controller starts again."""
        block, = (text for text in blocks("sh") if "vtap login" in text)
        script = f"""{self.prelude()}
            export HOME={self.lab.tmp}
            password() {{ echo "a good password" | {VTAP} "$@"; }}
            systemctl enable --now vtapd
            if vtap login --user me; then exit 9; fi
            {block.replace("vtap ", "password ")}
            vtap whoami
            kill $!
            wait $!
            systemctl enable --now vtapd
            vtap whoami
            export VTAP_PROFILE={self.lab.path("controller")}/admin-key.json
            vtap whoami
            if grep bootstrap-key vtapd.log; then exit 9; fi
            kill $!
        """
        said = self.host.run(["bash", "-c", script]).stdout
        self.assertEqual(re.findall(r"^name +(\S+)", said, re.MULTILINE), ["me", "me", "admin"], said)

    def test_the_rest_of_its_commands_exist(self):
        """Whatever else the guide tells to type is a command that the programs know."""
        with open(GUIDE) as guide:
            spoken = re.findall(r"`vtap ((?:[a-z]+ ?){1,2})", guide.read())
        for words in sorted({words.strip() for words in spoken}):
            known = self.host.run([VTAP, "help", *words.split()[:2]], check=False)
            if known.returncode != 0:
                known = self.host.run([VTAP, "help", words.split()[0]], check=False)
            self.assertEqual(known.returncode, 0, words)

    def test_the_key_is_a_profile(self):
        """The file that --bootstrap-key writes serves as the command line's profile."""
        key = self.lab.path("key.json")
        with open(key, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            json.dump({"access_key_id": "key-0123456789abcdef0", "secret_access_key": "x" * 40}, out)
        refused = self.host.run([VTAP, "--profile-file", key, "whoami"], check=False)
        self.assertEqual(refused.returncode, 3, refused.stderr)  # not reachable: the profile itself was fine


main()
