# SPDX-License-Identifier: Apache-2.0
"""The real vtap against the real vtapd: what it prints, its exit status, and what the controller has afterwards."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess

from agents import AgentCase
from base import ApiCase, unique
from case import Case, main
from cli import DONE, REFUSED, UNREACHABLE, USAGE, Vtap
from controller import Client, Controller

PASSWORD = "correct horse battery"
EVERYTHING = """\
manifest: NAME
sessions:
- name: web-to-ids
  number: 1
  sources: [web, "tag:role=db", lan, far, uplink-of-NAME]
  target: ids
  filter: http
  encapsulation: {vni: 66}
  limit: {packets_per_second: 1000}
- {name: copies, mode: copy, sources: [db], target: ids, offline: stop-after 10m, sample: {flows: 4}}
filters:
- name: http
  rules:
  - {direction: in, number: 10, protocol: tcp, destination_ports: 80-443}
  - {direction: in, number: 20, action: reject, source: 10.0.0.0/8, description: the rest}
  - {direction: out, number: 10, ethertype: arp, tags: {why: loops}}
- name: nothing
targets:
- {name: ids, address: 10.9.0.9, dscp: 10, mtu: 1400, tags: {site: a}}
interfaces:
- {name: web, network: far, subnet: lan, addresses: [10.0.1.5], mac: "02:00:00:00:00:05", guest: vm, tags: {role: web}}
- {name: db, network: far, tags: {role: db}}
guests:
- {name: vm, host: host-of-NAME}
wires:
- {name: uplink-of-NAME, host: host-of-NAME, device: br0}
subnets:
- {name: lan, network: far, cidr: 10.0.1.0/24}
gateways:
- {name: out, network: far, addresses: [10.0.1.1], macs: ["02:00:00:00:00:01"]}
networks:
- name: far
  cidrs: [10.0.0.0/16]
  peers: [near]
  routes: [{destination: 0.0.0.0/0, gateway: out}]
- {name: near, cidrs: [10.1.0.0/16], resolvers: [10.1.0.2]}
hosts:
- {name: host-of-NAME, group: rack-1}
"""


def download_authority(controller):
    """Without checking anything: that is what a person does with a browser, or by reading it from the state directory."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return Client(controller.url, context=context).request("GET", "/agent/v1/authority").text


class CliCase(ApiCase):
    def setUp(self):
        super().setUp()
        self.vtap = self.make_vtap(project=self.project)

    def make_vtap(self, **options):
        vtap = Vtap(self.controller, **options)
        self.addCleanup(vtap.close)
        return vtap

    def write(self, text, name="file.yaml"):
        path = os.path.join(self.vtap.home, name)
        with open(path, "w") as file:
            file.write(text)
        return path


