# SPDX-License-Identifier: Apache-2.0
"""Traffic: raw frames, GSO super-packets as a guest's virtio NIC hands them over, HTTP and iperf3."""

import itertools
import json
import socket
import struct
import time

import packet
from lab import end_process

SOL_PACKET, PACKET_VNET_HDR = 263, 15
VNET_HEADER = struct.Struct("<BBHHHH")  # flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
NEEDS_CHECKSUM = 1
GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP = 0, 1, 4, 5
# With these tags, what send_partial() sends is mirrored through the stage: one of them stays in the frame's bytes.
STAGED_TAGS = (7, 5)
CHECKSUM_OFFSET = {packet.TCP: 16, packet.UDP: 6, packet.ICMPV6: 2}


class RawSender:
    """
    Sends frames out of a device as they are, by AF_PACKET: send() with checksums as given, send_partial() with the
    checksum left to the kernel, send_super() as one super-packet. A tag in the frame stays in the frame's bytes.
    """

    def __init__(self, namespace, device):
        self._plain = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._plain.bind((device, 0))
        self._offloading = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._offloading.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self._offloading.bind((device, 0))
        namespace.lab.on_exit(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._plain.close()
        self._offloading.close()

    def send(self, *frames):
        for frame in frames:
            self._plain.send(frame)

    def send_paced(self, frames, packets_per_second):
        """Sends an iterable of frames evenly spread; returns how many were sent. Waits by spinning for short gaps."""
        start, count = time.perf_counter(), 0
        for frame in frames:
            while time.perf_counter() < start + count / packets_per_second:
                pass
            self._plain.send(frame)
            count += 1
        return count

    def send_partial(self, frame):
        self._offload(frame, GSO_NONE, 0)

    def send_super(self, frame, gso_size):
        """
        frame: one TCP (or UDP, on kernels from 6.2) packet over IPv4 or IPv6 with the whole payload; each segment will
        carry gso_size bytes of it.
        """
        parsed = packet.parse(frame)
        kind = GSO_UDP if parsed.protocol == packet.UDP else GSO_TCPV4 if parsed.version == 4 else GSO_TCPV6
        self._offload(frame, kind, gso_size)

    def _offload(self, frame, gso_type, gso_size):
        parsed = packet.parse(frame)
        l4_start = len(frame) - len(parsed.l4)
        header_bytes = len(frame) - len(parsed.payload)
        offset = CHECKSUM_OFFSET[parsed.protocol]
        # What the kernel completes starts from the pseudo header's sum in the checksum field.
        partial = packet.pseudo_header_sum(parsed.src, parsed.dst, parsed.protocol, len(parsed.l4))
        at = l4_start + offset
        frame = frame[:at] + struct.pack("!H", partial) + frame[at + 2:]
        header = VNET_HEADER.pack(NEEDS_CHECKSUM, gso_type, header_bytes if gso_size else 0, gso_size, l4_start, offset)
        self._offloading.send(header + frame)


def numbered_udp(count, src_mac, dst_mac, src="10.0.0.1", dst="10.0.0.2", sport=1000, dport=2000, size_bytes=256, first=0,
                 vlans=()):
    """Yields count UDP frames whose payload starts with its number (8 bytes): see number_of(). size_bytes: without tags."""
    version = packet.ipv6 if ":" in src else packet.ipv4
    room = size_bytes - 14 - (40 if ":" in src else 20) - 8
    for number in itertools.islice(itertools.count(first), count):
        payload = struct.pack("!Q", number).ljust(room, b".")
        yield packet.ethernet(version(packet.udp(payload, src, dst, sport, dport), src, dst, packet.UDP), src_mac, dst_mac,
                              vlans=vlans)


def number_of(frame):
    """The number that numbered_udp() gave to this frame."""
    return struct.unpack("!Q", packet.parse(frame).payload[:8])[0]


def segments(frame, gso_size):
    """The wire packets that a TCP super-packet without options becomes; FIN and PSH only in the last, IPv4 ids counting up."""
    parsed = packet.parse(frame)
    layer3 = packet.ipv4 if parsed.version == 4 else packet.ipv6
    last_only = packet.TCP_FLAGS["F"] | packet.TCP_FLAGS["P"]
    tags = [tag for tag in parsed.vlans]
    result = []
    for index, at in enumerate(range(0, len(parsed.payload), gso_size)):
        final = at + gso_size >= len(parsed.payload)
        bits = parsed.tcp_flags if final else parsed.tcp_flags & ~last_only
        flags = "".join(letter for letter, bit in packet.TCP_FLAGS.items() if bits & bit)
        ack, window = struct.unpack("!I", parsed.l4[8:12])[0], struct.unpack("!H", parsed.l4[14:16])[0]
        options = parsed.l4[20:(parsed.l4[12] >> 4) * 4]
        segment = packet.tcp(parsed.payload[at:at + gso_size], parsed.src, parsed.dst, parsed.sport, parsed.dport, flags,
                             parsed.seq + at, ack, window, options)
        extra = {"ident": (parsed.ident + index) % 65536, "ttl": parsed.ttl, "df": parsed.df} if parsed.version == 4 else {}
        result.append(packet.ethernet(layer3(segment, parsed.src, parsed.dst, packet.TCP, **extra), parsed.src_mac,
                                      parsed.dst_mac, vlans=tags))
    return result


def http_server(namespace, directory, port=80):
    """python3's http.server, listening when this returns; ends with the lab."""
    process = namespace.spawn(["python3", "-u", "-m", "http.server", "--directory", directory, port])
    namespace.wait_listens(port)
    return process


def download(namespace, url, path, timeout_s=120):
    namespace.run(["curl", "-sSf", "--max-time", timeout_s, "-o", path, url], timeout_s=timeout_s + 10)


def ping(namespace, destination, count=3, interval_s=0.05, size_bytes=56, check=True):
    """Returns how many replies came."""
    done = namespace.run(["ping", "-n", "-q", "-c", count, "-i", interval_s, "-s", size_bytes, "-W", "2", destination],
                         check=False)
    received = int(done.stdout.split(" received")[0].split()[-1]) if " received" in done.stdout else 0
    if check and received != count:
        raise AssertionError(f"ping {destination} from {namespace}: {received} of {count} replies\n{done.stdout}{done.stderr}")
    return received


def iperf3(server, client, destination, seconds=2, port=5201, options=()):
    """One run; returns iperf3's own JSON. Its server lives for this run only."""
    process = server.spawn(["iperf3", "-s", "-1", "-p", port])
    try:
        server.wait_listens(port)
        done = client.run(["iperf3", "-J", "-c", destination, "-p", port, "-t", seconds, *options], timeout_s=seconds * 5 + 60)
        return json.loads(done.stdout)
    finally:
        end_process(process)
