# SPDX-License-Identifier: Apache-2.0
"""What must hold between resources: use, numbers, networks, who receives copies, grants, quotas."""

import concurrent.futures

from base import ApiCase, unique
from case import main


class InUse(ApiCase):
    def test_a_user_with_all_the_keys_there_may_be(self):
        user = self.make_user("viewer")
        for number in range(99):
            self.admin.post("/v1/keys", {"user": user["id"], "name": f"{user['name']}-{number}"})
        self.refused(409, "POST", "/v1/keys", {"user": user["id"]}, "user", "100 keys")
        self.admin.delete(f"/v1/users/{user['id']}")
        self.assertEqual(self.admin.get(f"/v1/keys?user={user['id']}")["total"], 0)
        self.refused(401, "GET", "/v1/whoami", client=user["client"])
        # Their names are free.
        made = self.admin.post("/v1/keys", {"name": f"{user['name']}-7"})["id"]
        self.admin.delete(f"/v1/keys/{made}")

    def test_deleting_what_is_used(self):
        self.api.post("/v1/targets", {"name": "ids", "address": "10.9.0.1"})
        self.api.post("/v1/filters", {"name": "web"})
        sessions = [self.session(name=f"s{i}", target="ids", filter="web") for i in range(7)]
        for path in ("/v1/targets/ids", "/v1/filters/web"):
            problem = self.refused(409, "DELETE", path, text="and 2 more")
            for session in sessions[:5]:
                self.assertIn(f"{session['id']} ({session['name']})", problem["detail"])
        for session in sessions:
            self.api.delete(f"/v1/sessions/{session['id']}")
        self.api.delete("/v1/targets/ids")
        self.api.delete("/v1/filters/web")

    def test_everything_that_is_referred_to(self):
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        subnet = self.api.post("/v1/subnets", {"network": network, "cidr": "10.0.1.0/24"})["id"]
        guest = self.api.post("/v1/guests", {})["id"]
        host = self.admin.post("/v1/hosts", {})["id"]
        interface = self.interface(network=network, subnet=subnet, guest=guest, host=host, device="tap0")
        session = self.session(sources=[interface])["id"]
        for path, user in ((f"networks/{network}", subnet), (f"subnets/{subnet}", interface), (f"guests/{guest}", interface),
                           (f"hosts/{host}", interface), (f"interfaces/{interface}", session),
                           (f"projects/{self.project}", network)):
            self.refused(409, "DELETE", f"/v1/{path}", text=user)

    def test_a_user_takes_its_keys_along(self):
        user = self.make_user("viewer")
        user["client"].get("/v1/targets")
        self.admin.delete(f"/v1/users/{user['id']}")
        self.refused(404, "GET", f"/v1/keys/{user['key'][0]}", client=self.admin)
        self.refused(401, "GET", "/v1/targets", client=user["client"])


class Numbers(ApiCase):
    def test_unique_at_an_interface(self):
        one, two = self.interface(), self.interface()
        first = self.session(sources=[one], number=1)
        self.refused(409, "POST", "/v1/sessions", self.session_body(sources=[two, one], number=1), "number", first["id"])
        second = self.session(sources=[two, one], number=2)
        self.refused(409, "PATCH", f"/v1/sessions/{second['id']}", {"number": 1}, "number", one)
        self.session(sources=[two], number=1)
        self.session(sources=[one], number=1, mode="copy")
        self.session(sources=[one, "tag:role=web"], number=3)
        self.api.patch(f"/v1/sessions/{first['id']}", {"number": 4})
        self.api.patch(f"/v1/sessions/{second['id']}", {"sources": [one], "number": 1})

    def test_of_disabled_sessions_too(self):
        one = self.interface()
        self.session(sources=[one], enabled=False)
        self.refused(409, "POST", "/v1/sessions", self.session_body(sources=[one]), "number")

    def test_of_writes_at_the_same_time(self):
        """They run in one batch, each seeing those before it."""
        one, target = self.interface(), self.target()

        def create(_):
            client = self.client()
            return client.request("POST", "/v1/sessions", {"number": 9, "sources": [one], "target": target}).status
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = sorted(pool.map(create, range(32)))
        self.assertEqual(statuses, [201] + [409] * 31)

    def test_names_of_writes_at_the_same_time(self):
        def create(_):
            return self.client().request("POST", "/v1/filters", {"name": "same"}).status
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = sorted(pool.map(create, range(32)))
        self.assertEqual(statuses, [201] + [409] * 31)


