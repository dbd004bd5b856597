# SPDX-License-Identifier: Apache-2.0
"""Rule sets as agents fetch them: in chunks by their hashes, one by one or many at a time."""

import hashlib
import json

from agents import AgentCase
from case import main

UNKNOWN = "0" * 64


class ChunksTest(AgentCase):
    def setUp(self):
        super().setUp()
        self.agent_ = self.agent()
        self.filter_ = self.filter()
        self.session(sources=[self.plugged(self.agent_, "tap1")], filter=self.filter_)

    def rules(self, count, **more):
        """Gives the filter so many rules; the hashes of its chunks."""
        rules = [{"direction": "in", "number": n, "protocol": "tcp", "destination_ports": n, **more} for n in range(1, count + 1)]
        self.api.put(f"/v1/filters/{self.filter_}/rules", {"rules": rules})
        self.agent_.poll()
        return self.agent_.plan["filters"][0]["chunks"]

    def fetch(self, hashes):
        answer = self.agent_.client.request("GET", "/agent/v1/chunks?hashes=" + ",".join(hashes))
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/x-ndjson"))
        self.assertTrue(answer.text.endswith("\n") or not answer.text)
        return answer.text.splitlines()

    def test_many_at_a_time(self):
        hashes = self.rules(1000)
        self.assertGreater(len(hashes), 7)
        texts = self.fetch(hashes)
        self.assertEqual([hashlib.sha256(text.encode()).hexdigest() for text in texts], hashes)
        self.assertEqual([rule["number"] for text in texts for rule in json.loads(text)], list(range(1, 1001)))
        self.assertEqual([json.loads(text) for text in texts], [self.agent_.chunk(each) for each in hashes])
        self.assertEqual(self.fetch([hashes[2], UNKNOWN, hashes[0]]), [texts[2], texts[0]])
        self.assertEqual(self.fetch([UNKNOWN]), [])

    def test_no_more_than_find_room(self):
        """256 KiB; one chunk finds room in any case. The others are asked for again."""
        hashes = self.rules(4000, source="2001:db8:1111:2222:3333:4444:5555::/112", destination="2001:db8:aaaa:bbbb:cccc:dddd:eeee::/112")
        texts = self.fetch(hashes[:64])
        self.assertLess(len(texts), min(len(hashes), 64))
        size_bytes = sum(len(text) + 1 for text in texts)
        self.assertLessEqual(size_bytes, 256 << 10)
        self.assertEqual(self.fetch(hashes[len(texts):64])[0][:1], "[")
        found = []
        while len(found) < len(hashes):
            found += self.fetch(hashes[len(found):][:64])
        self.assertEqual([hashlib.sha256(text.encode()).hexdigest() for text in found], hashes)

    def test_limits_and_what_is_no_hash(self):
        hashes = self.rules(10)
        texts = self.fetch(hashes)
        self.assertEqual(self.fetch([UNKNOWN] * 63 + hashes), texts)
        for query in ("?hashes=" + ",".join([UNKNOWN] * 64 + hashes), "", "?hashes=", "?hashes=" + hashes[0] + ",",
                      "?hashes=," + hashes[0], "?hashes=" + hashes[0][1:], "?hashes=" + hashes[0] + "0",
                      "?hashes=" + hashes[0].replace(hashes[0][5], "g"), "?hashes=" + hashes[0] + ";" + hashes[0]):
            self.refused(400, "GET", "/agent/v1/chunks" + query, field="hashes", client=self.agent_.client)

    def test_for_agents_alone(self):
        self.refused(401, "GET", f"/agent/v1/chunks?hashes={UNKNOWN}", client=self.admin)
        self.refused(401, "GET", f"/agent/v1/chunks?hashes={UNKNOWN}", client=self.controller.anonymous())


main()
