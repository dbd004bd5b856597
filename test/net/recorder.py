# SPDX-License-Identifier: Apache-2.0
"""Loads record.bpf.c and puts its programs on a device's hooks, before ours or behind."""

import json
import os
import struct

import foreign
from agent import PROGRAM
from lab import run

OBJECT = os.environ.get("VTAP_TEST_RECORD") or os.path.join(os.path.dirname(PROGRAM), "..", "..", "test", "net",
                                                            "record.bpf.o")
FIELDS = ("mark", "priority", "tc_index", "cb0", "cb1", "cb2", "cb3", "cb4", "len", "protocol", "vlan_present", "vlan_tci",
          "vlan_proto", "gso_size", "gso_segs", "queue_mapping", "tc_classid", "pkt_type")
RECORD = struct.Struct(f"={len(FIELDS)}I I 256s")
DRESSED = {"mark": 0x11223344, "priority": 0x5566, "tc_index": 0x7788, **{f"cb{i}": 0xABCD0000 + i for i in range(5)}}


class Recorder:
    """One pair of programs with a map of its own."""

    def __init__(self, lab, name):
        self.programs = os.path.join(lab.bpffs(f"recorder-{name}"), "programs")
        self.maps = os.path.join(os.path.dirname(self.programs), "maps")
        run(["bpftool", "prog", "loadall", OBJECT, self.programs, "type", "classifier", "pinmaps", self.maps])
        self._lab = lab

    def attach_tcx(self, namespace, device, hook, program, first=False):
        return foreign.Pinned(self._lab, os.path.join(self.programs, program)).attach_tcx(namespace, device, hook, first)

    def attach_clsact(self, namespace, device, hook, program, preference):
        """Of two BPF filters with one preference, the later one runs first."""
        run(["tc", "-n", namespace.name, "qdisc", "add", "dev", device, "clsact"], check=False)
        namespace.tc(f"filter add dev {device} {hook} pref {preference} protocol all bpf da object-pinned "
                     f"{os.path.join(self.programs, program)}")

    def _dump(self, name):
        entries = json.loads(run(["bpftool", "-j", "map", "dump", "pinned", os.path.join(self.maps, name)]).stdout)
        return [bytes(int(byte, 16) for byte in entry["value"]) for entry in entries]

    def take(self):
        """What was recorded since the last call, in order: dicts of FIELDS and "frame", its first 256 bytes."""
        count = struct.unpack("=I", self._dump("recorded")[0])[0]
        found = []
        for value in self._dump("records")[:count]:
            *numbers, size, frame = RECORD.unpack(value)
            found.append({**dict(zip(FIELDS, numbers)), "frame": frame[:size]})
        run(["bpftool", "map", "update", "pinned", os.path.join(self.maps, "recorded"), "key", "0", "0", "0", "0", "value",
             "0", "0", "0", "0"])
        if len(found) != count:
            raise AssertionError(f"{count} packets, more than the recorder has room for")
        return found
