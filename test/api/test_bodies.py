# SPDX-License-Identifier: Apache-2.0
"""Requests that are large, slow or sent by nobody: what they take from others, and what they are told."""

import base64
import json
import socket

from base import ApiCase
from case import main

RULES_MAX_BYTES = 16 << 20
HEADERS_MAX_BYTES = 16 << 10


class Bodies(ApiCase):
    def send(self, head, credential=None, body=b""):
        """A connection that has sent so much."""
        host, port = self.controller.listen.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=60)
        self.addCleanup(connection.close)
        lines = [head, "Host: vtapd", "Connection: close", "Content-Type: application/json"]
        if credential:
            lines.append("Authorization: Basic " + base64.b64encode(":".join(credential).encode()).decode())
        connection.sendall("\r\n".join(lines).encode() + b"\r\n" + body)
        return connection

    def begin(self, size, credential=None):
        """A replacement of rules without its body."""
        return self.send(f"PUT /v1/filters/x/rules HTTP/1.1\r\nContent-Length: {size}", credential, b"\r\n")

    def stall(self, credential=None):
        """A replacement of rules of which the last byte is missing."""
        return self.send(f"PUT /v1/filters/x/rules HTTP/1.1\r\nContent-Length: {RULES_MAX_BYTES}", credential,
                         b"\r\n" + b" " * (RULES_MAX_BYTES - 1))

    def answer(self, connection):
        """Status, headers, JSON."""
        text = b""
        while piece := connection.recv(65536):
            text += piece
        head, _, body = text.decode().partition("\r\n\r\n")
        return int(head.split()[1]), head, json.loads(body)

    def test_nobody_holds_others_up(self):
        stalled = []
        for _ in range(17):
            # What is announced is more than is read of a request that is refused: the answer comes at once.
            status, _, problem = self.answer(self.begin(RULES_MAX_BYTES))
            self.assertEqual((status, problem["status"]), (401, 401))
            # The same without saying how much, and up to the limit of what is read.
            stalled.append(self.send("PUT /v1/filters/x/rules HTTP/1.1\r\nTransfer-Encoding: chunked", None,
                                     b"\r\n3fffff\r\n" + b" " * 0x3fffff + b"\r\n"))
        self.api.post("/v1/filters", {"name": "during"})
        for connection in stalled:
            connection.sendall(b"0\r\n\r\n")
            self.assertEqual(self.answer(connection)[0], 401)

    def test_share_of_a_user(self):
        greedy, other = self.make_user(system_admin=True), self.make_user(system_admin=True)
        self.filter(name="x")
        self.stall(greedy["key"])
        for _ in range(4):
            status, _, problem = self.answer(self.begin(RULES_MAX_BYTES, greedy["key"]))
            self.assertEqual((status, problem["status"]), (503, 503))
        # Small ones have a part that large ones leave, and another user has a share like the first.
        other["client"].post(f"/v1/filters?project={self.project}", {"name": "during"})
        rules = json.dumps({"rules": [{"direction": "in", "number": 1, "protocol": "tcp"}]})
        other["client"].put(f"/v1/filters/x/rules?project={self.project}", rules + " " * (RULES_MAX_BYTES - len(rules)))

    def test_body_too_large(self):
        most = 256 << 10
        self.refused(400, "POST", "/v1/filters", b" " * most)
        self.refused(413, "POST", "/v1/filters", b" " * (most + 1), text=f"at most {most} bytes")
        status, _, problem = self.answer(self.begin(RULES_MAX_BYTES + 1, self.make_user()["key"]))
        self.assertEqual(status, 413)
        self.assertIn(f"at most {RULES_MAX_BYTES} bytes", problem["detail"])

    def test_headers_too_large(self):
        head = "GET /healthz HTTP/1.1\r\nX-Long: "
        rest = len("\r\nHost: vtapd\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n")
        for size, wanted in ((HEADERS_MAX_BYTES, 200), (HEADERS_MAX_BYTES + 1, 431)):
            connection = self.send(head + "x" * (size - len(head) - rest), None, b"\r\n")
            status, headers, body = self.answer(connection)
            self.assertEqual(status, wanted)
        self.assertIn("application/problem+json", headers)
        self.assertIn(f"at most {HEADERS_MAX_BYTES} bytes", body["detail"])


main()
