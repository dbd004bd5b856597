# SPDX-License-Identifier: Apache-2.0
"""Frames as bytes: builders from the inside out, a parser that checks what it reads, and VXLAN copies.

    frame = ethernet(ipv4(udp(b"hello", "10.0.0.1", "10.0.0.2", 1000, 53), "10.0.0.1", "10.0.0.2", UDP), SRC, DST)
    packet = parse(frame)
    copy = parse_vxlan(captured)        # raises Malformed when an outer field is wrong
"""

import ipaddress
import struct
from dataclasses import dataclass, field

ETH_IPV4, ETH_IPV6, ETH_ARP, ETH_VLAN, ETH_QINQ = 0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8
ICMP, TCP, UDP, GRE, ESP, ICMPV6, SCTP = 1, 6, 17, 47, 50, 58, 132
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION)
TCP_FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
VXLAN_PORT = 4789
BROADCAST = "ff:ff:ff:ff:ff:ff"


class Malformed(Exception):
    """A frame that is not what it claims to be; the text says which field."""


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def format_mac(value):
    return ":".join(f"{byte:02x}" for byte in value)


def address(text):
    return ipaddress.ip_address(text).packed


def ones_complement_sum(data, start=0):
    if len(data) % 2:
        data += b"\0"
    total = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(data, start=0):
    return ones_complement_sum(data, start) ^ 0xFFFF


