# SPDX-License-Identifier: Apache-2.0
"""Rules of filters: one by one, as a whole, many."""

from base import ApiCase
from case import main


def rule(number, direction="in", **more):
    return {"direction": direction, "number": number, **more}


class Rules(ApiCase):
    def setUp(self):
        super().setUp()
        self.filter_id = self.filter(name="f")
        self.path = f"/v1/filters/{self.filter_id}/rules"

    def places(self):
        return [(item["direction"], item["number"]) for item in self.api.all(self.path)]

    def chunks(self):
        return self.api.get(f"/v1/filters/{self.filter_id}")["chunks"]

    def test_one_by_one(self):
        answer = self.api.request("POST", self.path, rule(20, protocol="tcp", destination_ports="80", description="web",
                                                          tags={"a": "1"}))
        made = answer.json
        self.assertEqual((answer.status, answer.etag, answer.headers["Location"]), (201, '"1"', f"/v1/rules/{made['id']}"))
        self.assertEqual((made["filter"], made["project"], made["action"], made["description"], made["tags"], made["version"]),
                         (self.filter_id, self.project, "accept", "web", {"a": "1"}, 1))
        self.assertEqual(self.api.get(f"/v1/rules/{made['id']}"), made)
        self.api.post(self.path, rule(10, "out"))
        self.api.post(self.path, rule(10))
        self.api.post(self.path, rule(30))
        self.assertEqual(self.places(), [("in", 10), ("in", 20), ("in", 30), ("out", 10)])
        patched = self.api.patch(f"/v1/rules/{made['id']}", {"number": 40, "action": "reject", "tags": None})
        self.assertEqual((patched["version"], patched["id"], patched["created"], patched["tags"]), (2, made["id"], made["created"], {}))
        self.assertEqual(self.places(), [("in", 10), ("in", 30), ("in", 40), ("out", 10)])
        self.api.patch(f"/v1/rules/{made['id']}", {"direction": "out", "number": 5})
        self.assertEqual(self.places(), [("in", 10), ("in", 30), ("out", 5), ("out", 10)])
        self.assertEqual(self.api.request("DELETE", f"/v1/rules/{made['id']}").status, 204)
        self.refused(404, "GET", f"/v1/rules/{made['id']}")
        self.assertEqual(self.places(), [("in", 10), ("in", 30), ("out", 10)])
        self.assertEqual(self.api.get("/v1/filters/f")["rule_count"], 3)

    def test_more_than_agents_take(self):
        """64 for a direction; what has more is told at once, wherever it is looked at."""
        session = self.session(filter=self.filter_id)["id"]
        fitting = [rule(n) for n in range(1, 65)] + [rule(n, "out") for n in range(1, 65)]
        for _ in range(2):
            self.assertNotIn("warning", self.api.put(self.path, {"rules": fitting}))
            self.assertNotIn("agents take 64", str(self.api.get(f"/v1/sessions/{session}")))
            said = "filter f has 65 rules for direction out: agents take 64, and refuse sessions with more"
            self.assertEqual(self.api.put(self.path, {"rules": [*fitting, rule(65, "out")]})["warning"], said)
            self.assertEqual(self.api.get("/v1/filters/f")["warning"], said)
            self.assertIn(said, [reason["reason"] for reason in self.api.get(f"/v1/sessions/{session}")["reasons"]])
        self.refused(400, "PATCH", "/v1/filters/f", {"warning": "none"}, "warning")

    def test_versions(self):
        made = self.api.post(self.path, rule(1))
        other = self.api.post(self.path, rule(2))
        path = f"/v1/rules/{made['id']}"
        self.assertEqual(self.api.patch(path, {"description": "x"}, {"If-Match": '"1"'})["version"], 2)
        self.refused(412, "PATCH", path, {"description": "y"}, headers={"If-Match": '"1"'})
        self.refused(412, "DELETE", path, headers={"If-Match": '"1"'})
        self.assertEqual(self.api.get(f"/v1/rules/{other['id']}")["version"], 1)
        before = self.api.get("/v1/filters/f")
        self.assertEqual(self.api.patch(path, {"description": "x"})["version"], 2)
        self.assertEqual(self.api.get("/v1/filters/f"), before)

    def test_descriptions_are_not_the_agents(self):
        made = self.api.post(self.path, rule(1))
        before = self.chunks()
        self.api.patch(f"/v1/rules/{made['id']}", {"description": "x", "name": "n", "tags": {"a": "b"}})
        self.assertEqual(self.chunks(), before)
        self.api.patch(f"/v1/rules/{made['id']}", {"action": "reject"})
        self.assertNotEqual(self.chunks(), before)

    def test_dry_run(self):
        made = self.api.post(self.path, rule(1))
        before = self.api.get("/v1/filters/f")
        self.api.post(f"{self.path}?dry_run=true", rule(2))
        self.api.patch(f"/v1/rules/{made['id']}?dry_run=true", {"action": "reject"})
        self.assertEqual(self.api.put(f"{self.path}?dry_run=true", {"rules": [rule(7)]})["rule_count"], 1)
        self.api.delete(f"/v1/rules/{made['id']}?dry_run=true")
        self.assertEqual((self.api.get("/v1/filters/f"), self.api.get(self.path)["items"]), (before, [made]))

    def test_duplicates(self):
        made = self.api.post(self.path, rule(1))
        self.refused(409, "POST", self.path, rule(1), "number", made["id"])
        other = self.api.post(self.path, rule(2))
        self.refused(409, "PATCH", f"/v1/rules/{other['id']}", {"number": 1}, "number", made["id"])
        self.api.post(self.path, rule(1, "out"))
        self.refused(409, "PUT", self.path, {"rules": [rule(5), rule(6), rule(5)]}, "rules[2].number", "rules[0]")
        self.assertEqual(self.places(), [("in", 1), ("in", 2), ("out", 1)])

    def test_bad_rules(self):
        for body, field in ((rule(0), "number"), (rule(16777217), "number"), ({"number": 1}, "direction"),
                            (rule(1, "sideways"), "direction"), (rule(1, source="10.0.0.1/8"), "source"),
                            (rule(1, source="10.0.0.0/8", destination="fd00::/8"), "destination"),
                            (rule(1, protocol="icmp", destination_ports="80"), "destination_ports"),
                            (rule(1, icmp_type=8), "icmp_type"), (rule(1, vlan=4095), "vlan"), (rule(1, colour="red"), "colour"),
                            (rule(1, destination_ports="90-80"), "destination_ports")):
            problem = self.refused(400, "POST", self.path, body, field)
            in_list = self.refused(400, "PUT", self.path, {"rules": [rule(9), body]}, f"rules[1].{field}")
            self.assertEqual(problem["detail"], in_list["detail"])
        self.assertEqual(self.places(), [])
        self.api.post(self.path, rule(16777216))
        for body, field in (({}, "rules"), ({"rules": {}}, "rules"), ({"rules": [], "more": 1}, "more")):
            self.refused(400, "PUT", self.path, body, field)
        self.refused(400, "PUT", self.path, {"rules": [7]})

    def test_replaced_as_a_whole(self):
        first = {item["number"]: item["id"] for item in
                 (self.api.post(self.path, rule(n, description=f"rule {n}")) for n in (1, 2, 3))}
        answer = self.api.put(self.path, {"rules": [rule(2, description="rule 2"), rule(3, action="reject"), rule(4, "out")]})
        self.assertEqual((answer["rule_count"], answer["version"]), (3, 5))
        items = self.api.all(self.path)
        self.assertEqual([(item["number"], item["version"]) for item in items], [(2, 1), (3, 2), (4, 1)])
        self.assertEqual([item["id"] for item in items[:2]], [first[2], first[3]])
        self.assertEqual([item["description"] for item in items], ["rule 2", "", ""])
        self.refused(404, "GET", f"/v1/rules/{first[1]}")
        moved = self.api.put(self.path, {"rules": [{"id": first[2], **rule(20)}, rule(2)]})
        self.assertEqual(moved["rule_count"], 2)
        self.assertEqual(self.api.get(f"/v1/rules/{first[2]}")["number"], 20)
        self.assertEqual(self.api.put(self.path, {"rules": []})["chunks"], [])

    def test_what_was_read_can_be_put(self):
        self.api.put(self.path, {"rules": [rule(n, protocol="udp", name=f"r{n}") for n in range(1, 300)]})
        before = self.api.get("/v1/filters/f")
        self.assertEqual(self.api.put(self.path, {"rules": self.api.all(self.path)})["chunks"], before["chunks"])

    def test_ids_that_are_not_this_filters(self):
        other = self.filter()
        foreign = self.api.post(f"/v1/filters/{other}/rules", rule(1))["id"]
        mine = self.api.post(self.path, rule(1))["id"]
        for bad in (foreign, "tmfr-00000000000000000", 7):
            self.refused(400, "PUT", self.path, {"rules": [{"id": bad, **rule(1)}]}, "rules[0].id")
        self.refused(400, "PUT", self.path, {"rules": [{"id": mine, **rule(1)}, {"id": mine, **rule(2)}]}, "rules[1].id")

    def test_if_match_of_the_whole(self):
        answer = self.api.request("GET", self.path)
        self.api.put(self.path, {"rules": [rule(1)]}, {"If-Match": answer.etag})
        self.refused(412, "PUT", self.path, {"rules": []}, headers={"If-Match": answer.etag})

    def test_deleted_with_the_filter(self):
        made = self.api.post(self.path, rule(1))
        self.api.delete("/v1/filters/f")
        self.refused(404, "GET", f"/v1/rules/{made['id']}")
        self.refused(404, "GET", self.path)

    def test_pages(self):
        self.api.put(self.path, {"rules": [rule(n, direction) for direction in ("in", "out") for n in range(1, 151)]})
        page = self.api.get(f"{self.path}?limit=200")
        self.assertEqual((len(page["items"]), page["total"]), (200, 300))
        rest = self.api.get(f"{self.path}?limit=200&cursor={page['next']}")
        self.assertEqual((len(rest["items"]), rest["next"]), (100, None))
        self.assertEqual(len({item["id"] for item in page["items"] + rest["items"]}), 300)
        self.refused(400, "GET", f"{self.path}?limit=1001", field="limit")
        self.refused(400, "GET", f"{self.path}?cursor=x", field="cursor")


