# SPDX-License-Identifier: Apache-2.0
"""vtapd and agents over TLS: who may join, how credentials live and end, and what a restart of the controller costs."""

import json
import os
import shutil
import signal
import stat
import time

from agent import Agent
from capture import Capture
from case import Case, main
from lab import CommandFailed, Lab, run, wait_until
from vpc import CONTROL, Guest, Vpc

DAY_S = 86400


class Join(Case):
    """Two hosts, one of them with a guest; the agents have not joined yet."""

    def setUp(self):
        self.lab = self.enterContext(Lab())
        self.vpc = Vpc(self.lab)
        self.host, self.other = self.vpc.add_host("a", "172.31.0.1"), self.vpc.add_host("b", "172.31.0.2")
        self.controller = self.vpc.start_controller()
        self.guest = Guest(self.vpc, "web", "10.0.0.5")
        self.host.guest(self.guest, "v1")
        self.vpc.describe([(self.guest, self.host, "v1")])
        self.controller.vtap("target", "create", "--name", "ids", "--address", "172.31.0.9")

    def create_session(self, name="s"):
        self.controller.vtap("session", "create", "--name", name, "--number", "1", "--source", "web", "--target", "ids",
                             "--vni", "66")

    def wait_controller(self, agent, state, timeout_s=30):
        return agent.wait_status(lambda status: status["controller"]["state"] == state, timeout_s, state)["controller"]

    def wait_active(self, agent):
        agent.wait_status(lambda status: status["sessions"] and status["sessions"][0]["state"] == "active", 20, "active")

    def expect_mirrored(self):
        with Capture(self.vpc.collector, "uC", direction="in") as capture:
            self.guest.namespace.run(["ping", "-c1", "-W1", "10.0.0.99"], check=False)
            capture.wait(1, what="copies")

    def refused(self, token, url=None, status=2, pin_dir=None):
        agent = Agent(self.host.namespace, None, f"agent-{time.time_ns()}", controller=url or self.controller.url)
        agent.pin_dir = pin_dir or agent.pin_dir
        with self.assertRaises(CommandFailed):
            agent.start(join=token)
        self.assertEqual(agent.process.returncode, status, agent.log())
        self.assertFalse(os.path.exists(os.path.join(agent.state_dir, "identity.json")))
        return agent.log()

    def token(self, host="a"):
        return self.controller.vtap("host", "token", host).strip()

    def test_tokens(self):
        """A token is for one controller and one host, and serves once."""
        token = self.token()
        other = token[:-64] + "".join("0123456789abcdef"[15 - int(digit, 16)] for digit in token[-64:])
        self.assertIn("is not the controller that made this join token", self.refused(other, status=1))
        self.assertIn("refuses the join", self.refused(token.replace(token.split("-")[3], "x" * 40)))
        self.assertIn("of a controller that speaks HTTPS", self.refused(token, self.controller.url.replace("https", "http")))
        self.assertIn("is not on a bpffs", self.refused(token, status=1, pin_dir=self.lab.path("elsewhere")))
        # None of these has used the token up.
        agent = Agent(self.host.namespace, None, controller=self.controller.url)
        agent.start(join=token)
        self.wait_controller(agent, "connected")
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(agent.state_dir, "identity.json")).st_mode), 0o600)
        self.assertIn("refuses the join", self.refused(token))

    def test_renewal(self):
        """At half of its life a certificate is replaced, key and all, and the agent goes on by the new one."""
        agent = self.host.start_agent()
        path = os.path.join(agent.state_dir, "identity.json")
        agent.stop()
        with open(path) as source:
            old = json.load(source)
        self.assertAlmostEqual(old["expires"] - time.time(), 7 * DAY_S, delta=DAY_S / 10)
        with open(path, "w") as out:
            json.dump({**old, "issued": old["expires"] - 14 * DAY_S - 60}, out)
        agent.start()
        wait_until(lambda: "certificate was renewed" in agent.log(), 20, agent.log)
        with open(path) as source:
            new = json.load(source)
        self.assertNotEqual((new["certificate"], new["key"]), (old["certificate"], old["key"]))
        self.assertEqual((new["host"], new["authority"]), (old["host"], old["authority"]))
        self.create_session()
        self.wait_active(agent)
        self.expect_mirrored()
        agent.stop()
        agent.start()
        self.wait_controller(agent, "connected")

    def make_certificate(self, name):
        """An authority's certificate, one of its for the controller's address, and its key: three files."""
        path = {part: self.lab.path(f"{name}.{part}") for part in ("ca", "ca-key", "pem", "key", "request", "names")}
        with open(path["names"], "w") as out:
            out.write(f"subjectAltName=IP:{CONTROL}\n")
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        run([*new, "-x509", "-days", "2", "-keyout", path["ca-key"], "-out", path["ca"]])
        run([*new, "-keyout", path["key"], "-out", path["request"]])
        run(["openssl", "x509", "-req", "-in", path["request"], "-CA", path["ca"], "-CAkey", path["ca-key"], "-CAcreateserial",
             "-days", "1", "-extfile", path["names"], "-out", path["pem"]])
        return path["ca"], path["pem"], path["key"]

    def trusts(self, authority):
        """Whether somebody who trusts this authority alone, such as a browser, reaches the API."""
        done = self.controller.namespace.run(["curl", "-s", "--cacert", authority, "-o", "/dev/null",
                                              f"{self.controller.url}/healthz"], check=False)
        return done.returncode == 0

    def test_certificate_of_another_authority(self):
        """Others are shown the operator's certificate; agents, that of the controller's own authority, whatever it was before."""
        old, joined = self.host.start_agent(), Agent(self.other.namespace, None, controller=self.controller.url)
        first, certificate, key = self.make_certificate("first")
        own, self.controller.authority_path = self.controller.authority_path, first
        self.controller.options = ["--certificate", certificate, "--key", key]
        self.controller.restart()
        self.assertTrue(self.trusts(first))
        self.assertFalse(self.trusts(own))
        self.wait_controller(old, "connected", 40)
        joined.start(join=self.token("b"))
        self.wait_controller(joined, "connected")
        self.create_session()
        self.wait_active(old)
        second, *files = self.make_certificate("second")
        for source, target in zip(files, (certificate, key)):
            shutil.copyfile(source, target)
        self.controller.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.trusts(second), 20, self.controller.log)
        self.assertFalse(self.trusts(first))
        joined.stop()
        path = os.path.join(joined.state_dir, "identity.json")
        with open(path) as source:
            identity = json.load(source)
        with open(path, "w") as out:
            json.dump({**identity, "issued": identity["expires"] - 14 * DAY_S - 60}, out)
        joined.start()
        wait_until(lambda: "certificate was renewed" in joined.log(), 20, joined.log)
        self.wait_controller(joined, "connected")

    def test_revoked(self):
        """A host that is deleted or revoked ends by itself, and leaves nothing."""
        agent = self.host.start_agent()
        self.create_session()
        self.wait_active(agent)
        self.controller.vtap("host", "revoke", "a")
        self.assertEqual(agent.process.wait(20), 3)
        self.assertEqual(os.listdir(os.path.join(agent.state_dir, "chunks")), [])
        self.assertNotIn("identity.json", os.listdir(agent.state_dir))
        self.assertNotIn("vtap-near", [link["ifname"] for link in self.host.namespace.ip_json("link show")])
        # It may come back by another token.
        agent.start(join=self.token())
        self.wait_active(agent)
        self.expect_mirrored()

    def test_copied_state_directory(self):
        """Two agents of one credential: both wait, mirroring goes on, until somebody has looked."""
        agent = self.host.start_agent()
        self.create_session()
        self.wait_active(agent)
        copy = Agent(self.other.namespace, None, "copy", controller=self.controller.url)
        for name in ("identity.json", "plan.json"):
            shutil.copy(os.path.join(agent.state_dir, name), copy.state_dir)
        copy.start()
        for one in (agent, copy):
            self.wait_controller(one, "suspended", 60)
        self.expect_mirrored()
        copy.stop()
        self.controller.vtap("host", "resume", "a")
        agent.process.send_signal(1)
        self.wait_controller(agent, "connected")
        self.expect_mirrored()

    def test_controller_restarts(self):
        """Killed and started again: mirroring never stops, and what was changed meanwhile is taken up."""
        agent = self.host.start_agent()
        self.create_session()
        self.wait_active(agent)
        self.controller.kill()
        self.wait_controller(agent, "away")
        self.expect_mirrored()
        self.controller.start()
        began = time.monotonic()
        self.wait_controller(agent, "connected", 40)
        print(f"# connected {time.monotonic() - began:.1f} s after the controller was back")
        self.controller.vtap("session", "disable", "s")
        agent.wait_status(lambda status: not status["sessions"], 20, "no session")
        self.controller.vtap("session", "enable", "s")
        self.wait_active(agent)
        wait_until(lambda: self.controller.shown("session", "show", "s")["state"] == "active", 20, "active")


main()
