# SPDX-License-Identifier: Apache-2.0
"""An agent without packets: it speaks docs/agent-protocol.md to a controller, and says what a test wants it to say.

    agent = FakeAgent(controller).join(admin.post(f"/v1/hosts/{host}/token")["token"])
    plan = agent.poll()
    agent.report()  # that all of it is active
"""

import json
import os
import secrets
import ssl
import struct
import subprocess
import tempfile
import threading

from controller import Client, Refused


def make_request(folder):
    """A key's file and the text of a certificate request for it."""
    key = os.path.join(folder, "agent.key")
    made = subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-subj", "/CN=anybody", "-keyout", key], check=True, capture_output=True, text=True)
    return key, made.stdout


class FakeAgent:
    """
    One agent with a credential of its own.
        epoch, revision, hash: of the plan that it has accepted, which is in .plan
        requests: all that it was asked to do
    """

    def __init__(self, controller, token=None, timeout_s=90):
        self.controller, self.timeout_s = controller, timeout_s
        self.token, self.context, self.host = token, None, None
        self.certificate = self.key = None
        self.restart()
        self._client = None
        self._folder = None

    def restart(self):
        """As a new process begins: another instance, and nothing of a plan."""
        self.instance, self.counter = secrets.token_hex(8), 0
        self.epoch = self.hash = None
        self.revision = self.request_number = 0
        self.plan, self.requests, self.chunks = None, [], {}

    def clone(self):
        """What a copied state directory makes: another process with the same credential."""
        other = FakeAgent(self.controller, self.token, self.timeout_s)
        other.context, other.host, other.certificate, other.key = self.context, self.host, self.certificate, self.key
        return other

    def close(self):
        if self._client:
            self._client.close()
        if self._folder:
            self._folder.cleanup()

    @property
    def client(self):
        if self._client is None:
            self._client = self.connect()
        return self._client

    def connect(self):
        """A connection of its own, for what waits."""
        return Client(self.controller.url, self.token, context=self.context, timeout_s=self.timeout_s)

    def join(self, token):
        """With that join token, over TLS with a new key."""
        tls = self.controller.url.startswith("https")
        body = {"token": token, "request": None, "agent": {"version": "0.1.0", "layout": 1, "kernel": "6.1.0"}}
        if not tls:
            client = self.controller.anonymous()
            answer = client.post("/agent/v1/join", body)
            client.close()
            self.host, self.token = answer["host"], answer["token"]
            return self
        self._folder = tempfile.TemporaryDirectory(prefix="fake-agent-")
        self.key, body["request"] = make_request(self._folder.name)
        client = Client(self.controller.url, context=self.controller.authority())
        answer = client.post("/agent/v1/join", body)
        client.close()
        self.host = answer["host"]
        self.use_certificate(answer["certificate"], answer["authority"])
        return self

    def use_certificate(self, certificate, authority=None):
        if authority:
            self.context = ssl.create_default_context(cadata=authority)
        self.certificate = os.path.join(self._folder.name, "agent.pem")
        with open(self.certificate, "w") as out:
            out.write(certificate)
        self.context.load_cert_chain(self.certificate, self.key)
        if self._client:
            self._client.close()
            self._client = None

    def poll(self, wait=0, client=None, **query):
        """One GET of the plan: the status, after which what came has been taken."""
        self.counter += 1
        asked = {"wait": wait, "request": self.request_number}
        if self.epoch:
            asked.update(epoch=self.epoch, revision=self.revision, hash=self.hash)
        asked.update(query)
        path = "/agent/v1/plan?" + "&".join(f"{name}={value}" for name, value in asked.items() if value is not None)
        answer = (client or self.client).request("GET", path,
                                                 headers={"X-Vtap-Connection": f"{self.instance}:{self.counter}"})
        if answer.status >= 400:
            raise Refused(answer, path)
        if answer.status == 200:
            self.take(answer.json)
        return answer.status

    def take(self, document):
        for request in document.get("requests", []):
            if request["number"] > self.request_number:
                self.requests.append(request)
                self.request_number = request["number"]
        if document.get("unchanged"):
            return
        self.epoch, self.revision, self.hash = document["epoch"], document["revision"], document["hash"]
        self.plan = document

    def start_poll(self, wait=60):
        """A poll by a thread: .join_poll() returns its status."""
        result = {}
        client = self.connect()

        def run():
            try:
                result["status"] = self.poll(wait, client)
            except Exception as exception:  # the test's own thread raises it
                result["exception"] = exception
            finally:
                client.close()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.result = result
        return thread

    @staticmethod
    def join_poll(thread, timeout_s=30):
        thread.join(timeout_s)
        if thread.is_alive():
            raise TimeoutError("the poll has not ended")
        if "exception" in thread.result:
            raise thread.result["exception"]
        return thread.result["status"]

    def chunk(self, chunk_hash):
        return self.client.get(f"/agent/v1/chunks/{chunk_hash}")

    def sessions(self, state="active", reason="", counters=None, sources=None):
        """A report's `sessions` for the plan, all alike."""
        return [{"id": session["name"], "state": state, "reason": reason,
                 "sources": sources if sources is not None else
                 [{"interface": source["interface"], "device": source["device"], "state": "attached", "reason": ""}
                  for source in session["sources"]],
                 "counters": counters or {"in": {}, "out": {}}} for session in (self.plan or {"sessions": []})["sessions"]]

    def report(self, sessions=None, **members):
        """What the controller wants next, if anything: a list."""
        body = {"agent": {"version": "0.1.0", "layout": 1, "kernel": "6.1.0", "instance": self.instance, "hook": "tcx"},
                "sessions": self.sessions() if sessions is None else sessions, **members}
        if self.epoch:
            body = {"epoch": self.epoch, "revision": self.revision, "hash": self.hash, **body}
        answer = self.client.post("/agent/v1/report", body)
        return answer["want"] if answer else []

    def follow(self):
        """Takes the plan as it is now, and says that all of it is active."""
        self.poll()
        return self.report()

    def answer(self, request, body):
        return self.client.post(f"/agent/v1/answer/{request['id']}", body)

    def upload(self, request, frames, end=False, left_out=0):
        """Frames as a capture's records; returns the status."""
        records = b"".join(struct.pack("<IIII", 1700000000, number, len(frame), len(frame)) + frame
                           for number, frame in enumerate(frames))
        said = [*(["end=1"] if end else []), *([f"left_out={left_out}"] if left_out else [])]
        answer = self.client.request("POST", f"/agent/v1/capture/{request['id']}" + ("?" + "&".join(said) if said else ""), records,
                                     {"Content-Type": "application/octet-stream"})
        return answer.status

    @staticmethod
    def content_of(plan):
        """What the hash is taken of."""
        rest = {name: value for name, value in plan.items() if name not in ("epoch", "revision", "hash", "requests")}
        return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
