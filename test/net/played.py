# SPDX-License-Identifier: Apache-2.0
"""A controller that a test plays itself: the agent's side of the protocol (docs/agent-protocol.md), to the letter or against it."""

import hashlib
import http.server
import json
import socket
import threading
import time
import urllib.parse

from lab import wait_until

HOST = "host-0123456789abcdef0"
TOKEN = f"vtapjoin-{HOST}-{'A1b2C3d4' * 5}-{'0' * 64}"
BEARER = f"vtapagent-{HOST}-secret"


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def session_id(number):
    return f"tms-{number:017x}"


def session(number=1, device="v1", side="host", **keys):
    """All that goes through the device, unless keys say otherwise."""
    wanted = {"name": session_id(number), "label": f"session-{number}", "number": number, "mode": "exclusive",
              "enabled": True, "sources": [{"device": device, "side": side, "interface": f"eni-{number:017x}"}],
              "direction": "out", "target": "tmt-1", "encapsulation": {"type": "vxlan", "vni": 66, "port": 4789},
              "offline": "keep", **keys}
    return {key: value for key, value in wanted.items() if value is not None}


class Refusal(Exception):
    def __init__(self, status, problem_type="about:blank", detail="because the test says so", retry_after_s=None):
        super().__init__(detail)
        self.status, self.problem = status, {"type": problem_type, "title": "no", "status": status, "detail": detail}
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}