def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC32C = _crc32c_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ _CRC32C[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def pseudo_header_sum(src, dst, protocol, length):
    return ones_complement_sum(address(src) + address(dst) + struct.pack("!IHH", length, 0, protocol))


# Builders. Addresses are text; `src` and `dst` of the layer-4 builders serve the pseudo header only.


def ethernet(payload, src, dst, ethertype=None, vlans=()):
    """vlans: outermost first, each a VLAN id / TCI, or (tag protocol, TCI). Without an ethertype, the IP version tells."""
    if ethertype is None:
        ethertype = {4: ETH_IPV4, 6: ETH_IPV6}[payload[0] >> 4]
    header = mac(dst) + mac(src)
    for position, tag in enumerate(vlans):
        outer_of_two = len(vlans) > 1 and position == 0
        protocol, tci = tag if isinstance(tag, tuple) else (ETH_QINQ if outer_of_two else ETH_VLAN, tag)
        header += struct.pack("!HH", protocol, tci)
    return header + struct.pack("!H", ethertype) + payload


def ipv4(payload, src, dst, protocol, ttl=64, ident=0, df=False, more=False, offset_bytes=0, tos=0, options=b""):
    options += b"\0" * (-len(options) % 4)
    header_bytes = 20 + len(options)
    fragment = (0x4000 if df else 0) | (0x2000 if more else 0) | offset_bytes // 8
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | header_bytes // 4, tos, header_bytes + len(payload), ident, fragment,
                         ttl, protocol, 0, address(src), address(dst)) + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def ipv6(payload, src, dst, protocol, hop_limit=64, traffic_class=0, flow_label=0, extensions=()):
    """extensions: (type, body) in order; a body is padded to what its header needs and gets its length and next header."""
    types = [extension[0] for extension in extensions] + [protocol]
    chain = b""
    for position, (kind, body) in enumerate(extensions):
        following = types[position + 1]
        if kind == FRAGMENT:
            chain += struct.pack("!BB", following, 0) + body
        elif kind == AUTHENTICATION:
            body += b"\0" * (-(len(body) + 2) % 8)
            chain += struct.pack("!BB", following, (len(body) + 2) // 4 - 2) + body
        else:
            body += b"\0" * (-(len(body) + 2) % 8)
            chain += struct.pack("!BB", following, (len(body) + 2) // 8 - 1) + body
    first = 0x60000000 | traffic_class << 20 | flow_label
    return struct.pack("!IHBB", first, len(chain) + len(payload), types[0], hop_limit) + address(src) + address(
        dst) + chain + payload


def ipv4_fragments(payload, src, dst, protocol, ident, fragment_bytes, **fields):
    """The IPv4 packets that carry payload in pieces of fragment_bytes, which is a multiple of 8."""
    return [ipv4(payload[at:at + fragment_bytes], src, dst, protocol, ident=ident, offset_bytes=at,
                 more=at + fragment_bytes < len(payload), **fields) for at in range(0, len(payload), fragment_bytes)]


def ipv6_fragments(payload, src, dst, protocol, ident, fragment_bytes, **fields):
    packets = []
    for at in range(0, len(payload), fragment_bytes):
        more = at + fragment_bytes < len(payload)
        body = struct.pack("!HI", at | (1 if more else 0), ident)
        packets.append(ipv6(payload[at:at + fragment_bytes], src, dst, protocol, extensions=[(FRAGMENT, body)], **fields))
    return packets


def _with_checksum(segment, at, src, dst, protocol, value):
    """Puts value, or the right checksum when it is None, at segment[at:at + 2]."""
    if value is None:
        value = checksum(segment, pseudo_header_sum(src, dst, protocol, len(segment)))
        if protocol == UDP and value == 0:
            value = 0xFFFF
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def tcp(payload, src, dst, sport, dport, flags="A", seq=1, ack=0, window=65535, options=b"", check=None):
    options += b"\0" * (-len(options) % 4)
    bits = sum(TCP_FLAGS[letter] for letter in flags)
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, (20 + len(options)) << 2, bits, window, 0, 0)
    return _with_checksum(segment + options + payload, 16, src, dst, TCP, check)


def udp(payload, src, dst, sport, dport, check=None):
    segment = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    return _with_checksum(segment, 6, src, dst, UDP, check)


def icmp(payload, kind=8, code=0, rest=b"\0\0\0\1"):
    message = struct.pack("!BBH", kind, code, 0) + rest + payload
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def icmpv6(payload, src, dst, kind=128, code=0, rest=b"\0\0\0\1"):
    return _with_checksum(struct.pack("!BBH", kind, code, 0) + rest + payload, 2, src, dst, ICMPV6, None)


def sctp(payload, sport, dport, tag=1):
    """One DATA chunk."""
    chunk = struct.pack("!BBHIHHI", 0, 3, 16 + len(payload), 1, 0, 0, 0) + payload + b"\0" * (-len(payload) % 4)
    header = struct.pack("!HHI", sport, dport, tag)
    return header + struct.pack("<I", crc32c(header + b"\0\0\0\0" + chunk)) + chunk


def arp(sender_mac, sender, target, target_mac="00:00:00:00:00:00", operation=1):
    return struct.pack("!HHBBH", 1, ETH_IPV4, 6, 4, operation) + mac(sender_mac) + address(sender) + mac(
        target_mac) + address(target)


def vxlan(inner, vni):
    return struct.pack("!II", 0x08000000, vni << 8) + inner


@dataclass
class Packet:
    """What a frame says. `l3`, `l4` and `payload` end where the IP header says, or where the frame was cut."""

    src_mac: str
    dst_mac: str
    ethertype: int
    vlans: list = field(default_factory=list)  # (tag protocol, TCI), outermost first
    l3: bytes = b""
    version: int = 0  # 4, 6, or 0 for a frame that is not IP
    src: str = ""
    dst: str = ""
    protocol: int = -1
    ttl: int = 0
    dscp: int = 0
    df: bool = False
    ident: int = 0
    more: bool = False
    offset_bytes: int = 0
    extensions: list = field(default_factory=list)
    ip_bytes: int = 0  # by its own header
    truncated: bool = False  # fewer bytes than ip_bytes are there
    ip_checksum_ok: bool = True
    l4: bytes = b""
    sport: int = -1
    dport: int = -1
    tcp_flags: int = 0
    seq: int = 0
    icmp_type: int = -1
    icmp_code: int = -1
    payload: bytes = b""

    @property
    def vlan_ids(self):
        return [tci & 0xFFF for _, tci in self.vlans]

    @property
    def fragment(self):
        return self.more or self.offset_bytes > 0

    @property
    def l4_checksum_ok(self):
        """True or False; None where it cannot be told: not whole, a fragment, no checksum, or another protocol."""
        if self.version == 0 or self.truncated or self.fragment:
            return None
        return _check_l4(self)


def _check_l4(packet):
    if packet.protocol == SCTP and len(packet.l4) >= 12:
        return crc32c(packet.l4[:8] + b"\0\0\0\0" + packet.l4[12:]) == struct.unpack("<I", packet.l4[8:12])[0]
    if packet.protocol == ICMP and packet.version == 4:
        return checksum(packet.l4) == 0
    if packet.protocol not in (TCP, UDP, ICMPV6):
        return None
    if packet.protocol == UDP and packet.l4[6:8] == b"\0\0":
        return None
    start = pseudo_header_sum(packet.src, packet.dst, packet.protocol, len(packet.l4))
    return checksum(packet.l4, start) == 0


def parse(frame):
    """Raises Malformed for a frame that is too short for the headers it announces, except where truncation explains it."""
    if len(frame) < 14:
        raise Malformed(f"frame of {len(frame)} bytes is shorter than an Ethernet header")
    packet = Packet(src_mac=format_mac(frame[6:12]), dst_mac=format_mac(frame[0:6]), ethertype=0)
    at = 12
    packet.ethertype = int.from_bytes(frame[at:at + 2], "big")
    while packet.ethertype in (ETH_VLAN, ETH_QINQ) and len(frame) >= at + 6:
        packet.vlans.append((packet.ethertype, int.from_bytes(frame[at + 2:at + 4], "big")))
        at += 4
        packet.ethertype = int.from_bytes(frame[at:at + 2], "big")
    packet.l3 = frame[at + 2:]
    if packet.ethertype == ETH_IPV4:
        _parse_ipv4(packet)
    elif packet.ethertype == ETH_IPV6:
        _parse_ipv6(packet)
    return packet


def _parse_ipv4(packet):
    data = packet.l3
    if len(data) < 20:
        packet.truncated = True
        return
    header_bytes = (data[0] & 15) * 4
    if data[0] >> 4 != 4 or header_bytes < 20:
        raise Malformed(f"IPv4 header starts with {data[0]:#04x}")
    packet.version = 4
    packet.dscp = data[1] >> 2
    packet.ip_bytes, packet.ident, fragment = struct.unpack("!HHH", data[2:8])
    packet.df, packet.more, packet.offset_bytes = bool(fragment & 0x4000), bool(fragment & 0x2000), (fragment & 0x1FFF) * 8
    packet.ttl, packet.protocol = data[8], data[9]
    packet.src, packet.dst = str(ipaddress.ip_address(data[12:16])), str(ipaddress.ip_address(data[16:20]))
    packet.truncated = len(data) < packet.ip_bytes
    packet.ip_checksum_ok = len(data) < header_bytes or checksum(data[:header_bytes]) == 0
    packet.l3 = data[:packet.ip_bytes]
    packet.l4 = packet.l3[header_bytes:]
    _parse_l4(packet)


def _parse_ipv6(packet):
    data = packet.l3
    if len(data) < 40:
        packet.truncated = True
        return
    if data[0] >> 4 != 6:
        raise Malformed(f"IPv6 header starts with {data[0]:#04x}")
    packet.version = 6
    first, payload_bytes, following, packet.ttl = struct.unpack("!IHBB", data[:8])
    packet.dscp = first >> 22 & 0x3F
    packet.src, packet.dst = str(ipaddress.ip_address(data[8:24])), str(ipaddress.ip_address(data[24:40]))
    packet.ip_bytes = 40 + payload_bytes
    packet.truncated = len(data) < packet.ip_bytes
    packet.l3 = data[:packet.ip_bytes]
    at = 40
    while following in EXTENSIONS and len(packet.l3) >= at + 8 and not packet.offset_bytes:
        kind, following = following, packet.l3[at]
        size = {FRAGMENT: 8, AUTHENTICATION: (packet.l3[at + 1] + 2) * 4}.get(kind, (packet.l3[at + 1] + 1) * 8)
        if kind == FRAGMENT:
            word, packet.ident = struct.unpack("!HI", packet.l3[at + 2:at + 8])
            packet.more, packet.offset_bytes = bool(word & 1), word & 0xFFF8
        packet.extensions.append((kind, packet.l3[at + 2:at + size]))
        at += size
    packet.protocol = following
    packet.l4 = packet.l3[at:]
    _parse_l4(packet)


def _parse_l4(packet):
    data = packet.l4
    if packet.offset_bytes:
        packet.payload = data
        return
    if packet.protocol in (TCP, UDP, SCTP) and len(data) >= 4:
        packet.sport, packet.dport = struct.unpack("!HH", data[:4])
    if packet.protocol == TCP and len(data) >= 14:
        packet.seq, packet.tcp_flags = struct.unpack("!I", data[4:8])[0], data[13]
        packet.payload = data[(data[12] >> 4) * 4:]
    elif packet.protocol == UDP:
        packet.payload = data[8:]
    elif packet.protocol in (ICMP, ICMPV6) and len(data) >= 2:
        packet.icmp_type, packet.icmp_code = data[0], data[1]
        packet.payload = data[8:]
    elif packet.protocol == SCTP:
        packet.payload = data[12:]


@dataclass
class Copy:
    """A mirrored frame as the collector received it."""

    outer: Packet
    vni: int
    inner: bytes

    @property
    def packet(self):
        return parse(self.inner)


def parse_vxlan(frame, port=VXLAN_PORT):
    """The copy in a frame; None for a frame that is no VXLAN on that port; Malformed for one whose headers are wrong."""
    outer = parse(frame)
    if outer.protocol != UDP or outer.dport != port or outer.offset_bytes:
        return None
    if outer.truncated:
        raise Malformed(f"outer IP header says {outer.ip_bytes} bytes, the frame holds fewer")
    if not outer.ip_checksum_ok:
        raise Malformed("outer IPv4 checksum is wrong")
    udp_bytes = struct.unpack("!H", outer.l4[4:6])[0]
    if udp_bytes != len(outer.l4) and not outer.more:
        raise Malformed(f"outer UDP header says {udp_bytes} bytes, the IP header leaves {len(outer.l4)}")
    if outer.l4_checksum_ok is False:
        raise Malformed("outer UDP checksum is neither 0 nor right")
    if len(outer.payload) < 8:
        raise Malformed("no room for a VXLAN header")
    flags, vni = struct.unpack("!II", outer.payload[:8])
    if flags != 0x08000000 or vni & 0xFF:
        raise Malformed(f"VXLAN header is {outer.payload[:8].hex()}")
    return Copy(outer=outer, vni=vni >> 8, inner=outer.payload[8:])


def copies(frames, vni=None, port=VXLAN_PORT):
    """All copies among frames (bytes, or captured frames), in order, of one VNI or of any."""
    found = (parse_vxlan(getattr(frame, "data", frame), port) for frame in frames)
    return [copy for copy in found if copy is not None and vni in (None, copy.vni)]


def describe(frame):
    """One line for a person."""
    packet = parse(getattr(frame, "data", frame))
    tags = "".join(f" vlan {vlan}" for vlan in packet.vlan_ids)
    head = f"{len(getattr(frame, 'data', frame))} B {packet.src_mac} > {packet.dst_mac}{tags}"
    if not packet.version:
        return f"{head} ethertype {packet.ethertype:#06x}"
    ports = f" {packet.sport} > {packet.dport}" if packet.sport >= 0 else ""
    kind = f" type {packet.icmp_type}" if packet.icmp_type >= 0 else ""
    return f"{head} {packet.src} > {packet.dst} protocol {packet.protocol}{ports}{kind}"