class ResourcesTest(CliCase):
    def test_names_and_ids(self):
        said = self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1", "--tag", "site=a,kind=ids", "--df")
        identity = re.fullmatch(r"target ids \((tmt-[0-9a-f]{17})\) created\n", said)[1]
        for name in ("ids", identity):
            self.assertEqual(self.vtap.json("target", "show", name), self.api.get(f"/v1/targets/{identity}"))
        self.assertEqual(self.vtap("target", "update", identity, "--mtu", "1400", "--no-df", "--reset", "tags"),
                         f"target ids ({identity}) updated\n")
        target = self.api.get("/v1/targets/ids")
        self.assertEqual((target["mtu"], target["df"], target["tags"]), (1400, False, {}))
        self.vtap("target", "disable", "ids")
        self.assertFalse(self.api.get("/v1/targets/ids")["enabled"])
        self.assertEqual(self.vtap("-q", "target", "list"), identity + "\n")
        self.assertEqual(self.vtap("target", "delete", "ids"), "target ids deleted\n")
        self.assertEqual(self.vtap("target", "list", "-q"), "")

    def test_session(self):
        for name in ("a", "b"):
            self.vtap("interface", "create", "--name", name, "--tag", "role=web")
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1")
        self.vtap("filter", "create", "--name", "f")
        self.vtap("session", "create", "--name", "s", "--number", "7", "--source", "a", "--source", "b,tag:role=web", "--target",
                  "ids", "--filter", "f", "--vni", "66", "--packets", "10", "--offline", "stop-after 10m")
        session = self.vtap.json("session", "show", "s")
        self.assertEqual(session["encapsulation"], {"type": "vxlan", "vni": 66, "port": 4789})
        self.assertEqual((len(session["sources"]), session["sample"]["packets"], session["offline"]),
                         (3, 10, "stop-after 10m"))
        self.vtap("session", "update", "s", "--port", "4790", "--reset", "filter")
        session = self.vtap.json("session", "show", "s")
        self.assertEqual((session["encapsulation"]["port"], session["encapsulation"]["vni"], session["filter"]), (4790, 66, None))
        row = self.vtap("session", "list").splitlines()[1].split()
        self.assertEqual(row[:4], [session["id"], "s", "7", "yes"])
        self.assertIn("a, b, tag:role=web", self.vtap("session", "list"))
        self.assertEqual(self.vtap("session", "list", "--target", "ids", "--vni", "66", "-q"), session["id"] + "\n")
        self.assertEqual(self.vtap("session", "list", "--vni", "67", "-q"), "")
        self.assertEqual(self.vtap("session", "list", "--state", session["state"], "-q"), session["id"] + "\n")
        for command in (("stats",), ("history", "--seconds", "60"), ("preview",)):
            self.vtap("session", command[0], "s", *command[1:])
            self.vtap.json("session", command[0], "s", *command[1:])
        self.assertEqual(sorted(row["name"] for row in self.vtap.json("session", "preview", "s")), ["a", "b"])
        self.assertIn("s ", self.vtap("trace", "--interface", "a", "--direction", "in", "--protocol", "tcp", "--source",
                                      "10.0.0.1", "--destination", "10.0.0.2", "--destination-port", "80"))

    def test_rules(self):
        self.vtap("filter", "create", "--name", "f")
        self.vtap("rule", "add", "--filter", "f", "--direction", "in", "--number", "10", "--protocol", "tcp",
                  "--destination-ports", "80-443")
        self.vtap("rule", "create", "--filter", "f", "--direction", "out", "--number", "10", "--action", "reject")
        self.assertIn("destination_ports  80-443\n", self.vtap("rule", "show", "f/in/10"))
        self.vtap("rule", "update", "f/in/10", "--number", "20")
        self.vtap("rule", "delete", "f/out/10")
        rules = self.vtap.json("rule", "list", "--filter", "f")
        self.assertEqual([(rule["direction"], rule["number"]) for rule in rules], [("in", 20)])
        self.vtap("rule", "show", rules[0]["id"])
        self.assertEqual(self.vtap("rule", "show", "f/in/10", status=REFUSED), "filter f has no rule in 10")
        self.assertEqual(self.vtap("rule", "add", "--filter", "f", "--direction", "in", "--number", "20", status=REFUSED)
                         .split(":")[0], "--number")
        many = "".join(f"- {{direction: in, number: {n}, source: 10.0.{n // 250}.{n % 250}/32}}\n" for n in range(1, 1501))
        self.assertEqual(self.vtap("rule", "replace", "--filter", "f", "--file", "-", stdin=many), "filter f has 1500 rules now\n")
        self.assertEqual(len(self.vtap.json("rule", "list", "--filter", "f")), 1500)
        self.assertEqual(self.vtap.json("filter", "show", "f")["rule_count"], 1500)
        self.assertIn("agents take 64", self.vtap("filter", "show", "f"))

    def test_every_page(self):
        names = [f"t{number:03}" for number in range(520)]
        for name in names:
            self.api.post("/v1/targets", {"name": name, "address": "10.9.0.1"})
        self.assertEqual([target["name"] for target in self.vtap.json("target", "list", "--sort", "-name")], names[::-1])
        self.assertEqual(len(self.vtap.json("target", "list", "--limit", "501")), 501)

    def test_projects(self):
        other = self.admin.post("/v1/projects", {"name": unique("other")})
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1")
        self.vtap("target", "create", "--project", other["name"], "--name", "ids", "--address", "10.9.0.2")
        self.assertEqual(self.vtap.json("target", "show", "ids")["address"], "10.9.0.1")
        self.assertEqual(self.vtap.json("target", "show", "ids", environment={"VTAP_PROJECT": other["id"]})["address"], "10.9.0.2")
        self.assertEqual([target["address"] for target in self.vtap.json("target", "list")], ["10.9.0.1"])

    def test_dry_run_and_versions(self):
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1", "--dry-run")
        self.assertEqual(self.vtap.json("target", "list"), [])
        same = ("target", "create", "--name", "ids", "--address", "10.9.0.1", "--idempotency-key", "k", "-q")
        self.assertEqual(self.vtap(*same), self.vtap(*same))
        self.vtap("target", "update", "ids", "--mtu", "1400", "--if-version", "1")
        self.assertIn("version", self.vtap("target", "update", "ids", "--mtu", "1500", "--if-version", "1", status=REFUSED))
        self.vtap("target", "delete", "ids", "--if-version", "1", status=REFUSED)

    def test_forms(self):
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1", "--description", "yes: \"no\" # 1")
        text = self.vtap("target", "show", "ids", "-o", "yaml")
        self.assertIn("description: 'yes: \"no\" # 1'\n", text)
        self.assertIn("address: 10.9.0.1\n", text)
        self.assertIn("mtu: 0\n", text)

    def test_host_and_key(self):
        name = unique("host")
        self.vtap("host", "create", "--name", name)
        self.assertIn(" STATE ", self.vtap("host", "list"))
        self.assertRegex(self.vtap("host", "show", name), r"\nstate +unknown\n")
        self.assertRegex(self.vtap("host", "token", name, "--ttl", "10m"), r"^vtapjoin-host-\S+\n$")
        self.assertEqual(self.vtap.json("host", "devices", name), [])
        key = self.vtap.json("key", "create", "--user", "admin")
        other = self.make_vtap(credential=(key["access_key_id"], key["secret_access_key"]))
        self.assertEqual(other.json("whoami")["key"], key["id"])
        self.vtap("key", "disable", key["id"])
        self.assertIn("VTAP_ACCESS_KEY_ID", other("whoami", status=REFUSED))

    def test_lists_of_the_project(self):
        quotas = {quota["name"]: quota for quota in self.vtap.json("quota", "list")}
        self.assertGreater(quotas["sessions"]["limit"], 0)
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1")
        self.assertRegex(self.vtap("quota", "list"), r"\ntargets +100000 +1 +targets of the project\n")
        entry = self.vtap.json("audit", "list", "--since", "1h")[-1]
        self.assertEqual((entry["method"], entry["path"]), ("POST", "/v1/targets"))
        self.assertRegex(self.vtap("audit", "list"), r"admin +POST /v1/targets +done")
        self.vtap("target", "update", "ids", "--ttl", "9")
        last = self.vtap.json("audit", "list", "--limit", "2")
        self.assertEqual([(entry["method"], entry["path"]) for entry in last],
                         [("POST", "/v1/targets"), ("PATCH", "/v1/targets/ids")])
        self.vtap("audit", "list", "--since", "yesterday", status=USAGE)


