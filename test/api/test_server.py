# SPDX-License-Identifier: Apache-2.0
"""The program: options, first start, what survives what, TLS, backup and restore, a full disk, health and metrics."""

import contextlib
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import threading

from case import Case, main, skip
from controller import PROGRAM, Client, Controller, ControllerFailed
from lab import wait_until

PASSPHRASE = "a passphrase for tests"


class ServerCase(Case):
    def controller(self, store="sqlite", **options):
        controller = Controller(store=store, **options)
        self.addCleanup(controller.close)
        return controller

    def run_program(self, *arguments, **environment):
        return subprocess.run([PROGRAM, *arguments], text=True, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, env={**os.environ, **environment})

    def temporary(self, name):
        controller = Controller(start=False)
        self.addCleanup(controller.close)
        return os.path.join(controller.folder, name)


class Start(ServerCase):
    def test_first_start(self):
        controller = self.controller()
        self.assertRegex(controller.password, r"^[A-Za-z0-9]{20}$")
        for path, mode in ((controller.key_file, 0o600), (controller.state_dir, 0o700),
                           (os.path.join(controller.state_dir, "vtap.db"), 0o600),
                           (os.path.join(controller.state_dir, "key"), 0o600)):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode, path)
        with open(controller.key_file) as source:
            self.assertEqual(sorted(json.load(source)), ["access_key_id", "secret_access_key"])
        admin = controller.client()
        self.assertEqual([item["name"] for item in admin.get("/v1/projects")["items"]], ["default"])
        self.assertRegex(admin.get("/v1/projects/default")["account_id"], r"^\d{12}$")
        self.assertEqual([item["name"] for item in admin.get("/v1/users")["items"]], ["admin"])

    def test_second_start(self):
        controller = self.controller()
        key, password = controller.key, controller.password
        controller.restart()
        self.assertEqual((controller.key, controller.password), (key, password))
        self.assertEqual(controller.client().get("/v1/keys")["total"], 1)
        os.unlink(controller.key_file)
        controller.restart()
        self.assertNotEqual(controller.key, key)
        self.assertEqual(controller.client().get("/v1/keys")["total"], 2)
        controller.client(key).get("/v1/whoami")

    def test_a_file_that_is_no_key(self):
        """What --bootstrap-key names is replaced only if it is a key of a vtapd, or nothing."""
        controller = self.controller()
        controller.stop()
        other = {"access_key_id": "key-0123456789abcdef0", "secret_access_key": "x" * 40}
        for text in ("important\n", "{}", json.dumps({**other, "more": 1}), json.dumps({**other, "access_key_id": "AKIA"}),
                     json.dumps({**other, "secret_access_key": "short"})):
            with open(controller.key_file, "w") as target:
                target.write(text)
            said = len(controller.log())
            controller.start(key=False)
            controller.client().get("/v1/whoami")
            controller.stop()
            self.assertIn("holds no access key of a vtapd", controller.log()[said:])
            with open(controller.key_file) as source:
                self.assertEqual(source.read(), text)
        for text in ("", json.dumps(other)):
            with open(controller.key_file, "w") as target:
                target.write(text)
            controller.start()
            controller.client().get("/v1/whoami")
            controller.stop()

    def no_key(self, controller, path, why):
        """It starts with that --bootstrap-key, says why there is none, and has made none."""
        controller.stop()
        written, controller.key_file = controller.key_file, path
        said = len(controller.log())
        controller.start(key=False)
        self.assertIn(f"--bootstrap-key: no key is written: {path} cannot be: {why}", controller.log()[said:])
        self.assertEqual(controller.client().get("/v1/keys")["total"], 1)
        controller.key_file = written

    def test_a_file_that_cannot_be_written(self):
        controller = self.controller()
        for _ in range(2):
            self.no_key(controller, os.path.join(controller.folder, "missing", "key.json"), "No such file or directory")

    def test_a_file_that_cannot_be_filled(self):
        if os.geteuid() != 0:
            skip("a file system of its own needs root")
        controller = self.controller()
        folder = os.path.join(controller.folder, "full")
        os.mkdir(folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=0700", "tmpfs", folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=False)
        with open(os.path.join(folder, "filler"), "wb") as filler:
            filler.write(b"x" * 4096)
        self.no_key(controller, os.path.join(folder, "key.json"), "No space left on device")
        self.assertEqual(os.listdir(folder), ["filler"])
        actions = [entry.get("action") for entry in controller.client().all("/v1/audit")]
        self.assertEqual(actions[-2:], ["bootstrap key", "bootstrap key deleted"])

    def test_wrong_options(self):
        for arguments, text in ((["--listen", "nowhere"], "--listen"), (["--listen", "0.0.0.0:0"], "--insecure-listen"),
                                (["--listen", "[::]:0"], "--insecure-listen"), (["--store", "paper"], "--store"),
                                (["--audit-retention", "0"], "--audit-retention"), (["--audit-retention", "3651"], "3650"),
                                (["--audit-max", "0"], "--audit-max"), (["--audit-max", "1048577"], "1048576"),
                                (["--key", "x"], "--certificate"), (["--certificate", "x"], "--key"), (["more"], "more"),
                                (["--backup", "a", "--restore", "b"], "only one"), (["--nothing"], "nothing")):
            done = self.run_program("--state-dir", self.temporary("state"), *arguments)
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))
            self.assertIn(text, done.stderr)
            self.assertNotIn("password", done.stdout)

    def test_insecure_listen(self):
        controller = self.controller(store="memory", listen="0.0.0.0:0", options=["--insecure-listen", "--audit-retention", "3650",
                                                                                          "--audit-max", "1048576"])
        self.assertEqual(self.allowed(controller), [])

    def allowed(self, controller):
        """Where an operator of the first project may send copies to."""
        admin, addresses = controller.client(), ("10.1.2.3", "172.31.0.9", "192.168.1.1", "fd00::9", "100.64.0.1", "192.0.2.1")
        users = {user["name"]: user["id"] for user in admin.all("/v1/users")}
        if "ann" not in users:
            users["ann"] = admin.post("/v1/users", {"name": "ann", "roles": [{"project": "default", "role": "operator"}]})["id"]
        key = admin.post("/v1/keys", {"user": users["ann"]})
        operator = controller.client((key["id"], key["secret_access_key"]), project="default")
        answers = {address: operator.request("POST", "/v1/targets", {"address": address}) for address in addresses}
        for answer in answers.values():
            self.assertIn(answer.status, (201, 403))
        admin.close()
        operator.close()
        return [address for address in addresses if answers[address].status == 201]

    def test_private_targets_of_one_project_on_one_machine(self):
        """As long as that is all there is, and nobody has said otherwise."""
        controller = self.controller(store="sqlite")
        admin, private = controller.client(), ["10.1.2.3", "172.31.0.9", "192.168.1.1", "fd00::9"]
        self.assertIsNone(admin.get("/v1/projects/default")["allowed_target_cidrs"])
        self.assertEqual(self.allowed(controller), private)
        other = admin.post("/v1/projects", {"name": "other"})["id"]
        self.assertEqual(self.allowed(controller), [])
        admin.delete(f"/v1/projects/{other}")
        self.assertEqual(self.allowed(controller), private)
        for cidrs, expected in (([], []), (["100.64.0.0/10"], ["100.64.0.1"]), (None, private)):
            admin.patch("/v1/projects/default", {"allowed_target_cidrs": cidrs})
            self.assertEqual(self.allowed(controller), expected)
        admin.close()
        controller.stop()
        controller.listen, controller.options = "0.0.0.0:0", ["--insecure-listen"]
        controller.start()
        self.assertEqual(self.allowed(controller), [])

    def test_ipv6(self):
        controller = self.controller(store="memory", listen="[::1]:0")
        controller.client().post("/v1/filters", {})

    def test_two_at_a_time(self):
        controller = self.controller()
        done = self.run_program("--listen", "127.0.0.1:0", "--state-dir", controller.state_dir)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("vtap.db", done.stderr)
        done = self.run_program("--listen", controller.listen, "--state-dir", self.temporary("state"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot listen on {controller.listen}", done.stderr)
        controller.client().get("/v1/whoami")

    def test_another_key_file(self):
        controller = self.controller()
        controller.stop()
        os.unlink(os.path.join(controller.state_dir, "key"))
        with self.assertRaises(ControllerFailed) as caught:
            controller.start()
        self.assertIn("key", str(caught.exception))

    def test_key_file_that_others_read(self):
        controller = self.controller()
        controller.stop()
        os.chmod(os.path.join(controller.state_dir, "key"), 0o640)
        with self.assertRaises(ControllerFailed) as caught:
            controller.start()
        self.assertIn("0600", str(caught.exception))


class Flood(ServerCase):
    CONNECTIONS = 2200  # from each of two addresses; 2048 is what there is for everybody who is not known

    def test_connections_of_others(self):
        """Whoever holds connections without credentials keeps neither those out who have some, nor other addresses."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2 * self.CONNECTIONS + 100:
            skip("too few descriptors are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * self.CONNECTIONS + 100), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        controller = self.controller(store="memory")
        host, port = controller.listen.rsplit(":", 1)
        known = controller.client()
        known.get("/v1/whoami")
        was = known.connection.sock
        with contextlib.ExitStack() as stack:
            for number in range(2 * self.CONNECTIONS):
                source = ("127.0.0.2", "127.0.0.3")[number % 2]
                stack.enter_context(socket.create_connection((host, int(port)), timeout=10, source_address=(source, 0)))
            fresh = controller.anonymous(timeout_s=5)
            self.assertEqual(fresh.request("GET", "/healthz").status, 200)
            known.get("/v1/whoami")
            self.assertIs(known.connection.sock, was)

    def test_head_of_what_acts(self):
        """HEAD begins neither a capture nor a stream."""
        controller = self.controller(store="memory")
        client = controller.client()
        for path in ("/v1/events", "/v1/sessions/any/capture"):
            answer = client.request("HEAD", path)
            self.assertEqual((answer.status, answer.headers["Allow"]), (405, "GET"))
        self.assertEqual(client.request("HEAD", "/v1/sessions").status, 200)


class Lives(ServerCase):
    def populate(self, client):
        client.post("/v1/targets", {"name": "ids", "address": "10.9.0.1"})
        client.post("/v1/filters", {"name": "web"})
        client.put("/v1/filters/web/rules", {"rules": [
            {"direction": "in", "number": n + 1, "protocol": "tcp", "description": f"rule {n}"} for n in range(300)]})
        for n in range(5):
            client.post("/v1/interfaces", {"name": f"e{n}"})
            client.post("/v1/sessions", {"name": f"s{n}", "number": 1, "sources": [f"e{n}"], "target": "ids", "filter": "web"})
        client.delete("/v1/sessions/s0")
        client.delete("/v1/interfaces/e0")

    def everything(self, client):
        found = {plural: client.all(f"/v1/{plural}") for plural in
                 ("targets", "filters", "interfaces", "sessions", "users", "projects", "keys", "audit")}
        found["rules"] = client.all("/v1/filters/web/rules")
        for session in found["sessions"]:
            session.pop("state", None), session.pop("reasons", None)
        return found

    def test_restart(self):
        controller = self.controller()
        client = controller.client()
        self.populate(client)
        before = self.everything(client)
        token = controller.anonymous().post("/v1/login", {"user": "admin", "password": controller.password})["token"]
        once = {"Idempotency-Key": "over a restart".replace(" ", "-")}
        made = client.post("/v1/filters", {"name": "once"}, once)
        controller.restart()
        client = controller.client()
        self.assertEqual(client.post("/v1/filters", {"name": "once"}, once), made)
        client.delete("/v1/filters/once")
        self.assertEqual({**self.everything(client), "audit": 0}, {**before, "audit": 0})
        self.assertEqual(client.all("/v1/audit")[:len(before["audit"])], before["audit"])
        controller.client(token).get("/v1/whoami")
        problem = client.request("DELETE", "/v1/targets/ids").json
        self.assertIn("s1", problem["detail"])

    def test_kill(self):
        """What was acknowledged is there, and nothing is there by half."""
        controller = self.controller()
        for number in range(3):
            acknowledged, stop = [], threading.Event()

            def write(worker, base=number):
                client = controller.client()
                for n in range(100000):
                    name = f"f{base}-{worker}-{n}"
                    try:
                        client.post("/v1/filters", {"name": name})
                        client.post(f"/v1/filters/{name}/rules", {"direction": "in", "number": 1})
                    except (OSError, http.client.HTTPException):
                        return
                    acknowledged.append(name)
                    if len(acknowledged) > 100:
                        stop.set()
            writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
            for writer in writers:
                writer.start()
            self.assertTrue(stop.wait(60))
            controller.kill()
            for writer in writers:
                writer.join()
            controller.start()
            filters = {item["name"]: item for item in controller.client().all("/v1/filters")}
            for name in acknowledged:
                self.assertEqual(filters[name]["rule_count"], 1)
            client = controller.client()
            for item in filters.values():
                self.assertEqual(client.get(f"/v1/filters/{item['id']}/rules")["total"], item["rule_count"])

    def test_stop_with_calls_under_way(self):
        controller = self.controller()
        events = controller.events()
        hanging = socket.create_connection(("127.0.0.1", int(controller.listen.rsplit(":", 1)[1])))
        self.addCleanup(hanging.close)
        hanging.sendall(b"POST /v1/filters HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        login = controller.anonymous()
        login.connection.request("POST", "/v1/login", json.dumps({"user": "admin", "password": "x" * 20}),
                                 {"Content-Type": "application/json"})
        controller.client().get("/v1/whoami")
        controller.stop()
        events.close()

    def test_backup_and_restore(self):
        controller = self.controller()
        client = controller.client()
        self.populate(client)
        before = self.everything(client)
        backup, state = self.temporary("backup.db"), self.temporary("state")
        command = ["--state-dir", controller.state_dir, "--backup", backup]
        self.assertEqual(self.run_program(*command).returncode, 2)
        self.assertEqual(self.run_program(*command, VTAP_BACKUP_PASSPHRASE="short").returncode, 2)
        done = self.run_program(*command, VTAP_BACKUP_PASSPHRASE=PASSPHRASE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for path in (backup, backup + ".key"):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(os.path.join(controller.state_dir, "key")) as key, open(backup + ".key") as sealed:
            self.assertNotIn(key.read().strip(), sealed.read())
        self.assertEqual(self.run_program(*command, VTAP_BACKUP_PASSPHRASE=PASSPHRASE).returncode, 1)
        client.delete("/v1/sessions/s1")
        epoch = self.epoch(controller)
        done = self.run_program("--state-dir", state, "--restore", backup, VTAP_BACKUP_PASSPHRASE="another passphrase")
        self.assertEqual((done.returncode, os.path.exists(os.path.join(state, "key"))), (1, False))
        done = self.run_program("--state-dir", state, "--restore", backup, VTAP_BACKUP_PASSPHRASE=PASSPHRASE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.run_program("--state-dir", state, "--restore", backup, VTAP_BACKUP_PASSPHRASE=PASSPHRASE)
        self.assertEqual(done.returncode, 1)
        restored = self.controller(folder=os.path.dirname(state), start=False)
        with open(restored.key_file, "w") as target:
            json.dump(dict(zip(("access_key_id", "secret_access_key"), controller.key)), target)
        restored.start()
        self.assertEqual({**self.everything(restored.client()), "audit": 0}, {**before, "audit": 0})
        self.assertNotEqual(self.epoch(restored), epoch)

    def epoch(self, controller):
        client = controller.client()
        client.connection.request("GET", "/v1/events", headers=client.headers)
        response = client.connection.getresponse()
        while True:
            line = response.readline().decode()
            if line.startswith("data: "):
                client.close()
                return json.loads(line.removeprefix("data: "))["epoch"]


class FullDisk(ServerCase):
    def test_writes_are_refused_and_reads_go_on(self):
        if os.geteuid() != 0:
            skip("a file system of its own needs root")
        controller = self.controller(start=False)
        os.mkdir(controller.state_dir)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", controller.state_dir], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", controller.state_dir], check=False)
        controller.start()
        client = controller.client()
        client.post("/v1/filters", {"name": "before"})
        filler = os.path.join(controller.state_dir, "filler")
        with open(filler, "wb", buffering=0) as target, contextlib.suppress(OSError):
            while target.write(b"x" * 4096):
                pass
        answer = None
        for number in range(1000):
            answer = client.request("POST", "/v1/filters", {"name": f"f{number}"})
            if answer.status != 201:
                break
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (507, "application/problem+json"))
        self.assertIn("disk", answer.json["detail"])
        self.assertEqual(client.request("GET", f"/v1/filters/f{number}").status, 404)
        self.assertEqual(client.get("/v1/filters")["total"], number + 1)
        self.assertEqual(client.request("DELETE", "/v1/filters/before").status, 507)
        self.assertEqual(client.get("/v1/filters/before")["name"], "before")
        self.assertEqual(client.request("GET", "/readyz").status, 503)
        self.assertEqual(client.request("GET", "/healthz").status, 200)
        os.unlink(filler)
        client.post("/v1/filters", {"name": f"f{number}"})
        self.assertEqual(client.request("GET", "/readyz").status, 200)
        total = client.get("/v1/filters")["total"]
        controller.restart()
        self.assertEqual(controller.client().get("/v1/filters")["total"], total)
        controller.stop()


class Tls(ServerCase):
    def test_a_certificate_of_its_own(self):
        controller = self.controller(store="memory", options=["--certificate", "auto"])
        context = controller.authority()
        self.assertEqual(controller.client(context=context).get("/v1/whoami")["name"], "admin")
        port = int(controller.url.rsplit(":", 1)[1])
        self.assertEqual(Client(f"https://localhost:{port}", controller.key, context=context).get("/v1/whoami")["name"], "admin")
        with self.assertRaises(ssl.SSLError):
            controller.client().get("/v1/whoami")

    def make_certificate(self, folder, name):
        """Paths of a self-signed certificate for the loopback address, and of its key."""
        key, certificate = os.path.join(folder, f"{name}.key"), os.path.join(folder, f"{name}.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                        "-out", certificate, "-days", "1", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, stderr=subprocess.DEVNULL)
        return certificate, key

    def test_a_new_certificate(self):
        folder = os.path.dirname(self.temporary("x"))
        first, second = (self.make_certificate(folder, name) for name in ("first", "second"))
        certificate, key = os.path.join(folder, "used.pem"), os.path.join(folder, "used.key")
        for source, target in zip(first, (certificate, key)):
            shutil.copy(source, target)
        controller = self.controller(store="memory", options=["--certificate", certificate, "--key", key])
        trusting = [ssl.create_default_context(cafile=path) for path, _ in (first, second)]
        old = controller.client(context=trusting[0])
        old.get("/v1/whoami")
        shutil.copy(second[0], certificate)
        controller.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "stays" in controller.log(), 10, controller.log)
        controller.client(context=trusting[0]).get("/v1/whoami")
        shutil.copy(second[1], key)
        controller.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "read again" in controller.log(), 10, controller.log)
        controller.client(context=trusting[1]).get("/v1/whoami")
        with self.assertRaises(ssl.SSLError):
            controller.client(context=trusting[0]).get("/v1/whoami")
        old.get("/v1/whoami")

    def test_a_given_certificate(self):
        certificate, key = self.make_certificate(os.path.dirname(self.temporary("x")), "test")
        controller = self.controller(store="memory", options=["--certificate", certificate, "--key", key])
        context = ssl.create_default_context(cafile=certificate)
        self.assertEqual(controller.client(context=context).get("/v1/whoami")["name"], "admin")
        plain = Client(controller.url.replace("https", "http"), controller.key)
        with self.assertRaises((OSError, http.client.HTTPException)):
            plain.get("/v1/whoami")
        for wrong in (["--certificate", key, "--key", certificate], ["--certificate", "/nowhere", "--key", key]):
            done = self.run_program("--store", "memory", "--listen", "127.0.0.1:0", *wrong)
            self.assertIn(done.returncode, (1, 2))
            self.assertTrue(done.stderr)


class Watching(ServerCase):
    def test_health(self):
        controller = self.controller(store="memory")
        anonymous = controller.anonymous()
        self.assertEqual(anonymous.get("/healthz"), {"status": "ok"})
        self.assertEqual(anonymous.get("/readyz"), {"status": "ready"})
        self.assertEqual(anonymous.request("GET", "/metrics").status, 401)

    def test_metrics(self):
        controller = self.controller(store="memory")
        client = controller.client()
        client.post("/v1/filters", {})
        client.request("POST", "/v1/filters", {"name": 7})
        answer = client.request("GET", "/metrics")
        self.assertIn("version=0.0.4", answer.headers["Content-Type"])
        values = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
        self.assertEqual(values['vtap_controller_objects{kind="filter"}'], "1")
        self.assertEqual(values['vtap_controller_requests_total{status="4xx"}'], "1")
        self.assertEqual(values["vtap_controller_writes_refused_total"], "1")
        self.assertGreater(float(values["vtap_controller_resident_memory_bytes"]), 1e6)

    def test_security_headers(self):
        answer = self.controller(store="memory").client().request("GET", "/v1/whoami")
        self.assertEqual((answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]), ("no-store", "nosniff"))

    def test_sigint(self):
        controller = self.controller(store="memory")
        process, controller.process = controller.process, None
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), 0)
        process.stdout.close()


main()
