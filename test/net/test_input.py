# SPDX-License-Identifier: Apache-2.0
"""Bad input and hosts that lack something: one sentence, the right exit status, and nothing changed."""

import copy
import json
import os

import agent as agent_module
from case import main
from host import COLLECTOR, HostCase, accept, config, session
from lab import run

# What stands around the wrong part; line 6 is the first one of the session.
HEAD = f"""\
targets:
  - {{name: ids, address: {COLLECTOR}}}
filters:
  - {{name: web, rules: [{{direction: out, number: 10, action: accept}}]}}
sessions:
  - name: s
    number: 1
    sources: [{{device: v1}}]
    target: ids
    encapsulation: {{type: vxlan, vni: 66}}
"""

# Name -> (text of the file, line, field, what the sentence says).
WRONG = {
    "unknown key": (HEAD + "    vin: 5\n", 11, "sessions[0].vin", "unknown"),
    "unknown key at the top": ("uplinks: uA\n" + HEAD, 1, "uplinks", "unknown"),
    "bad CIDR": (HEAD.replace("action: accept", "action: accept, source: 10.0.0.1/33"), 4,
                 "filters[0].rules[0].source", "10.0.0.1/33"),
    "CIDR with host bits": (HEAD.replace("action: accept", "action: accept, source: 10.0.0.1/24"), 4,
                            "filters[0].rules[0].source", "10.0.0.0/24"),
    "reversed port range": (HEAD.replace("action: accept", "action: accept, protocol: tcp, destination_ports: 443-80"), 4,
                            "filters[0].rules[0].destination_ports", "443-80"),
    "duplicate session number on one source": (
        HEAD + "  - name: t\n    number: 1\n    sources: [{device: v1}]\n    target: ids\n    encapsulation: {vni: 67}\n",
        12, "sessions[1].number", r'"s" \(line 6\)'),
    "target equal to source": (HEAD.replace("device: v1", "device: uA"), 8, "sessions[0].sources[0].device",
                               "the target ids .* must not be its own source"),
    "target on this host": (HEAD.replace(COLLECTOR, "172.31.0.1"), 8, "sessions[0].sources[0].device", "this host itself"),
    "VNI out of range": (HEAD.replace("vni: 66", "vni: 16777216"), 10, "sessions[0].encapsulation.vni", "16777216"),
    "no VNI": (HEAD.replace(", vni: 66", ""), 10, "sessions[0].encapsulation.vni", "required|missing"),
    "65 rules": (HEAD.replace("{direction: out, number: 10, action: accept}", ", ".join(
        f"{{direction: out, number: {number}, action: accept}}" for number in range(1, 66))), 4,
        r"filters[0].rules[64]", "64"),
    "no such target": (HEAD.replace("target: ids", "target: sdi"), 9, "sessions[0].target", "sdi"),
    "no such filter": (HEAD + "    filter: wen\n", 11, "sessions[0].filter", "wen"),
    "exclusive without a number": (HEAD.replace("    number: 1\n", ""), 6, "sessions[0].number", "required"),
    "packets and flows": (HEAD + "    sample: {packets: 2, flows: 2}\n", 11, "sessions[0].sample", "not both"),
    "bad mode": (HEAD + "    mode: both\n", 11, "sessions[0].mode", "exclusive"),
    "packet length": (HEAD + "    packet_length: 9217\n", 11, "sessions[0].packet_length", "9216"),
    "the same device with two sides": (
        HEAD + "  - {name: t, number: 2, sources: [{device: v1, side: own}], target: ids, encapsulation: {vni: 6}}\n",
        11, "sessions[1].sources[0]", "one side"),
    "not YAML": (HEAD + "  {\n", 12, "", "YAML"),
    "empty": ("", 1, "", "empty"),
    "key twice": (HEAD + "    target: ids\n", 11, "", 'key "target" appears twice'),
}


