# SPDX-License-Identifier: Apache-2.0
"""Reads and writes classic pcap files of Ethernet frames."""

import struct

MICROSECONDS, NANOSECONDS, ETHERNET = 0xA1B2C3D4, 0xA1B23C4D, 1


def write(path, frames):
    """frames: (time_ns, bytes) each."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", NANOSECONDS, 2, 4, 0, 0, 262144, ETHERNET))
        for time_ns, data in frames:
            out.write(struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9, len(data), len(data)) + data)


def read(path):
    """Returns (time_ns, bytes) of each frame; a last record that is not whole is left out, as a writer may still be at it."""
    with open(path, "rb") as source:
        content = source.read()
    order = next((o for o in "<>" if struct.unpack(o + "I", content[:4])[0] in (MICROSECONDS, NANOSECONDS)), None)
    if order is None:
        raise ValueError(f"{path} is no pcap file")
    fraction_ns = 1 if struct.unpack(order + "I", content[:4])[0] == NANOSECONDS else 1000
    link_type = struct.unpack(order + "I", content[20:24])[0]
    if link_type != ETHERNET:
        raise ValueError(f"{path} holds link type {link_type}, not Ethernet")
    frames = []
    at = 24
    while at + 16 <= len(content):
        seconds, fraction, size, _ = struct.unpack(order + "IIII", content[at:at + 16])
        if at + 16 + size > len(content):
            break
        frames.append((seconds * 10**9 + fraction * fraction_ns, content[at + 16:at + 16 + size]))
        at += 16 + size
    return frames
