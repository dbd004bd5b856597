# SPDX-License-Identifier: Apache-2.0
"""Runs the real vtapd on a free loopback port, and talks JSON to it.

    with Controller() as controller:
        admin = controller.client()
        target = admin.post("/v1/targets", {"name": "ids", "address": "10.0.0.2"})
        admin.get("/v1/targets/ids")["address"]

The state directory outlives stop(), kill() and start(), unless the store is in memory.
"""

import base64
import contextlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse

PROJECT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.environ.get("VTAPD") or os.path.join(PROJECT, "build", "bin", "vtapd")
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


class ControllerFailed(Exception):
    """vtapd did not start, or did not end, as it should."""


class Refused(Exception):
    """An answer with a status of 400 or more."""

    def __init__(self, answer, what):
        super().__init__(f"{what}: {answer.status} {answer.text}")
        self.answer, self.status, self.problem = answer, answer.status, answer.json or {}


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    @property
    def json(self):
        return json.loads(self.text) if self.text and "json" in self.headers.get("Content-Type", "") else None

    @property
    def etag(self):
        return self.headers.get("ETag")


class Client:
    """One keep-alive connection with one credential: (key id, secret), a bearer token, or None."""

    def __init__(self, url, credential=None, project=None, context=None, timeout_s=60):
        parts = urllib.parse.urlsplit(url)
        self.timeout_s = timeout_s
        if parts.scheme == "https":
            self.connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
        else:
            self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        self.headers = {}
        if isinstance(credential, str):
            self.headers["Authorization"] = f"Bearer {credential}"
        elif credential:
            encoded = base64.b64encode(":".join(credential).encode()).decode()
            self.headers["Authorization"] = f"Basic {encoded}"
        if project:
            self.headers["X-Vtap-Project"] = project

    def close(self):
        self.connection.close()

    def request(self, method, path, body=None, headers=None):
        """The Answer, whatever its status. A body that is no text or bytes is sent as JSON. None values leave a header out."""
        headers = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            if not isinstance(body, (str, bytes)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
        for last in (False, True):  # a connection that the server has closed meanwhile is opened anew
            try:
                self.connection.request(method, path, body, headers)
                response = self.connection.getresponse()
                return Answer(response.status, response.headers, response.read().decode())
            except (http.client.BadStatusLine, ConnectionError, ssl.SSLEOFError):
                self.connection.close()
                if last:
                    raise

    def call(self, method, path, body=None, headers=None):
        """The answer's JSON (None if it has none), or Refused."""
        answer = self.request(method, path, body, headers)
        if answer.status >= 400:
            raise Refused(answer, f"{method} {path}")
        return answer.json

    def get(self, path, **headers):
        return self.call("GET", path, headers=headers)

    def post(self, path, body=None, headers=None):
        return self.call("POST", path, body, headers)

    def put(self, path, body, headers=None):
        return self.call("PUT", path, body, headers)

    def patch(self, path, body, headers=None):
        return self.call("PATCH", path, body, headers)

    def delete(self, path, headers=None):
        return self.call("DELETE", path, headers=headers)

    def all(self, path, limit=1000):
        """The items of all pages of a list."""
        items, cursor = [], None
        while True:
            query = f"limit={limit}" + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else "")
            page = self.get(f"{path}{'&' if '?' in path else '?'}{query}")
            items += page["items"]
            cursor = page["next"]
            if not cursor:
                return items


class Events:
    """The stream of /v1/events: next() waits for an event and returns (name, data)."""

    def __init__(self, client, path="/v1/events"):
        self.client = client
        client.connection.request("GET", path, headers=client.headers)
        self.response = client.connection.getresponse()
        if self.response.status != 200:
            raise Refused(Answer(self.response.status, self.response.headers, self.response.read().decode()), path)

    def next(self):
        name, data = None, None
        while True:
            line = self.response.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
            elif not line and name:
                return name, json.loads(data)
            elif not line and self.response.isclosed():
                raise EOFError("the stream of events has ended")

    def wait(self, predicate):
        while True:
            name, data = self.next()
            if predicate(name, data):
                return name, data

    def close(self):
        self.client.close()