class Many(ApiCase):
    COUNT = 10000

    def test_ten_thousand(self):
        filter_id = self.filter()
        path = f"/v1/filters/{filter_id}/rules"
        rules = [rule(n + 1, protocol="tcp", source=f"10.{n >> 8}.{n & 255}.0/24") for n in range(self.COUNT)]
        made = self.api.put(path, {"rules": rules})
        self.assertEqual(made["rule_count"], self.COUNT)
        before = set(made["chunks"])
        items = self.api.all(path)
        self.assertEqual([item["source"] for item in items], [item["source"] for item in rules])
        edited = self.api.patch(f"/v1/rules/{items[5000]['id']}", {"action": "reject"})
        self.assertEqual(edited["number"], 5001)
        after = self.api.get(f"/v1/filters/{filter_id}")["chunks"]
        self.assertEqual((len(after), len(set(after) - before), len(before - set(after))), (len(before), 1, 1))
        # In front of all others one goes, one comes: most chunks are as they were.
        del rules[1]
        again = set(self.api.put(path, {"rules": [rule(1, "out"), *rules]})["chunks"])
        self.assertLess(len(again - set(after)), 5)
        over = self.refused(422, "PUT", path, {"rules": [*rules, rule(10001), rule(10002)]})
        self.assertEqual((over["quota"], over["limit"]), ("rules_per_filter_direction", 10000))
        self.assertEqual(set(self.api.get(f"/v1/filters/{filter_id}")["chunks"]), again)
        self.api.put(path, {"rules": [*rules, rule(10001)]})
        self.refused(422, "POST", path, rule(10002))
        self.api.delete(f"/v1/filters/{filter_id}")

    def test_a_body_at_its_limit(self):
        path = f"/v1/filters/{self.filter()}/rules"
        limit = 16 << 20

        def body(size):
            return '{"rules":[' + " " * (size - 12) + "]}"
        self.assertEqual(self.client().request("PUT", path, body(limit)).status, 200)
        # The answer comes before the body.
        connection = self.client().connection
        connection.putrequest("PUT", path)
        connection.putheader("Content-Length", str(limit + 1))
        connection.endheaders()
        self.assertEqual(connection.getresponse().status, 413)

    def test_long_descriptions(self):
        path = f"/v1/filters/{self.filter()}/rules"
        tags = {f"key{i}": "v" * 256 for i in range(50)}
        rules = [rule(n, description="d" * 255, tags=tags) for n in range(1, 201)]
        made = self.api.put(path, {"rules": rules})
        self.assertGreater(len(made["chunks"]), 25)
        self.assertEqual([item["tags"] for item in self.api.all(path)], [tags] * 200)

    def test_many_edits_of_one(self):
        """Chunks that grow are cut, those that shrink are put together."""
        path = f"/v1/filters/{self.filter()}/rules"
        made = [self.api.post(path, rule(n * 10))["id"] for n in range(1, 301)]
        self.assertEqual(len(self.api.all(path)), 300)
        for one in made[:290]:
            self.api.delete(f"/v1/rules/{one}")
        self.assertEqual([item["id"] for item in self.api.all(path)], made[290:])
        self.assertLessEqual(len(self.api.get(path.removesuffix("/rules"))["chunks"]), 2)

    def test_quotas(self):
        self.admin.patch(f"/v1/projects/{self.project}", {"quotas": {"rules_per_filter": 3, "rules_per_filter_direction": 2}})
        path = f"/v1/filters/{self.filter()}/rules"
        for number in (1, 2):
            last = self.api.post(path, rule(number))
        problem = self.refused(422, "POST", path, rule(3))
        self.assertEqual((problem["quota"], problem["limit"], problem["used"]), ("rules_per_filter_direction", 2, 2))
        self.api.patch(f"/v1/rules/{last['id']}", {"number": 3})
        self.api.post(path, rule(1, "out"))
        problem = self.refused(422, "POST", path, rule(2, "out"))
        self.assertEqual((problem["quota"], problem["limit"], problem["used"]), ("rules_per_filter", 3, 3))
        self.refused(422, "PUT", path, {"rules": [rule(1), rule(2), rule(1, "out"), rule(2, "out")]})
        self.api.put(path, {"rules": [rule(1), rule(2), rule(1, "out")]})

    def test_the_quota_of_all_filters_together(self):
        self.admin.patch(f"/v1/projects/{self.project}", {"quotas": {"rules": 4}})
        first, second = (f"/v1/filters/{self.filter()}/rules" for _ in range(2))
        self.api.put(first, {"rules": [rule(1), rule(1, "out"), rule(2)]})
        last = self.api.post(second, rule(1))
        for method, path, body in (("POST", second, rule(2)), ("POST", first, rule(2, "out")),
                                   ("PUT", second, {"rules": [rule(1), rule(2)]})):
            problem = self.refused(422, method, path, body)
            self.assertEqual((problem["quota"], problem["limit"], problem["used"]), ("rules", 4, 4))
        used = {item["name"]: item["used"] for item in self.api.get("/v1/quotas")["items"]}
        self.assertEqual(used["rules"], 4)
        # What one filter gives up, another may have; what was refused has counted nothing.
        self.api.delete(f"/v1/rules/{last['id']}")
        self.api.put(first, {"rules": [rule(1), rule(1, "out"), rule(2), rule(3)]})
        self.api.delete(first.removesuffix("/rules"))
        self.api.put(second, {"rules": [rule(n) for n in range(1, 5)]})
        self.refused(422, "POST", second, rule(5))

    def test_quotas_below_what_there_is(self):
        path = f"/v1/filters/{self.filter()}/rules"
        made = [self.api.post(path, rule(number))["id"] for number in range(1, 5)]
        self.api.post(path, rule(1, "out"))
        for quota in ("rules_per_filter", "rules_per_filter_direction"):
            with self.subTest(quota):
                self.admin.patch(f"/v1/projects/{self.project}", {"quotas": {quota: 2}})
                self.api.patch(f"/v1/rules/{made[0]}", {"description": quota})
                self.api.patch(f"/v1/rules/{made[0]}", {"number": 9})
                self.api.patch(f"/v1/rules/{made[0]}", {"number": 1})
                self.api.put(path, {"rules": [rule(number) for number in range(1, 5)] + [rule(1, "out")]})
                made = [item["id"] for item in self.api.all(path) if item["direction"] == "in"]
                problem = self.refused(422, "PUT", path, {"rules": [rule(number) for number in range(1, 7)]})
                self.assertEqual(problem["quota"], quota)
                self.assertEqual(self.refused(422, "POST", path, rule(7))["quota"], quota)
                self.admin.patch(f"/v1/projects/{self.project}", {"quotas": {quota: None}})


main()