class Vnis(ApiCase):
    def test_assigned_ones_differ(self):
        made = [self.session(sources=[self.interface()])["encapsulation"]["vni"] for _ in range(20)]
        self.assertEqual(len(set(made)), 20)
        self.assertAll(made, lambda vni: 1 <= vni < 1 << 24, "VNI")

    def test_given_ones_may_repeat(self):
        for _ in range(2):
            self.assertEqual(self.session(encapsulation={"vni": 66})["encapsulation"]["vni"], 66)
        self.assertEqual(self.session(encapsulation={"vni": 0})["encapsulation"]["vni"], 0)
        self.assertEqual(self.session(encapsulation={"vni": 16777215})["encapsulation"]["vni"], 16777215)
        self.refused(400, "POST", "/v1/sessions", self.session_body(encapsulation={"vni": 16777216}), "encapsulation.vni")

    def test_null_assigns_anew(self):
        made = self.session(encapsulation={"vni": 66})
        path = f"/v1/sessions/{made['id']}"
        self.assertEqual(self.api.patch(path, {"description": "x"})["encapsulation"]["vni"], 66)
        self.assertNotEqual(self.api.patch(path, {"encapsulation": {"vni": None}})["encapsulation"]["vni"], 66)


class Networks(ApiCase):
    def test_subnets(self):
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16", "fd00::/48"]})["id"]

        def subnet(cidr):
            return {"network": network, "cidr": cidr}
        self.refused(400, "POST", "/v1/subnets", subnet("10.1.0.0/24"), "cidr")
        self.refused(400, "POST", "/v1/subnets", subnet("10.0.0.0/15"), "cidr")
        self.refused(400, "POST", "/v1/subnets", subnet("10.0.0.1/24"), "cidr")
        first = self.api.post("/v1/subnets", subnet("10.0.1.0/24"))["id"]
        for cidr in ("10.0.1.0/24", "10.0.0.0/16", "10.0.1.128/25"):
            self.refused(409, "POST", "/v1/subnets", subnet(cidr), "cidr", first)
        self.api.post("/v1/subnets", subnet("10.0.2.0/24"))
        self.api.post("/v1/subnets", subnet("fd00:0:0:1::/64"))
        other = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        self.api.post("/v1/subnets", {"network": other, "cidr": "10.0.1.0/24"})
        self.refused(409, "PATCH", f"/v1/networks/{network}", {"cidrs": ["10.0.2.0/23", "fd00::/48"]}, "cidrs", first)
        self.api.patch(f"/v1/networks/{network}", {"cidrs": ["10.0.0.0/22", "fd00::/48"]})

    def test_interfaces(self):
        network, other = (self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"] for _ in range(2))
        subnet = self.api.post("/v1/subnets", {"network": network, "cidr": "10.0.1.0/24"})["id"]
        self.assertEqual(self.api.post("/v1/interfaces", {"subnet": subnet})["network"], network)
        self.refused(400, "POST", "/v1/interfaces", {"subnet": subnet, "network": other}, "subnet", network)

    def test_addresses_of_interfaces(self):
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16", "2001:db8::/48"]})["id"]
        subnet = self.api.post("/v1/subnets", {"network": network, "cidr": "10.0.1.0/24"})["id"]
        other = self.api.post("/v1/subnets", {"network": network, "cidr": "10.0.2.0/24"})["id"]
        self.refused(400, "POST", "/v1/interfaces", {"subnet": subnet, "addresses": ["10.0.1.5", "10.0.2.5"]}, "addresses[1]",
                     f"inside subnet {subnet} (10.0.1.0/24)")
        self.refused(400, "POST", "/v1/interfaces", {"network": network, "addresses": ["10.1.0.1"]}, "addresses[0]", network)
        self.refused(400, "POST", "/v1/interfaces", {"subnet": subnet, "addresses": ["2001:db9::1"]}, "addresses[0]", network)
        made = self.interface(subnet=subnet, addresses=["10.0.1.0", "10.0.1.255", "2001:db8::1", "fe80::1", "169.254.0.1"])
        self.refused(400, "PATCH", f"/v1/interfaces/{made}", {"subnet": other}, "addresses[0]", other)
        self.refused(409, "POST", "/v1/interfaces", {"network": network, "addresses": ["10.0.9.9", "10.0.1.255"]}, "addresses[1]", made)
        # What everybody has, and what is in another network, is nobody's alone.
        self.interface(network=network, addresses=["10.0.9.9", "fe80::1"])
        self.interface(network=self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"], addresses=["10.0.1.255"])
        self.interface(addresses=["10.0.1.255"])
        # As it is it can be changed, and what it leaves another can have.
        self.api.patch(f"/v1/interfaces/{made}", {"description": "x", "addresses": ["10.0.1.255", "fe80::1"]})
        self.interface(network=network, addresses=["10.0.1.0"])

    def test_macs_of_interfaces(self):
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        subnets = [self.api.post("/v1/subnets", {"network": network, "cidr": f"10.0.{n}.0/24"})["id"] for n in range(2)]
        made = self.interface(subnet=subnets[0], mac="02:00:00:00:07:01")
        self.refused(409, "POST", "/v1/interfaces", {"subnet": subnets[0], "mac": "02:00:00:00:07:01"}, "mac", made)
        second = self.interface(subnet=subnets[1], mac="02:00:00:00:07:01")
        self.refused(409, "PATCH", f"/v1/interfaces/{second}", {"subnet": subnets[0]}, "mac", made)
        self.api.delete(f"/v1/interfaces/{made}")
        self.api.patch(f"/v1/interfaces/{second}", {"subnet": subnets[0]})

    def test_addresses_of_gateways(self):
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        self.refused(400, "POST", "/v1/gateways", {"network": network, "addresses": ["10.0.0.1", "192.0.2.1"]}, "addresses[1]", network)
        gateway = self.api.post("/v1/gateways", {"network": network, "addresses": ["10.0.0.1", "fe80::1"]})["id"]
        self.refused(400, "PATCH", f"/v1/gateways/{gateway}", {"addresses": ["10.1.0.1"]}, "addresses[0]")

    def test_ranges_that_are_in_use(self):
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16", "10.1.0.0/16"]})["id"]
        made = self.interface(network=network, addresses=["10.0.0.5", "fe80::1", "10.1.0.5"])
        self.refused(409, "PATCH", f"/v1/networks/{network}", {"cidrs": ["10.0.0.0/16"]}, "cidrs", f"{made} (10.1.0.5)")
        self.api.patch(f"/v1/networks/{network}", {"cidrs": ["10.0.0.0/24", "10.1.0.0/24"]})
        self.api.patch(f"/v1/interfaces/{made}", {"addresses": ["10.0.0.5"]})
        gateway = self.api.post("/v1/gateways", {"network": network, "addresses": ["10.1.0.1"]})["id"]
        self.refused(409, "PATCH", f"/v1/networks/{network}", {"cidrs": ["10.0.0.0/24"]}, "cidrs", f"gateway {gateway}")
        self.api.delete(f"/v1/gateways/{gateway}")
        self.api.patch(f"/v1/networks/{network}", {"cidrs": ["10.0.0.0/24"]})

    def test_one_device_one_place(self):
        host = self.admin.post("/v1/hosts", {})["id"]
        first = self.interface(host=host, device="tap0")
        self.refused(409, "POST", "/v1/interfaces", {"host": host, "device": "tap0"}, "device", first)
        self.refused(409, "POST", "/v1/wires", {"host": host, "device": "tap0"}, "device", first)
        self.api.patch(f"/v1/interfaces/{first}", {"host": None})
        self.interface(host=host, device="tap0")
        self.refused(409, "PATCH", f"/v1/interfaces/{first}", {"host": host}, "device")

    def test_what_is_another_projects(self):
        other = self.client(project=self.admin.post("/v1/projects", {"name": unique("project")})["id"])
        network = other.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        target = other.post("/v1/targets", {"address": "10.9.0.1"})["id"]
        self.refused(400, "POST", "/v1/interfaces", {"network": network}, "network", "another project")
        self.refused(400, "POST", "/v1/sessions", self.session_body(target=target), "target", "another project")


class Receivers(ApiCase):
    def test_a_receiver_is_no_source(self):
        receiver, other = self.interface(), self.interface()
        target = self.api.post("/v1/targets", {"interface": receiver})["id"]
        self.refused(400, "POST", "/v1/sessions", self.session_body(sources=[receiver], target=target), "sources[0]")
        first = self.session(sources=[other], target=target)
        self.refused(409, "POST", "/v1/sessions", self.session_body(sources=[self.interface(), receiver]), "sources[1]",
                     first["id"])
        self.api.post(f"/v1/sessions/{first['id']}/disable")
        second = self.session(sources=[receiver])
        self.refused(409, "POST", f"/v1/sessions/{first['id']}/enable", field="target", text=second["id"])
        self.api.delete(f"/v1/sessions/{second['id']}")
        self.api.post(f"/v1/sessions/{first['id']}/enable")

    def test_a_target_that_moves_to_a_source(self):
        source, receiver = self.interface(), self.interface()
        target = self.api.post("/v1/targets", {"interface": receiver})["id"]
        self.session(sources=[self.interface()], target=target)
        other = self.session(sources=[source])
        self.refused(409, "PATCH", f"/v1/targets/{target}", {"interface": source}, "interface", other["id"])
        self.api.patch(f"/v1/targets/{target}", {"interface": self.interface()})


class Grants(ApiCase):
    def test_a_grant_is_needed(self):
        owner = self.admin.post("/v1/projects", {"name": unique("owner")})["id"]
        owners = self.client(project=owner)
        interface = owners.post("/v1/interfaces", {"name": "theirs"})["id"]
        subnet = owners.post("/v1/subnets", {
            "network": owners.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"], "cidr": "10.0.0.0/24"})["id"]
        target = self.target()
        operator = self.make_user("operator")["client"]

        def body(source):
            return {"number": 1, "sources": [source], "target": target}
        self.refused(403, "POST", "/v1/sessions", body(interface), "sources[0]", owner)
        self.refused(400, "POST", "/v1/sessions", body(interface), "sources[0]", client=operator)
        self.admin.patch(f"/v1/projects/{owner}", {"grants": [self.project]})
        made = operator.post("/v1/sessions", {**body(interface), "mode": "copy"})
        self.assertEqual(made["sources"], [interface])
        operator.post("/v1/sessions", {**body(subnet), "mode": "copy"})
        self.refused(404, "GET", f"/v1/interfaces/{interface}", client=operator)
        self.refused(404, "PATCH", f"/v1/interfaces/{interface}", {"name": "mine"}, client=operator)
        self.refused(400, "POST", "/v1/targets", {"interface": interface}, "interface", client=operator)
        self.admin.patch(f"/v1/projects/{owner}", {"grants": []})
        operator.post(f"/v1/sessions/{made['id']}/disable")
        self.refused(403, "POST", "/v1/sessions", body(interface), "sources[0]")

    def test_a_grant_is_for_copies(self):
        """Exclusive sessions take packets from others: at an interface, only its own project's and a system admin's do."""
        owner = self.admin.post("/v1/projects", {"name": unique("owner"), "grants": [self.project]})["id"]
        owners = self.client(project=owner)
        network = owners.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        subnet = owners.post("/v1/subnets", {"network": network, "cidr": "10.0.0.0/24"})["id"]
        interface = owners.post("/v1/interfaces", {"subnet": subnet})["id"]
        operator, target = self.make_user("operator")["client"], self.target()
        for source in (interface, subnet, network):
            self.refused(403, "POST", "/v1/sessions", {"number": 1, "sources": [source], "target": target}, "mode", source,
                         client=operator)
        path = "/v1/sessions/" + operator.post("/v1/sessions", {"number": 1, "sources": [interface], "target": target,
                                                                "mode": "copy"})["id"]
        self.refused(403, "PATCH", path, {"mode": "exclusive"}, "mode", interface, client=operator)
        self.api.patch(path, {"mode": "exclusive"})
        operator.patch(path, {"packet_length": 100})  # what was allowed stays
        self.refused(403, "PATCH", path, {"sources": [interface, subnet]}, "mode", subnet, client=operator)
        own = self.session_body(number=2)
        operator.post("/v1/sessions", own)
        self.make_user("operator", owner)["client"].post("/v1/sessions", {
            "number": 2, "sources": [interface], "target": owners.post("/v1/targets", {"address": "10.9.0.1"})["id"]})

    def test_a_grant_to_a_project_that_one_does_not_see(self):
        other = self.admin.post("/v1/projects", {"name": unique("other")})
        project_admin = self.make_user("admin")["client"]
        path = f"/v1/projects/{self.project}"
        self.assertEqual(project_admin.patch(path, {"grants": [other["id"]]})["grants"], [other["id"]])
        self.refused(400, "PATCH", path, {"grants": [other["name"]]}, "grants[0]", f'no project "{other["name"]}"', client=project_admin)
        self.refused(400, "PATCH", path, {"grants": ["proj-" + "0" * 17]}, "grants[0]", client=project_admin)
        # That is all.
        self.refused(404, "GET", f"/v1/projects/{other['id']}", client=project_admin)
        self.refused(404, "GET", f"/v1/targets?project={other['id']}", client=project_admin)

    def test_names_that_mean_nothing(self):
        problem = self.refused(400, "POST", "/v1/sessions", {"number": 1, "sources": ["nowhere"], "target": self.target()}, "sources[0]")
        self.assertEqual(problem["detail"], 'there is no interface, subnet, network or wire "nowhere" in the project')
        self.refused(400, "POST", "/v1/interfaces", {"host": "nowhere"}, "host", 'there is no host "nowhere"')

    def test_what_is_told_of_other_projects(self):
        """Neither the names of what is not granted any more, nor the ids of others' sessions."""
        owner = self.admin.post("/v1/projects", {"name": unique("owner"), "grants": [self.project]})["id"]
        owners, operator = self.client(project=owner), self.make_user("operator")["client"]
        host = self.admin.post("/v1/hosts", {"name": unique("host")})["id"]
        interface = owners.post("/v1/interfaces", {"name": "theirs", "host": host, "device": "tap1"})["id"]
        made = {"sources": [interface], "target": self.target(), "mode": "copy"}
        ours = self.api.post("/v1/sessions", {"number": 1, **made, "mode": "exclusive"})["id"]
        problem = self.refused(409, "POST", "/v1/sessions", {
            "number": 1, "sources": [interface], "target": owners.post("/v1/targets", {"address": "10.9.0.1"})["id"]},
            "number", "of another project", client=self.make_user("operator", owner)["client"])
        self.assertNotIn(ours, problem["detail"])
        session = operator.post("/v1/sessions", {"number": 2, **made})["id"]
        receiver = owners.post("/v1/interfaces", {})["id"]
        target = owners.post("/v1/targets", {"interface": receiver})["id"]
        sending = owners.post("/v1/sessions", {"number": 3, "sources": [interface], "target": target})["id"]
        problem = self.refused(409, "POST", "/v1/sessions", {"number": 4, **made, "sources": [receiver]}, "sources[0]",
                               "of another project", client=operator)
        self.assertNotIn(sending, problem["detail"])
        self.assertEqual(operator.get(f"/v1/sessions/{session}/preview")["items"][0]["name"], "theirs")
        self.admin.patch(f"/v1/projects/{owner}", {"grants": []})
        state = operator.get(f"/v1/sessions/{session}/state")
        self.assertEqual((state["state"], state["reasons"][0]["reason"]),
                         ("error", f"{interface} belongs to another project, which does not grant this one"))
        item = operator.get(f"/v1/sessions/{session}/preview")["items"][0]
        self.assertEqual((item["name"], item["host"], item["device"]), (None, None, None))


class Quotas(ApiCase):
    def limit(self, **quotas):
        self.admin.patch(f"/v1/projects/{self.project}", {"quotas": quotas})

    def over(self, quota, limit, used, method, path, body):
        problem = self.refused(422, method, path, body)
        self.assertEqual((problem["quota"], problem["limit"], problem["used"]), (quota, limit, used))
        self.assertIn(quota, problem["detail"])

    def test_counts(self):
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        makers = {
            "targets": lambda i: {"address": f"10.9.0.{i}"}, "filters": lambda i: {}, "interfaces": lambda i: {},
            "networks": lambda i: {"cidrs": ["10.0.0.0/16"]}, "guests": lambda i: {},
            "subnets": lambda i: {"network": network, "cidr": f"10.0.{i}.0/24"}, "gateways": lambda i: {"network": network},
        }
        for plural, make in makers.items():
            with self.subTest(plural):
                used = self.api.get(f"/v1/{plural}")["total"]
                self.limit(**{plural: used + 1})
                self.api.post(f"/v1/{plural}", make(1))
                self.over(plural, used + 1, used + 1, "POST", f"/v1/{plural}", make(2))

    def test_sessions(self):
        self.limit(sessions=2)
        for _ in range(2):
            made = self.session()
        self.over("sessions", 2, 2, "POST", "/v1/sessions", self.session_body())
        self.api.delete(f"/v1/sessions/{made['id']}")
        self.session()

    def test_sessions_of_one_thing(self):
        interface, target, filter_id = self.interface(), self.target(), self.filter()
        self.limit(sessions_per_interface=2, sessions_per_target=3, sessions_per_filter=2, sources_per_session=2)
        for number in (1, 2):
            last = self.session(number=number, sources=[interface], target=target)
        self.over("sessions_per_interface", 2, 2, "POST", "/v1/sessions", self.session_body(number=3, sources=[interface]))
        self.api.patch(f"/v1/sessions/{last['id']}", {"number": 3})
        self.session(target=target)
        self.over("sessions_per_target", 3, 3, "POST", "/v1/sessions", self.session_body(target=target))
        for _ in range(2):
            self.session(filter=filter_id)
        self.over("sessions_per_filter", 2, 2, "POST", "/v1/sessions", self.session_body(filter=filter_id))
        two = [self.interface(), self.interface()]
        self.session(sources=two)
        self.over("sources_per_session", 2, 0, "POST", "/v1/sessions", self.session_body(sources=[*two, self.interface()]))

    def test_sources_of_a_receiving_interface(self):
        target = self.api.post("/v1/targets", {"interface": self.interface()})["id"]
        self.limit(sources_per_target=3)
        first = self.session(sources=[self.interface(), self.interface()], target=target)
        self.over("sources_per_target", 3, 2, "POST", "/v1/sessions",
                  self.session_body(sources=[self.interface(), self.interface()], target=target))
        self.session(sources=[self.interface()], target=target)
        self.over("sources_per_target", 3, 3, "PATCH", f"/v1/sessions/{first['id']}",
                  {"sources": [self.interface(), self.interface(), self.interface()]})

    def test_sessions_of_a_network(self):
        self.limit(sessions_per_network=2)
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        subnet = self.api.post("/v1/subnets", {"network": network, "cidr": "10.0.0.0/24"})["id"]
        self.session(sources=[network])
        self.session(sources=[self.interface(subnet=subnet)])
        self.session()
        for source in (network, subnet, self.interface(network=network)):
            self.over("sessions_per_network", 2, 2, "POST", "/v1/sessions", self.session_body(sources=[source], number=7))

    def test_lowered_below_what_there_is(self):
        """What is there can be changed all the same, as long as it needs no more of what is short."""
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        shared = self.interface(network=network)
        target = self.api.post("/v1/targets", {"interface": self.interface()})["id"]
        filter_id = self.filter()
        made = [self.session(number=number, sources=[shared, self.interface(network=network)], target=target, filter=filter_id)
                for number in range(1, 5)]
        path = f"/v1/sessions/{made[3]['id']}"
        for quota, more, used, body in (
                ("sessions_per_network", {"sources": [network]}, 4, None),
                ("sources_per_target", {"target": target}, 8, {"sources": [*made[3]["sources"], self.interface()]}),
                ("sources_per_session", {"sources": [self.interface() for _ in range(3)]}, 2,
                 {"sources": [*made[3]["sources"], self.interface()]}),
                ("sessions_per_interface", {"sources": [shared]}, 4, None),
                ("sessions_per_target", {"target": target}, 4, None),
                ("sessions_per_filter", {"filter": filter_id}, 4, None)):
            with self.subTest(quota):
                self.limit(**{quota: 1})
                for change in ({"description": quota}, {"enabled": False}, {"number": 9}, {"enabled": True, "number": 4},
                               {"sources": list(reversed(made[3]["sources"]))}):
                    self.api.patch(path, change)
                if body:
                    self.over(quota, 1, used, "PATCH", path, body)
                problem = self.refused(422, "POST", "/v1/sessions", self.session_body(number=8, **more))
                self.assertEqual((problem["quota"], problem["limit"]), (quota, 1))
                self.limit(**{quota: None})
        self.limit(sources_per_session=1)
        self.api.patch(path, {"sources": [shared]})
        problem = self.refused(422, "POST", "/v1/sessions", self.session_body(sources=[self.interface(), self.interface()]))
        self.assertEqual((problem["used"], problem["wanted"]), (0, 2))
        self.assertIn("0 are in use, and this needs 2 more", problem["detail"])

    def test_use(self):
        """Of what is counted for one thing, the figure of the one that has most."""
        def used():
            return {item["name"]: item["used"] for item in self.api.get("/v1/quotas")["items"]}
        self.assertEqual(set(used().values()), {0})
        networks = [self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"] for _ in range(2)]
        subnet = self.api.post("/v1/subnets", {"network": networks[0], "cidr": "10.0.0.0/24"})["id"]
        self.api.post("/v1/guests", {})
        self.api.post("/v1/gateways", {"network": networks[0]})
        first, other, receiver = (self.interface(subnet=subnet), self.interface(), self.interface())
        targets = [self.target(), self.api.post("/v1/targets", {"interface": receiver})["id"]]
        filters = [self.filter(), self.filter()]
        for number, direction in ((1, "in"), (2, "in"), (1, "out")):
            self.api.post(f"/v1/filters/{filters[0]}/rules", {"number": number, "direction": direction})
        self.session(number=1, sources=[first, subnet, networks[0]], target=targets[0], filter=filters[1])
        self.session(number=2, sources=[first, networks[1]], target=targets[0], filter=filters[1])
        self.session(number=3, sources=[first, other], target=targets[1])
        self.session(number=4, sources=[other, "tag:a=b"], target=targets[1])
        self.session(number=5, sources=["tag:a=b"], target=targets[0], filter=filters[1])
        self.assertEqual(used(), {
            "sessions": 5, "targets": 2, "filters": 2, "interfaces": 3, "networks": 2, "subnets": 1, "guests": 1, "gateways": 1, "rules": 3,
            "rules_per_filter": 3, "rules_per_filter_direction": 2, "sessions_per_filter": 3, "sessions_per_interface": 3,
            "sessions_per_network": 3, "sessions_per_target": 3, "sources_per_session": 3, "sources_per_target": 4})

    def test_profiles(self):
        figures = {"aws": {"sessions_per_interface": 3, "sources_per_session": 1},
                   "aliyun": {"filters": 100, "sources_per_session": 10},
                   "tencent": {"sources_per_session": 20}, "cloudpods": {"sessions": 32752}, "native": {"sources_per_session": 256}}
        for profile, limits in figures.items():
            self.admin.patch(f"/v1/projects/{self.project}", {"profile": profile})
            found = {item["name"]: item["limit"] for item in self.api.get("/v1/quotas")["items"]}
            self.assertEqual({name: found[name] for name in limits}, limits, profile)

    def test_sources_limit_of_the_model(self):
        sources = [self.interface() for _ in range(257)]
        made = self.session(sources=sources[:256])
        self.assertEqual(len(made["sources"]), 256)
        self.refused(400, "POST", "/v1/sessions", self.session_body(sources=sources, number=2), "sources")


main()