class PlayedController:
    """Listens on the namespace's loopback from start() to stop(); what it knows outlives a stop()."""

    def __init__(self, namespace, target):
        self.namespace, self.target = namespace, target
        self.changed = threading.Condition()
        self.epoch, self.revision, self.plan = "a" * 32, 0, None
        self.chunks = {}  # hash -> text
        self.chunks_at_a_time = 64  # in one answer; 0 = a release older, which gives them one by one
        self.chunks_asked = []  # how many hashes were in each request for several
        self.requests = []
        self.refusal = None  # of every request that needs a credential: what Refusal() is made of
        self.reports, self.answers, self.captured = [], {}, {}  # as they came; by request
        self.left_out = {}  # packets that were no part of a capture, by request
        self.asked = []  # (method, path) of every request
        self.times = []  # when each came
        self.connections = []  # X-Vtap-Connection of every GET of the plan
        self.want = []
        self.port, self.server = 0, None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        listening = self.namespace.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(64)
        self.port = listening.getsockname()[1]
        handler = type("Handler", (_Handler,), {"controller": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket, self.server.daemon_threads = listening, True
        self.server.open = set()
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.namespace.lab.on_exit(self.stop)
        return self

    def stop(self):
        """As a controller that is killed: nothing that was open is answered."""
        if not self.server:
            return
        server, self.server = self.server, None
        server.shutdown()
        server.socket.close()
        for connection in list(server.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its other end has gone first

    def put(self, *sessions, rules=None, revision=None, **keys):
        """A new plan. rules: filter name -> list of chunks, each a list of rules."""
        filters = []
        for name, chunks in (rules or {}).items():
            texts = [json.dumps(chunk) for chunk in chunks]
            self.chunks.update({sha256(text): text for text in texts})
            filters.append({"name": name, "chunks": [sha256(text) for text in texts]})
        rest = {"version": 1, "host": HOST, "never_mirror": [], "targets": [{"name": "tmt-1", "address": self.target}],
                "filters": filters, "sessions": list(sessions), **keys}
        with self.changed:
            self.revision = self.revision + 1 if revision is None else revision
            self.plan = {**rest, "epoch": self.epoch, "revision": self.revision, "hash": sha256(canonical(rest))}
            self.changed.notify_all()
        return self.plan

    def ask(self, **request):
        """A request to the agent; its number and id."""
        with self.changed:
            number = 1 + max([given["number"] for given in self.requests], default=0)
            self.requests.append({"number": number, "id": f"req-{number:017x}", "expires": 30, **request})
            self.changed.notify_all()
        return self.requests[-1]["id"]

    def refuse(self, *refusal):
        """From now on, all that a credential is needed for; without arguments no longer."""
        with self.changed:
            self.refusal = refusal or None
            self.changed.notify_all()

    def wait_report(self, predicate, timeout_s=10, what="a report"):
        """The first report that fits, among those that came and come."""
        def find():
            return next((report for report in list(self.reports) if predicate(report)), None)
        wait_until(find, timeout_s, lambda: f"{what}; the last is {self.reports[-1:]}", 0.005)
        return find()

    def wait_applied(self, timeout_s=10):
        """The first report that the plan is in force."""
        wanted = self.plan
        return self.wait_report(lambda report: (report.get("epoch"), report.get("revision")) ==
                                (wanted["epoch"], wanted["revision"]), timeout_s, f"revision {wanted['revision']}")

    # What the agent asks for, called by threads of the server.

    def get_plan(self, query, headers):
        self.connections.append(headers["X-Vtap-Connection"])
        until = time.monotonic() + int(query.get("wait", 0))
        with self.changed:
            while True:
                if self.refusal:
                    raise Refusal(*self.refusal)
                if self.server is None:
                    return None
                plan, waiting = self.plan, [request for request in self.requests
                                            if request["number"] > int(query.get("request", 0))]
                if plan and (plan["epoch"] != query.get("epoch") or plan["revision"] < int(query["revision"]) or
                             plan["hash"] != query.get("hash")):
                    return {**plan, "requests": waiting}
                if plan and waiting:
                    return {**{key: plan[key] for key in ("version", "epoch", "revision", "hash", "host")},
                            "unchanged": True, "requests": waiting}
                if time.monotonic() >= until:
                    return None
                self.changed.wait(until - time.monotonic())


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    controller = None

    def setup(self):
        super().setup()
        self.server.open.add(self.connection)

    def finish(self):
        self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/json", headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)

    def handle_one(self, method):
        controller, url = self.controller, urllib.parse.urlsplit(self.path)
        query, body = dict(urllib.parse.parse_qsl(url.query)), b""
        if method == "POST":
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        controller.times.append(time.monotonic())
        controller.asked.append((method, url.path))
        try:
            if url.path == "/agent/v1/join":
                if json.loads(body)["token"] != TOKEN:
                    raise Refusal(401, "vtap:join-refused", "the join token is not known")
                self.answer(201, {"host": HOST, "token": BEARER})
                return
            if controller.refusal:
                raise Refusal(*controller.refusal)
            if self.headers.get("Authorization") != f"Bearer {BEARER}":
                raise Refusal(401)
            self.dispatch(url.path, query, body)
        except Refusal as refusal:
            self.answer(refusal.status, refusal.problem, "application/problem+json", refusal.headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def dispatch(self, path, query, body):
        controller, last = self.controller, path.rsplit("/", 1)[-1]
        if path == "/agent/v1/plan":
            plan = controller.get_plan(query, self.headers)
            self.answer(200 if plan else 304, plan or b"")
        elif path == "/agent/v1/chunks" and controller.chunks_at_a_time:
            hashes = query["hashes"].split(",")
            controller.chunks_asked.append(len(hashes))
            known = [controller.chunks[each] for each in hashes if each in controller.chunks]
            self.answer(200, "".join(f"{text}\n" for text in known[:controller.chunks_at_a_time]).encode(), "application/x-ndjson")
        elif path.startswith("/agent/v1/chunks/"):
            if last not in controller.chunks:
                raise Refusal(404)
            self.answer(200, controller.chunks[last].encode())
        elif path == "/agent/v1/report":
            controller.reports.append(json.loads(body))
            want, controller.want = controller.want, []
            self.answer(200 if want else 204, {"want": want} if want else b"")
        elif path.startswith("/agent/v1/answer/"):
            controller.answers[last] = json.loads(body)
            self.answer(204)
        elif path.startswith("/agent/v1/capture/"):
            controller.left_out[last] = controller.left_out.get(last, 0) + int(query.get("left_out", 0))
            controller.captured.setdefault(last, []).append((body, "end" in query))
            self.answer(204)
        else:
            raise Refusal(404)

    def do_GET(self):
        self.handle_one("GET")

    def do_POST(self):
        self.handle_one("POST")