class Controller:
    """
    One vtapd and its state directory.
        store: "sqlite" or "memory"
        options: more arguments
        listen: ADDRESS:PORT; port 0 is a free one, which is kept over restarts
        wrap: words in front of the command, such as ["ip", "netns", "exec", NAME]
        folder: where its files are; a temporary one if None
    """

    def __init__(self, store="sqlite", options=(), listen="127.0.0.1:0", wrap=(), folder=None, environment=None, start=True):
        self.store, self.options, self.listen, self.wrap = store, list(options), listen, list(wrap)
        self.environment = environment or {}
        self._own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="vtapd-")
        self.state_dir = os.path.join(self.folder, "state")
        self.key_file = os.path.join(self.folder, "key.json")
        self.log_path = os.path.join(self.folder, "vtapd.log")
        self.process = self.url = self.key = self.password = None
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def argv(self, *more):
        return [*self.wrap, PROGRAM, "--listen", self.listen, "--state-dir", self.state_dir, "--store", self.store,
                "--bootstrap-key", self.key_file, *self.options, *more]

    def start(self, key=True):
        """Returns when it is ready. Without key, its --bootstrap-key is not read: the key stays the one that was known."""
        notify_path = os.path.join(self.folder, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify_path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify, open(self.log_path, "a") as log:
            notify.bind(notify_path)
            self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                            env={**os.environ, **self.environment, "NOTIFY_SOCKET": notify_path})
            port = self._wait_ready(notify)
        self._read_password()
        address = self.listen.rsplit(":", 1)[0]
        self.listen = f"{address}:{port}"
        scheme = "https" if "--certificate" in self.options else "http"
        self.url = f"{scheme}://{address}:{port}"
        if key:
            with open(self.key_file) as source:
                pair = json.load(source)
            self.key = (pair["access_key_id"], pair["secret_access_key"])
        return self

    def _wait_ready(self, notify):
        """The port. The pidfd tells of an early end."""
        pidfd = os.pidfd_open(self.process.pid)
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            while time.monotonic() < deadline:
                ready, _, _ = select.select([notify, pidfd], [], [], deadline - time.monotonic())
                if notify in ready:
                    text = notify.recv(4096).decode()
                    if "READY=1" in text:
                        return int(re.search(r"port (\d+)", text)[1])
                elif pidfd in ready:
                    raise ControllerFailed(f"vtapd ended with {self.process.wait()} at its start:\n{self.log()}")
        finally:
            os.close(pidfd)
        raise ControllerFailed(f"vtapd is not ready after {START_TIMEOUT_S} s:\n{self.log()}")

    def _read_password(self):
        """Of the first start; what it has printed is in the pipe when it is ready."""
        ready, _, _ = select.select([self.process.stdout], [], [], 0)
        found = re.search(r"password (\S+)", os.read(self.process.stdout.fileno(), 4096).decode()) if ready else None
        self.password = found[1] if found else self.password

    def log(self):
        with contextlib.suppress(FileNotFoundError), open(self.log_path) as source:
            return source.read()
        return ""

    def client(self, credential=None, **options):
        """With the bootstrap key, unless another credential is given."""
        return Client(self.url, credential or self.key, **options)

    def anonymous(self, **options):
        return Client(self.url, None, **options)

    def authority(self):
        """A TLS context that trusts the controller's own authority, and it alone."""
        open_context = ssl.create_default_context()
        open_context.check_hostname, open_context.verify_mode = False, ssl.CERT_NONE
        pem = Client(self.url, context=open_context).request("GET", "/agent/v1/authority").text
        return ssl.create_default_context(cadata=pem)

    def events(self, credential=None, path="/v1/events"):
        """After its first event, from which on nothing is missed."""
        events = Events(self.client(credential), path)
        events.next()
        return events

    def stop(self):
        """SIGTERM; raises when the exit status is not 0."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ControllerFailed(f"vtapd did not end within {STOP_TIMEOUT_S} s of SIGTERM:\n{self.log()}") from None
        finally:
            process.stdout.close()
        if status != 0:
            raise ControllerFailed(f"vtapd ended with {status} after SIGTERM:\n{self.log()}")

    def kill(self):
        process, self.process = self.process, None
        process.kill()
        process.wait()
        process.stdout.close()

    def restart(self):
        self.stop()
        return self.start()

    def cpu_s(self):
        """The processor time that it has taken."""
        with open(f"/proc/{self.process.pid}/stat") as source:
            fields = source.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as source:
            return next(int(line.split()[1]) * 1024 for line in source if line.startswith("VmRSS:"))

    def close(self):
        try:
            if self.process and self.process.poll() is None:
                self.stop()
        finally:
            if self._own_folder:
                shutil.rmtree(self.folder, ignore_errors=True)
