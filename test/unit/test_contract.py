#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""api/openapi.yaml agrees with the tables of kinds and with the controller's routes.

    test_contract.py DUMP-SCHEMA
"""

import json
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "api" / "openapi.yaml"
ROUTE = re.compile(r'\{\s*"(GET|POST|PUT|PATCH|DELETE)",\s*"(/[^"]*)",\s*\w+,\s*\w+,\s*([\w\s|()]+),\s*(NULL|"[^"]*")')
TABLE = re.compile(r"struct vtap_api_route (vtap_api_routes_\w+)\[\] = \{(.*?)^\};", re.MULTILINE | re.DOTALL)
MACRO = re.compile(r"^#define (\w+)\(([^)]*)\)((?:.*\\\n)*.*)", re.MULTILINE)
METHODS = ("get", "post", "put", "patch", "delete")
FORMATS = {  # a type's format, and what JSON may have for it
    "address": ("address", ["string"]), "prefix": ("prefix", ["string"]), "mac": ("mac", ["string"]),
    "device": ("device", ["string"]), "ports": ("ports", ["string", "integer"]), "offline": ("offline", ["string"]),
    "duration": ("duration", ["string"]), "time": ("date-time", ["string"]), "reference": ("reference", ["string"]),
    "protocol": ("protocol", ["string", "integer"]), "ethertype": ("ethertype", ["string", "integer"]),
    "text": (None, ["string"]), "name": (None, ["string"]), "word": (None, ["string"]), "number": (None, ["integer"]),
    "bool": (None, ["boolean"]), "object": (None, ["object"]), "tags": (None, ["object"]),
}
FILLED_IN = {("rule", "filter"), ("key", "user")}  # by the server before the table is looked at: of the path, whoever asks
HAND_MADE = {"id"}  # its pattern says more than the table


def expected_value(attribute, dump):
    """What one value of an attribute, or of an element of its list, must look like."""
    kind = attribute["type"]
    form, types = FORMATS[kind]
    schema = {"type": types}
    if form:
        schema["format"] = form
    if kind == "text" and attribute["name"] not in HAND_MADE:
        schema["maxLength"] = attribute["max"]
        if attribute["min"]:
            schema["minLength"] = attribute["min"]
    if kind == "name":
        schema.update({"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 63})
    if kind == "number":
        schema.update({"minimum": attribute["min"], "maximum": attribute["max"]})
    if kind == "word":
        schema["enum"] = attribute["words"]
    if kind == "tags":
        tags = dump["tags"]
        schema.update({"maxProperties": tags["entries"], "propertyNames": {"minLength": 1, "maxLength": tags["key"]},
                       "additionalProperties": {"type": "string", "maxLength": tags["value"]}})
    if kind == "reference":
        schema["x-kinds"] = attribute["kinds"].split()
        if attribute["selector"]:
            schema["x-selector"] = True
    if kind == "object":
        schema["additionalProperties"] = False
        schema["properties"] = {m["name"]: expected(m, dump) for m in attribute["attributes"]}
        required = [m["name"] for m in attribute["attributes"] if m["required"]]
        if required:
            schema["required"] = required
    return schema


def may_be_null(attribute):
    if attribute["name"] == "project" and attribute["computed"]:
        return True
    return not (attribute["required"] or attribute["computed"] or attribute["type"] == "object" or attribute["default"] is not None)


def expected(attribute, dump):
    schema = expected_value(attribute, dump)
    if attribute["list"]:
        schema = {"type": ["array"], "items": schema}
        if attribute["min_items"]:
            schema["minItems"] = attribute["min_items"]
        if not attribute["computed"]:
            schema.update({"maxItems": attribute["max_items"], "uniqueItems": True})
    if may_be_null(attribute) and attribute["type"] != "object":
        schema["type"] = schema["type"] + ["null"]
    if attribute["default"] is not None:
        schema["default"] = attribute["default"]
    for flag, word in (("computed", "readOnly"), ("secret", "writeOnly"), ("immutable", "x-immutable"),
                       ("system", "x-system-admin")):
        if attribute[flag]:
            schema[word] = True
    return schema


def expand(source, table):
    """The table with the macros of its file expanded, and texts side by side joined."""
    for name, parameters, body in MACRO.findall(source):
        def expansion(call, parameters=parameters, body=body):
            values = [value.strip() for value in call[1].split(",")]
            for parameter, value in zip(parameters.split(","), values):
                body = re.sub(rf"\b{parameter.strip()}\b", value, body)
            return body.replace("\\\n", "\n")

        table = re.sub(rf"\b{name}\(([^)]*)\)", expansion, table)
    return re.sub(r'"\s*"', "", table)


class Contract(unittest.TestCase):
    maxDiff = 4000
    program = None

    @classmethod
    def setUpClass(cls):
        done = subprocess.run([cls.program, str(CONTRACT)], text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        if done.returncode:
            raise AssertionError(done.stderr)
        cls.dump = json.loads(done.stdout)
        cls.contract = cls.dump["file"]
        cls.kinds = {kind["name"]: kind for kind in cls.dump["kinds"]}

    def resolve(self, reference):
        self.assertTrue(reference.startswith("#/"), reference)
        value = self.contract
        for step in reference[2:].split("/"):
            self.assertIn(step, value, reference)
            value = value[step]
        return value

    def actual(self, schema):
        """With references followed, and without what only people read."""
        schema = dict(schema)
        while "$ref" in schema:
            schema = {**self.resolve(schema.pop("$ref")), **schema}
        schema.pop("description", None)
        schema.pop("example", None)
        if isinstance(schema.get("type"), str):
            schema["type"] = [schema["type"]]
        if "properties" in schema:
            schema["properties"] = {name: self.actual(value) for name, value in schema["properties"].items()}
        if "items" in schema:
            schema["items"] = self.actual(schema["items"])
        if isinstance(schema.get("additionalProperties"), dict):
            schema["additionalProperties"] = dict(schema["additionalProperties"])
        return schema

    def component(self, kind):
        return self.contract["components"]["schemas"][kind["name"].capitalize()]

    def operations(self):
        for path, item in self.contract["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method, item[method], item.get("parameters", [])

    def test_members(self):
        for name, kind in self.kinds.items():
            schema = self.component(kind)
            self.assertEqual(list(schema["properties"]), [a["name"] for a in kind["attributes"]], name)
            self.assertIs(schema["additionalProperties"], False, name)

    def test_every_member_is_as_in_the_table(self):
        count = 0
        for name, kind in self.kinds.items():
            for attribute in kind["attributes"]:
                schema = self.actual(self.component(kind)["properties"][attribute["name"]])
                if attribute["name"] == "id":
                    self.assertEqual(schema.pop("pattern"), f"^{kind['prefix']}-[0-9a-f]{{17}}$")
                with self.subTest(kind=name, member=attribute["name"]):
                    self.assertEqual(schema, expected(attribute, self.dump))
                count += 1
        self.assertGreater(count, 150)

    def test_everything_is_described(self):
        def walk(schema, path):
            schema = {**self.resolve(schema["$ref"]), **schema} if "$ref" in schema else schema
            self.assertTrue(schema.get("description"), path)
            inner = schema.get("items", schema)
            for name, member in inner.get("properties", {}).items():
                walk(member, f"{path}.{name}")

        for name, kind in self.kinds.items():
            walk(self.component(kind), name)
        for path, method, operation, _ in self.operations():
            self.assertTrue(operation.get("summary"), f"{method} {path}")

    def body(self, path, method):
        return self.contract["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]

    def test_what_is_required(self):
        """A creation's body has what the table requires; a patch's has nothing that it must have."""
        for name, kind in self.kinds.items():
            reference = {"$ref": f"#/components/schemas/{name.capitalize()}"}
            required = [a["name"] for a in kind["attributes"] if a["required"]]
            path = f"/v1/{kind['plural']}"
            if kind["inside"]:
                path = "/v1/filters/{id}/rules"
            required = [r for r in required if (name, r) not in FILLED_IN]
            schema = self.body(path, "post")
            self.assertEqual(schema, {"allOf": [reference, {"required": required}]} if required else reference, name)
            self.assertEqual(self.body(f"/v1/{kind['plural']}/{{id}}", "patch"), reference, name)

    def test_quotas(self):
        """The quotas of a project are those that there are."""
        self.assertEqual(list(self.component(self.kinds["project"])["properties"]["quotas"]["properties"]),
                         [quota["name"] for quota in self.dump["quotas"]])

    def test_references_lead_somewhere(self):
        def walk(value):
            if isinstance(value, dict):
                if isinstance(value.get("$ref"), str):
                    self.resolve(value["$ref"])
                    used.add(value["$ref"])
                for inner in value.values():
                    walk(inner)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner)

        used = set()
        walk(self.contract)
        for group, members in self.contract["components"].items():
            for name in members:
                if group != "securitySchemes":
                    self.assertIn(f"#/components/{group}/{name}", used)

    def test_operations(self):
        ids = [operation["operationId"] for _, _, operation, _ in self.operations()]
        self.assertEqual(len(ids), len(set(ids)))
        tags = {tag["name"] for tag in self.contract["tags"]}
        for path, method, operation, shared in self.operations():
            what = f"{method} {path}"
            self.assertLessEqual(set(operation["tags"]), tags, what)
            self.assertTrue(any(code.startswith("2") for code in operation["responses"]), what)
            parameters = [{**self.resolve(p["$ref"]), **p} if "$ref" in p else p
                          for p in shared + operation.get("parameters", [])]
            in_path = {p["name"] for p in parameters if p["in"] == "path"}
            self.assertEqual(in_path, set(re.findall(r"\{(\w+)\}", path)), what)
            if operation.get("security") != []:
                self.assertIn("401", operation["responses"], what)

    def routes(self):
        """(method, path): (flags, own parameters), of all tables; and which tables are declared, and defined."""
        folder = ROOT / "src" / "controller"
        declared = set(re.findall(r"vtap_api_routes_\w+", (folder / "api.h").read_text()))
        served, defined = {}, set()
        for source in sorted(folder.glob("*.c")):
            text = source.read_text()
            for name, table in TABLE.findall(text):
                defined.add(name)
                for method, path, flags, parameters in ROUTE.findall(expand(text, table)):
                    own = set() if parameters == "NULL" else set(parameters.strip('"').split())
                    if not path.startswith("/agent/"):
                        served[method, path] = (set(re.findall(r"VTAP_ROUTE_(\w+)", flags)), own)
        return served, declared, defined

    def test_routes(self):
        """Every route is in the contract, and the other way round. Those of agents have a document of their own."""
        served, declared, defined = self.routes()
        described = {(method.upper(), path) for path, method, _, _ in self.operations()}
        self.assertEqual(sorted(served.keys() - described), [], "served, but not in the contract")
        if defined < declared:
            self.skipTest(f"not there yet: {', '.join(sorted(declared - defined))}")
        self.assertEqual(sorted(described - served.keys()), [], "in the contract, but not served")

    def test_what_routes_take(self):
        """Parameters and bodies: what the routes' tables do not know is refused, and so the contract must not promise it."""
        served, _, _ = self.routes()
        for path, method, operation, shared in self.operations():
            flags, own = served[method.upper(), path]
            parameters = [{**self.resolve(p["$ref"]), **p} if "$ref" in p else p
                          for p in shared + operation.get("parameters", [])]
            taken = own | ({"fields"} if "CONDITIONS" in flags else set())
            if "OPEN" not in flags:
                taken |= {"project"}
            if method != "get" and not flags & {"OPEN", "ACTS"}:
                taken |= {"dry_run"}
            body = method in ("post", "put", "patch") and "BARE" not in flags
            with self.subTest(method=method, path=path):
                self.assertEqual({p["name"] for p in parameters if p["in"] == "query"}, taken)
                self.assertEqual("requestBody" in operation, body)


if __name__ == "__main__":
    Contract.program = str(pathlib.Path(sys.argv.pop()).resolve())
    unittest.main()