class BadInput(HostCase):
    def state(self):
        """Everything that a start could have changed on this host."""
        return (self.attached(), self.host.ip("link show"), self.host.ip("route show table all"),
                sorted(os.listdir(self.lab.tmp)))

    def refused(self, argv):
        done = self.host.run(argv, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("vtap-agent: "), done.stderr)
        return done.stderr.removesuffix("\n")

    def test_wrong_files(self):
        """--check and a start say the same; a running agent keeps the old file, and says so in log and status."""
        agent = self.agent()
        agent.stop()
        agent.detach()
        os.makedirs(agent.pin_dir, exist_ok=True)
        before = self.state()
        messages = {}
        for name, (text, line, field, sentence) in WRONG.items():
            with self.subTest(name):
                agent.write(text)
                argv = ["--config", agent.config_path]
                messages[name] = message = self.refused(agent.argv(*argv))
                self.assertEqual(self.refused(agent.argv("--check", *argv)), message)
                place = f"vtap-agent: {agent.config_path}:{line}: {field}{': ' if field else ''}"
                self.assertEqual(message[:len(place)], place, message)
                self.assertRegex(message[len(place):], sentence)
                self.assertEqual(os.listdir(agent.pin_dir), [])
        self.assertEqual(self.state(), before)
        agent.write(config())
        agent.start()
        self.wait_state(agent, "active")
        for name, (text, *_) in WRONG.items():
            with self.subTest(name + ", reloaded"):
                pinned, logged = run(["find", agent.pin_dir]).stdout, len(agent.log())
                links = self.attached()
                agent.reload(text)
                message = messages.get(name, "").removeprefix("vtap-agent: ")
                self.assertEqual(agent.log()[logged:], f"{message}; the configuration in force stays\n")
                status = agent.status()
                self.assertEqual(status["warnings"], [message])
                self.assertEqual((status["agent"]["generation"], status["sessions"][0]["state"]), (1, "active"))
                self.assertIn(f"warning: {message}\n", agent.status_text())
                self.assertEqual((run(["find", agent.pin_dir]).stdout, self.attached()), (pinned, links))
        self.expect_mirrored()
        agent.reload(config())
        self.assertEqual((agent.status()["warnings"], agent.status()["agent"]["generation"]), ([], 2))

    def test_files_that_cannot_be_read(self):
        agent = self.agent()
        agent.stop()
        absent = self.lab.path("absent.yaml")
        for option in ([], ["--check"]):
            with self.subTest(option):
                self.assertEqual(self.refused(agent.argv(*option, "--config", absent)),
                                 f"vtap-agent: {absent}: cannot be read: No such file or directory")
                self.assertEqual(self.refused(agent.argv(*option, "--config", self.lab.tmp)),
                                 f"vtap-agent: {self.lab.tmp}: is not a regular file")
        large = self.lab.path("large.yaml")
        with open(large, "w") as out:
            out.truncate((4 << 20) + 1)
        self.assertEqual(self.refused(agent.argv("--check", "--config", large)),
                         f"vtap-agent: {large}: is larger than 4194304 bytes")

    def test_wrong_command_lines(self):
        agent = self.agent()
        agent.stop()
        for words, sentence in ((["--hook", "xdp"], "--hook must be tcx, clsact or auto, not xdp"),
                                (["--check", "--status"], "only one of --check, --status and --detach can be given"),
                                (["--config", agent.config_path, "more"], "there are no arguments besides options: more"),
                                (["--metrics", "nonsense"], "--metrics must be ADDRESS:PORT, not nonsense"),
                                (["--pin-dir", "relative"], "--pin-dir must be an absolute path, not relative"),
                                ([], "--config FILE or --controller URL is needed")):
            with self.subTest(words):
                done = self.host.run(agent.argv(*words), check=False)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertEqual(done.stderr.splitlines()[0].split(": ", 1)[1], sentence)

    def test_check_of_a_good_file(self):
        agent = agent_module.Agent(self.host, config())
        done = agent.check(config())
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.host.run(["ip", "neigh", "show", "dev", "uA"]).stdout, "")
        self.assertRegex(done.stdout, r"^/\S+: correct, 1 sessions, 1 filters, 1 targets\n$")
        # The example of the documentation is a good file.
        example = os.path.join(agent_module.PROJECT, "packaging", "examples", "agent.yaml")
        self.assertEqual(agent.run("--check", "--config", example).stderr, "")


