# SPDX-License-Identifier: Apache-2.0
"""Other people's programs on a device's hooks, to see whether they run and stay beside ours."""

import ctypes
import os
import platform
import struct

_BPF = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD, _OBJ_GET, _PROG_QUERY, _LINK_CREATE = 5, 7, 16, 28
_SCHED_CLS = 3
_TCX = {"ingress": 46, "egress": 47}
_BEFORE = 8
NEXT, PASS = -1, 0  # verdicts
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    result = _libc.syscall(_BPF[platform.machine()], command, ctypes.create_string_buffer(attributes, len(attributes)),
                           len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}: {os.strerror(ctypes.get_errno())}")
    return result


class Program:
    """
    A tc program that lets every packet go on (returns TC_ACT_UNSPEC), or past all programs behind it (verdict PASS), under that name
    in bpftool's lists.
    """

    def __init__(self, lab, name="foreign", verdict=NEXT):
        instructions = struct.pack("<BBhi", 0xB7, 0, 0, verdict) + struct.pack("<BBhi", 0x95, 0, 0, 0)
        code, licence = ctypes.create_string_buffer(instructions), ctypes.create_string_buffer(b"GPL")
        self.descriptor = _bpf(_PROG_LOAD, struct.pack("=IIQQIIQII16s", _SCHED_CLS, 2, ctypes.addressof(code),
                                                       ctypes.addressof(licence), 0, 0, 0, 0, 0, name.encode()))
        self._keep(lab)

    def _keep(self, lab):
        self._lab = lab
        lab.on_exit(lambda: os.close(self.descriptor))
        with open(f"/proc/self/fdinfo/{self.descriptor}") as source:
            self.id = next(int(line.split()[1]) for line in source if line.startswith("prog_id:"))

    def attach_tcx(self, namespace, device, hook, first=False):
        """At the end of the hook's programs, or before all of them. Stays until the returned function is called."""
        with namespace.entered():
            link = _bpf(_LINK_CREATE, struct.pack("=IIIIIIQ", self.descriptor, namespace.ifindex(device), _TCX[hook],
                                                  _BEFORE if first else 0, 0, 0, 0))
        opened = [link]

        def remove():
            while opened:
                os.close(opened.pop())
        self._lab.on_exit(remove)
        return remove


class Pinned(Program):
    """A program that was loaded by other means and pinned there."""

    def __init__(self, lab, path):
        name = ctypes.create_string_buffer(path.encode())
        self.descriptor = _bpf(_OBJ_GET, struct.pack("=QIIII", ctypes.addressof(name), 0, 0, 0, 0))
        self._keep(lab)


def tcx_programs(namespace, device, hook):
    """Ids of the programs on a hook, in the order in which they run."""
    ids = (ctypes.c_uint32 * 64)()
    attributes = ctypes.create_string_buffer(struct.pack("=IIIIQIIQQQQ", namespace.ifindex(device), _TCX[hook], 0, 0,
                                                         ctypes.addressof(ids), len(ids), 0, 0, 0, 0, 0), 64)
    with namespace.entered():
        if _libc.syscall(_BPF[platform.machine()], _PROG_QUERY, attributes, 64) < 0:
            raise OSError(ctypes.get_errno(), f"programs of {device}: {os.strerror(ctypes.get_errno())}")
    return list(ids[:struct.unpack_from("=I", attributes.raw, 24)[0]])
