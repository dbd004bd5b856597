# SPDX-License-Identifier: Apache-2.0
"""What an agent has pinned, as another agent would find it: its maps, and how an older layout of them looks."""

import ctypes
import json
import os

from lab import CommandFailed, run


def bpftool(*words):
    return json.loads(run(["bpftool", "-j", *words]).stdout or "null")


def map_path(agent, name):
    return os.path.join(agent.pin_dir, "maps", name)


def map_bytes(agent, name):
    info = bpftool("map", "show", "pinned", map_path(agent, name))
    return info["bytes_key"], info["bytes_value"], info["max_entries"]


def globals_of(agent):
    entry = bpftool("map", "lookup", "pinned", map_path(agent, "vtap_globals"), "key", "0", "0", "0", "0")
    return [int(byte, 16) for byte in entry["value"]]


def write_element(path, key, value):
    run(["bpftool", "map", "update", "pinned", path, "key", "hex", *[f"{byte:02x}" for byte in key],
         "value", "hex", *[f"{byte:02x}" for byte in value]])


def as_older_layout(agent, counters=None):
    """
    Makes what is pinned look as an older agent left it: the layout version is another, and with `counters` the programs'
    counters stay where they are, but the pinned map of them has that many of each, with what they counted so far.
    """
    value = globals_of(agent)
    write_element(map_path(agent, "vtap_globals"), bytes(4), bytes([99, 0, 0, 0, *value[4:]]))
    if counters is None:
        return
    path, older = map_path(agent, "vtap_counters"), map_path(agent, "older")
    _, size_bytes, entries = map_bytes(agent, "vtap_counters")
    run(["bpftool", "map", "create", older, "type", "percpu_array", "key", "4", "value", counters * 8, "entries", entries,
         "name", "older"])
    copy_percpu(path, older, entries, size_bytes, counters * 8)
    os.unlink(path)
    os.rename(older, path)


def copy_percpu(source, destination, entries, source_bytes, copied_bytes):
    """The first bytes of every CPU's values; bpftool would write the same value for all CPUs."""
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    cpus = libbpf.libbpf_num_possible_cpus()
    old, new = opened(libbpf, source), opened(libbpf, destination)
    values = ctypes.create_string_buffer(source_bytes * cpus)
    try:
        for number in range(entries):
            key = ctypes.byref(ctypes.c_uint32(number))
            failed = libbpf.bpf_map_lookup_elem(old, key, values)
            cut = b"".join(values.raw[cpu * source_bytes:][:copied_bytes] for cpu in range(cpus))
            failed = failed or libbpf.bpf_map_update_elem(new, key, cut, ctypes.c_uint64(0))
            if failed:
                raise CommandFailed(f"{destination}: {os.strerror(-failed)}")
    finally:
        os.close(old)
        os.close(new)


def opened(libbpf, path):
    descriptor = libbpf.bpf_obj_get(path.encode())
    if descriptor < 0:
        raise CommandFailed(f"{path}: {os.strerror(-descriptor)}")
    return descriptor