class RefusalsTest(CliCase):
    def test_refused(self):
        self.assertEqual(self.vtap("session", "show", "x", status=REFUSED).count("x"), 1)
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1")
        for arguments, option in ((("--name", "ids", "--address", "10.9.0.1"), "--name: "), (("--address", "nowhere"), "--address: "),
                                  (("--address", "10.9.0.1", "--mtu", "9217"), "--mtu: ")):
            self.assertTrue(self.vtap("target", "create", *arguments, status=REFUSED).startswith(option), arguments)
        for arguments, option in ((("--vni", "16777216"), "--vni: "), (("--source", "nothing"), "--source: "),
                                  (("--number", "32767"), "--number: "), (("--packets", "0"), "--packets: ")):
            said = self.vtap("session", "create", *("" if "--source" in arguments else ("--source", "tag:a=b")), "--target", "ids",
                             *arguments, status=REFUSED)
            self.assertTrue(said.startswith(option), said)
        self.assertEqual(len(self.api.get("/v1/targets")["items"]), 1)
        self.assertEqual(self.api.get("/v1/sessions")["items"], [])

    def test_usage(self):
        for arguments in ((), ("sessions",), ("session", "create"), ("session", "list", "--nothing"), ("apply",), ("session", "show")):
            self.assertEqual(self.vtap.run(*arguments).returncode, USAGE, arguments)
        self.vtap("session", "list", status=USAGE, environment={"VTAP_SECRET_ACCESS_KEY": ""})
        self.vtap("session", "list", "--url", "ftp://127.0.0.1", status=USAGE)
        self.vtap("session", "list", "--url", "http://192.0.2.1", status=USAGE)  # secrets over plain HTTP
        self.vtap("session", "list", status=USAGE, environment={"VTAP_CA_FILE": "/nowhere"})

    def test_unreachable(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and nobody listens
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            self.assertIn(url, self.vtap("session", "list", "--url", url, status=UNREACHABLE))
            self.vtap("diff", "-f", self.write("targets: []\nsessions: [{name: a}]\n"), "--url", url, status=UNREACHABLE)

    def test_credentials(self):
        self.assertIn("vtap login", self.make_vtap(credential=())("session", "list", status=REFUSED))
        self.make_vtap(credential=(self.controller.key[0], "wrong"))("session", "list", status=REFUSED)
        viewer = self.make_vtap(credential=self.make_user("viewer")["key"])
        viewer("session", "list")
        viewer("target", "create", "--address", "10.9.0.1", status=REFUSED)

    def test_reader_that_has_enough(self):
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1")
        done = subprocess.run(["bash", "-c", "set -o pipefail; \"$@\" | true", "bash", *self.vtap.argv("target", "list")],
                              env=self.vtap.environment, check=False, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (DONE, b""))
        with open("/dev/full", "w") as full:
            done = subprocess.run(self.vtap.argv("target", "list"), env=self.vtap.environment, check=False, stdout=full,
                                  stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (REFUSED, b"vtap: the output cannot be written: No space left on device\n"))


class ManifestTest(CliCase):
    def setUp(self):
        super().setUp()
        self.name = unique("all")
        self.everything = EVERYTHING.replace("NAME", self.name)

    def test_round_trip(self):
        path = self.write(self.everything)
        self.vtap("diff", "-f", path, status=1)
        self.assertIn("\n14 created, 0 changed, 0 deleted, 0 as they were\n", self.vtap("apply", "-f", path))
        self.assertEqual(self.vtap("diff", "-f", path, "--prune"), "")
        self.assertEqual(self.vtap("apply", "-f", path), "0 created, 0 changed, 0 deleted, 14 as they were\n")
        exported = self.vtap("export", "--manifest", self.name)
        self.assertEqual(self.vtap("diff", "-f", "-", "--prune", stdin=exported), "")
        self.assertNotRegex(exported, r"[a-z]+-[0-9a-f]{17}\n")
        as_json = self.vtap("export", "-o", "json", "--manifest", self.name)
        self.assertEqual(self.vtap("diff", "-f", "-", stdin=as_json), "")
        network = self.api.get("/v1/networks/far")
        self.assertEqual(network["routes"], [{"destination": "0.0.0.0/0", "gateway": self.api.get("/v1/gateways/out")["id"]}])
        # All of it goes again, whatever refers to whatever.
        self.vtap("apply", "-f", "-", "--prune", stdin=f"manifest: {self.name}\n")
        for kind in ("sessions", "filters", "targets", "interfaces", "guests", "subnets", "gateways", "networks"):
            self.assertEqual(self.api.get(f"/v1/{kind}")["items"], [], kind)
        # Hosts and wires are all projects' concern.
        self.assertEqual(self.api.get(f"/v1/hosts/host-of-{self.name}")["tags"], {"vtap-manifest": self.name})

    def test_to_another_project(self):
        self.vtap("apply", "-f", self.write(self.everything))
        kinds = ("target", "filter", "network", "gateway", "subnet")
        exported = self.vtap("export", *kinds)
        other = self.admin.post("/v1/projects", {"name": unique("other")})["id"]
        there = self.make_vtap(project=other)
        there("apply", "-f", "-", stdin=exported)
        self.assertEqual(there("export", *kinds), exported)
        self.assertEqual([rule["number"] for rule in there.json("rule", "list", "--filter", "http")], [10, 20, 10])

    def test_without_names(self):
        """What has no name goes by its id."""
        identity = self.vtap("interface", "create", "-q").strip()
        self.vtap("target", "create", "--address", "10.9.0.1", "--name", "ids")
        self.vtap("session", "create", "--number", "1", "--source", identity, "--target", "ids")
        exported = self.vtap("export")
        self.assertEqual(self.vtap("diff", "-f", "-", stdin=exported), "")
        changed = exported.replace(f"- id: {identity}\n", f"- id: {identity}\n  description: found\n", 1)
        self.vtap("apply", "-f", "-", stdin=changed)
        self.assertEqual(self.api.get(f"/v1/interfaces/{identity}")["description"], "found")

    def test_network_of_a_subnet(self):
        """What the controller fills in is no difference."""
        text = ("networks:\n- {name: n, cidrs: [10.0.0.0/16]}\nsubnets:\n- {name: s, network: n, cidr: 10.0.0.0/24}\n"
                "interfaces:\n- {name: e, subnet: s, addresses: [10.0.0.4]}\n")
        self.vtap("apply", "-f", "-", stdin=text)
        self.assertEqual(self.vtap("apply", "-f", "-", stdin=text), "0 created, 0 changed, 0 deleted, 3 as they were\n")
        self.assertEqual(self.vtap("diff", "-f", "-", stdin=text), "")
        self.assertEqual(self.api.get("/v1/interfaces/e")["network"], self.api.get("/v1/networks/n")["id"])

    def test_only_what_differs(self):
        path = self.write(self.everything)
        self.vtap("apply", "-f", path)
        before = {kind: {item["name"]: item["version"] for item in self.api.get(f"/v1/{kind}")["items"]}
                  for kind in ("sessions", "targets", "filters", "interfaces")}
        changed = self.everything.replace("dscp: 10", "dscp: 20").replace("number: 20, action: reject", "number: 30, action: reject")
        done = self.vtap.run("diff", "-f", "-", stdin=changed)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("~ target ids\n    dscp: 10 -> 20\n", done.stdout)
        self.assertIn("    rule in 30: - -> ", done.stdout)
        self.assertIn("    rule in 20: ", done.stdout)
        self.assertIn("0 created, 2 changed, 0 deleted, 12 as they were", self.vtap("apply", "-f", "-", stdin=changed))
        after = {kind: {item["name"]: item["version"] for item in self.api.get(f"/v1/{kind}")["items"]} for kind in before}
        self.assertEqual([(kind, name) for kind in before for name in before[kind] if before[kind][name] != after[kind][name]],
                         [("targets", "ids"), ("filters", "http")])

    def test_what_the_controller_assigned_stays(self):
        text = "targets: [{name: ids, address: 10.9.0.1}]\n" \
               "sessions: [{name: s, number: 1, sources: ['tag:a=b'], target: ids}]\n"
        self.vtap("apply", "-f", "-", stdin=text)
        vni = self.api.get("/v1/sessions/s")["encapsulation"]["vni"]
        self.assertIsInstance(vni, int)
        self.assertIn(" 2 as they were", self.vtap("apply", "-f", "-", stdin=text))
        self.vtap("session", "disable", "s")
        self.vtap("apply", "-f", "-", stdin=text)
        session = self.api.get("/v1/sessions/s")
        self.assertEqual((session["enabled"], session["encapsulation"]["vni"]), (True, vni))

    def test_numbers_that_move_up(self):
        """Each session's new number is the old one of the next, which must go first."""
        self.vtap("interface", "create", "--name", "web")
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1")

        def manifest(shift):
            return "sessions:\n" + "".join(f"- {{name: s{n}, number: {n + shift}, sources: [web], target: ids}}\n" for n in (1, 2, 3, 4))
        self.vtap("apply", "-f", "-", stdin=manifest(0))
        self.assertIn("0 created, 4 changed", self.vtap("apply", "-f", "-", stdin=manifest(1)))
        self.assertEqual([self.api.get(f"/v1/sessions/s{n}")["number"] for n in (1, 2, 3, 4)], [2, 3, 4, 5])

    def test_refusals(self):
        said = self.vtap("apply", "-f", self.write("targets:\n- {name: a, address: 10.9.0.1}\n- name: b\n  mtu: 1\n"), status=USAGE)
        self.assertRegex(said, r":[34]: targets\[1\]\.(mtu|address): ")
        self.assertEqual(self.api.get("/v1/targets")["items"], [])
        viewer = self.make_vtap(project=self.project, credential=self.make_user("viewer")["key"])
        path = self.write("targets: [{name: a, address: 10.9.0.1}]\n")
        self.assertTrue(viewer("apply", "-f", path, status=REFUSED).startswith("target a: "))
        self.assertEqual(viewer.run("diff", "-f", path).stdout, "+ target a\n    address: 10.9.0.1\n")
        self.vtap("apply", "-f", "-", "--prune", stdin="targets: []\n", status=USAGE)
        self.vtap("apply", "-f", "-", stdin="manifest: one\ntargets: [{name: a, address: 10.9.0.1}]\n")
        said = self.vtap("apply", "-f", "-", stdin="manifest: two\ntargets: [{name: a, address: 10.9.0.1}]\n", status=USAGE)
        self.assertIn("belongs to the manifest one", said)


class AccessTest(CliCase):
    def setUp(self):
        super().setUp()
        self.user = unique("bob")
        self.person = self.make_vtap(credential=())
        self.vtap("user", "create", "--name", self.user, "--role", f"{self.project}=operator", "--password", stdin=PASSWORD + "\n")
        self.profile = os.path.join(self.person.home, ".config", "vtap", "profile")

    def test_login(self):
        self.person("login", "--user", self.user, stdin="wrong password\n", status=REFUSED)
        self.assertFalse(os.path.exists(self.profile))
        self.assertIn(f"as {self.user}", self.person("login", "--user", self.user, stdin=PASSWORD))
        self.assertEqual(os.stat(self.profile).st_mode & 0o7777, 0o600)
        with open(self.profile) as file:
            self.assertNotIn(PASSWORD, file.read())
        self.assertEqual(self.person.json("whoami")["name"], self.user)
        self.person("filter", "create", "--name", "f")
        # Another controller does not get the token: it is not even asked with one.
        self.assertIn("vtap login", self.person("whoami", "--url", self.controller.url.replace("127.0.0.1", "localhost"),
                                                status=REFUSED))
        os.chmod(self.profile, 0o640)
        self.assertIn("must be 0600, not 0640", self.person("whoami", status=USAGE))
        os.chmod(self.profile, 0o600)
        self.person("logout")
        self.assertIn("vtap login", self.person("whoami", status=REFUSED))
        self.person("logout", status=REFUSED)

    def test_profile_with_a_key(self):
        os.makedirs(os.path.dirname(self.profile))
        with open(self.profile, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(f"url: {self.controller.url}\nproject: {self.project}\naccess_key_id: {self.controller.key[0]}\n"
                       f"secret_access_key: {self.controller.key[1]}\n")
        done = subprocess.run(self.person.argv("whoami", "-o", "json"), env={"HOME": self.person.home}, check=True,
                              stdout=subprocess.PIPE)
        self.assertEqual(json.loads(done.stdout)["project"], self.api.get("/v1/whoami")["project"])

    def test_passwords_are_not_shown(self):
        terminal = self.person.terminal("login", "--user", self.user)
        terminal.wait_for("Password: ")
        terminal.type(PASSWORD + "\n")
        status, shown = terminal.wait()
        self.assertEqual(status, DONE, shown)
        self.assertNotIn(PASSWORD, shown)
        # One's own needs the old one; the new one is asked for twice.
        terminal = self.person.terminal("user", "password", self.user)
        for prompt, text in (("Current password: ", PASSWORD), ("New password: ", "another password"),
                             ("The same again: ", "another passwort")):
            terminal.wait_for(prompt)
            terminal.type(text + "\n")
        status, shown = terminal.wait()
        self.assertEqual(status, USAGE)
        self.assertIn("the two passwords differ", shown)
        self.assertNotIn("another", shown)
        self.person("user", "password", self.user, stdin=f"{PASSWORD}\nanother password\n")
        self.person("login", "--user", self.user, stdin=PASSWORD, status=REFUSED)
        self.person("login", "--user", self.user, stdin="another password")

    def test_terminal_is_put_back(self):
        """An interrupted question leaves a terminal that shows again what is typed."""
        terminal = self.person.terminal("login", "--user", self.user)
        terminal.wait_for("Password: ")
        self.assertFalse(terminal.echoes())
        terminal.type("\x03")  # control-C
        self.assertEqual(terminal.wait()[0], -signal.SIGINT)
        self.assertTrue(terminal.echoed)

    def test_secrets_are_no_arguments(self):
        self.assertIn("takes no value", self.vtap("user", "create", "--name", "x", "--password=secret", status=USAGE))


class TerminalTest(CliCase):
    def setUp(self):
        super().setUp()
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1", "--description", "long " * 30)
        self.vtap("session", "create", "--name", "s", "--number", "1", "--source", "tag:a=b", "--source", "tag:something=other",
                  "--target", "ids")

    def test_width_and_colour(self):
        for columns in (60, 90):
            status, shown = self.vtap.terminal("session", "list", columns=columns).wait()
            lines = [re.sub(r"\x1b\[\d*m", "", line) for line in shown.splitlines()]
            self.assertEqual(status, DONE)
            self.assertIn("\x1b[", shown)
            if columns == 90:
                self.assertTrue(all(len(line) <= columns for line in lines), lines)
            self.assertIn("...", shown)
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotIn("\x1b", self.vtap.terminal("session", "list", environment=environment).wait()[1])
        self.assertNotIn("\x1b", self.vtap("session", "list"))
        self.assertIn("tag:a=b, tag:something=other", self.vtap("session", "list"))

    def test_watch(self):
        terminal = self.vtap.terminal("target", "list", "--watch", "--interval", "1")
        terminal.wait_for("ids")
        self.vtap("target", "create", "--name", "later", "--address", "10.9.0.2")
        terminal.wait_for("later")
        terminal.kill(signal.SIGINT)
        status, shown = terminal.wait()
        self.assertEqual(status, -signal.SIGINT)
        self.assertGreaterEqual(shown.count("\x1b[H\x1b[2J"), 2)

    def test_packets_are_nothing_for_a_terminal(self):
        status, shown = self.vtap.terminal("capture", "s").wait()
        self.assertEqual(status, USAGE)
        self.assertIn("tshark", shown)
        self.assertEqual(self.vtap("capture", "nothing", status=REFUSED).count("nothing"), 1)


class LookingTest(CliCase, AgentCase):
    def test_what_a_capture_leaves_out(self):
        agent, silent = self.agent(), self.host(name=unique("silent"))
        session = self.session(sources=[self.plugged(agent, "tap1"), self.interface(host=silent, device="tap1")])["id"]
        agent.follow()
        poll = agent.start_poll()
        process = self.vtap.start("capture", session, "--write", os.path.join(self.vtap.home, "file"))
        agent.join_poll(poll)
        self.assertEqual(agent.upload(agent.requests[-1], [b"x" * 60], end=True, left_out=3), 204)
        _, said = process.communicate(timeout=30)
        name = self.admin.get(f"/v1/hosts/{silent}")["name"]
        self.assertEqual((process.returncode, said),
                         (DONE, f"vtap: left out: 3 packets; host {name}: its agent has not been heard yet\n"))
        self.admin.post(f"/v1/hosts/{agent.host}/revoke")
        self.assertIn(f"host {name}: its agent", self.vtap("capture", session, "--write", "-", status=REFUSED))

    def test_hosts_that_a_check_leaves_out(self):
        sources = [self.interface(host=self.host(), device="tap1") for _ in range(18)]
        session = self.session(sources=sources)["id"]
        self.assertIn("2 further hosts of the session were not asked", self.vtap("session", "check", session, status=REFUSED))


class EventsTest(CliCase):
    def test_events(self):
        """Targets are made until one is seen: the stream tells only what comes after its beginning."""
        listener = self.vtap.start("events", "--kind", "target", "--count", "2", "--output", "json")
        made = 0
        while listener.poll() is None:
            made += 1
            self.vtap("target", "create", "--name", f"t{made}", "--address", "10.9.0.1")
        out, err = listener.communicate()
        self.assertEqual((listener.returncode, err), (DONE, ""))
        events = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(event["event"], event["kind"]) for event in events], [("created", "target")] * 2)
        first = int(events[0]["resource"]["name"][1:])
        self.assertEqual(events[1]["resource"]["name"], f"t{first + 1}")