class Limits(HostCase):
    """The largest file that is taken, and the one that has one too many."""

    def expect_limit(self, make, most, sentence):
        agent = self.checker
        good, bad = agent.check(make(most)), agent.check(make(most + 1))
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        self.assertEqual(bad.returncode, 2, bad.stdout)
        self.assertRegex(bad.stderr, sentence)
        self.assertEqual(bad.stderr.count("\n"), 1)

    def setUp(self):
        super().setUp()
        self.checker = agent_module.Agent(self.host, config())

    def test_limits(self):
        def rules(count):
            wanted = config()
            wanted["filters"] = [{"name": "udp", "rules": [accept(number) for number in range(1, count + 1)]}]
            return wanted

        def rules_over_sessions(count):
            wanted = config(session("a"), session("b", number=2, filter="more"))
            wanted["filters"].append({"name": "more", "rules": [accept(number) for number in range(1, count)]})
            return wanted

        def sessions_of_a_device(count):
            return config(*[session(f"s{number}", number=number, filter=None) for number in range(1, count + 1)])

        def sessions(count):
            return config(*[session(f"s{number}", number=number % 64 + 1, filter=None, sources=[{"device": f"d{number // 64}"}])
                            for number in range(count)])

        def sources(count):
            return config(session(sources=[{"device": f"d{number}"} for number in range(count)]))

        def tunnel_ports(count):
            return config(never_mirror=[{"address": "10.9.0.1", "port": port} for port in range(1, count)])

        def targets(count):
            wanted = config()
            wanted["targets"] += [{"name": f"t{number}", "address": COLLECTOR} for number in range(count - 1)]
            return wanted

        def devices(count):
            return config(*[session(f"s{first}", filter=None, sources=[{"device": f"d{number}"} for number in range(
                first, min(first + 256, count))]) for first in range(0, count, 256)])

        def rule_tables(count):
            """Two for each device, and one for the last where the count is odd."""
            return config(*[session(f"s{number}", sources=[{"device": f"d{number}"}], direction="both" if number else "out")
                            for number in range(-(count % 2) + 1, count // 2 + 1)])

        for make, most, sentence in (
                (devices, 1023, r"sessions\[3\]\.sources\[255\]\.device: d1023 is one source too many, .* at most 1023"),
                (rule_tables, 960, r"device: d480 needs one rule table too many, at session s480: .* at most 960 different"),
                (rules, 64, r"filters\[0\]\.rules\[64\]: is one rule too many: .* at most 64"),
                (rules_over_sessions, 64, r"sessions\[1\]: brings the rules of device v1, direction out, to 65 .* at most 64"),
                (sessions_of_a_device, 64, r"sessions\[64\]: is one session too many for device v1, .* at most 64"),
                (sessions, 1024, r": sessions: .*1024"), (sources, 256, r"sessions\[0\]\.sources: .*256"),
                (tunnel_ports, 8, "is one tunnel port too many: .* at most 8"), (targets, 1024, ": targets: .*1024")):
            with self.subTest(make.__name__):
                self.expect_limit(make, most, sentence)

    def test_disabled_sessions_take_no_room(self):
        wanted = config(*[session(f"s{number}", number=number, filter=None) for number in range(1, 66)])
        wanted["sessions"][7]["enabled"] = False
        self.assertEqual(self.checker.check(wanted).returncode, 0)
        full = copy.deepcopy(wanted)
        full["sessions"][7]["enabled"] = True
        self.assertEqual(self.checker.check(full).returncode, 2)


class Privileges(HostCase):
    def expect_one_sentence(self, prefix, sentence, options=()):
        agent = self.agent()
        agent.stop()
        agent.detach()
        os.makedirs(agent.pin_dir, exist_ok=True)
        before = self.attached()
        argv = [*prefix, agent_module.PROGRAM, "--config", self.write_config(), "--state-dir", agent.state_dir, *options]
        if "--unpinned" not in options:
            argv += ["--pin-dir", agent.pin_dir]
        done = self.host.run(argv, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertRegex(done.stderr, rf"^vtap-agent: {sentence}\n$")
        self.assertEqual(self.attached(), before)
        self.assertNotIn("vtap-near", self.host.ip("link show"))

    def test_no_bpf_capability(self):
        self.expect_one_sentence(["setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-all"],
                                 "the kernel refuses to load BPF programs: run as root, or with CAP_BPF, CAP_PERFMON and "
                                 "CAP_NET_ADMIN", ["--unpinned"])

    def test_no_network_capability(self):
        self.expect_one_sentence(["setpriv", "--bounding-set", "-net_admin,-sys_admin", "--inh-caps", "-all"],
                                 ".*CAP_NET_ADMIN.*", ["--unpinned"])

    def test_nobody(self):
        """Whoever is not root cannot use root's directories."""
        os.chmod(self.lab.tmp, 0o755)
        self.expect_one_sentence(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
                                 r"the state directory \S+ cannot be used: Permission denied")

    def test_nobody_with_directories_of_its_own(self):
        state = self.lab.path("own-state")
        os.mkdir(state)
        os.chown(state, 65534, 65534)
        os.chmod(self.lab.tmp, 0o755)
        done = self.host.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", agent_module.PROGRAM,
                              "--config", self.write_config(), "--state-dir", state, "--unpinned"], check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "vtap-agent: the kernel refuses to load BPF programs: run as root, or with CAP_BPF, "
                                      "CAP_PERFMON and CAP_NET_ADMIN\n")

    def test_nobody_checks_a_file(self):
        os.chmod(self.lab.tmp, 0o755)
        done = self.host.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", agent_module.PROGRAM,
                              "--check", "--config", self.write_config()], check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def write_config(self):
        path = self.lab.path("nobody.yaml")
        with open(path, "w") as out:
            json.dump(config(), out)
        os.chmod(path, 0o644)
        return path


main()