class CompletionTest(CliCase):
    def complete(self, *words):
        script = 'source <("$VTAP" completion bash); COMP_WORDS=("$VTAP" "$@"); COMP_CWORD=$#; _vtap; printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", script, "bash", *words], check=True, stdout=subprocess.PIPE, text=True,
                              env={**self.vtap.environment, "VTAP": self.vtap.argv()[0]})
        return done.stdout.split()

    def test_bash(self):
        self.vtap("target", "create", "--name", "ids", "--address", "10.9.0.1")
        self.vtap("target", "create", "--name", "other", "--address", "10.9.0.1")
        self.assertEqual(self.complete("tar"), ["target"])
        self.assertEqual(self.complete("session", "create", "--mo"), ["--mode"])
        self.assertEqual(self.complete("session", "create", "--mode", ""), ["exclusive", "copy"])
        self.assertEqual(self.complete("session", "create", "--target", ""), ["ids", "other"])
        self.assertEqual(self.complete("target", "show", "o"), ["other"])


class TlsTest(Case):
    def test_trust(self):
        """The controller's certificate is checked: against the authority that one has, or the system's."""
        with Controller(store="memory", options=["--certificate", "auto"]) as controller:
            vtap = Vtap(controller)
            self.addCleanup(vtap.close)
            said = vtap("whoami", status=UNREACHABLE)
            self.assertIn("certificate", said)
            authority = os.path.join(vtap.home, "authority.pem")
            with open(authority, "w") as file:
                file.write(download_authority(controller))
            self.assertEqual(vtap.json("whoami", environment={"VTAP_CA_FILE": authority})["name"], "admin")
            with open(authority, "w") as file:
                file.write("no certificate\n")
            self.assertNotEqual(vtap.run("whoami", environment={"VTAP_CA_FILE": authority}).returncode, DONE)


if __name__ == "__main__":
    main()
