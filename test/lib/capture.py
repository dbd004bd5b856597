# SPDX-License-Identifier: Apache-2.0
"""Captures: Capture keeps frames in memory, Tcpdump is the real tool writing a file, tshark decodes one."""

import json
import os
import select
import signal
import socket
import struct
import threading
import time
from dataclasses import dataclass

import pcap
from lab import end_process, run, wait_until

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA = 263, 6, 8
SO_RCVBUFFORCE = 33
AUXDATA = struct.Struct("=IIIHHHH")  # status, length, captured, mac, net, VLAN TCI, VLAN protocol
TP_STATUS_CSUMNOTREADY, TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 8, 16, 64
FRAME_MAX = 1 << 17
BUFFER_BYTES = 64 << 20


@dataclass
class Frame:
    time_ns: int
    data: bytes
    direction: str  # "in" or "out", from the device's side
    partial: bool  # the checksum is still to be completed by whoever transmits it

    def __repr__(self):
        from packet import describe
        return f"<{self.direction} {describe(self.data)}>"


class Capture:
    """
    Frames of one device, from the moment that the constructor returns. Ingress frames are seen before tc's ingress hook,
    egress frames after its egress hook. A VLAN tag that the kernel keeps apart is put back where the wire has it.
    Super-packets appear as such. Use as a context manager, or call stop(), which reads what is left.
        keep: a function of the frame's bytes; what it refuses is not stored
        direction: "in", "out" or None for both
    """

    def __init__(self, namespace, device, keep=None, direction=None, snap_bytes=FRAME_MAX):
        self.namespace, self.device = namespace, device
        self.frames = []
        self.lost = 0
        self._keep, self._direction, self._snap_bytes = keep, direction, snap_bytes
        # Protocol 0 receives nothing until bind() names one: no frame of another device slips in.
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.setblocking(False)
        self._socket.bind((device, ETH_P_ALL))
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        namespace.lab.on_exit(self.stop)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _read(self):
        buffer = bytearray(FRAME_MAX)
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll()}
            try:
                while True:
                    self._store(buffer, *self._socket.recvmsg_into([buffer], socket.CMSG_SPACE(AUXDATA.size)))
            except BlockingIOError:
                pass
            except OSError:  # the device or its namespace went away (ENETDOWN is reported once)
                pass
            if self._wake_read in ready:
                return

    def _store(self, buffer, size, ancillary, _, sender):
        direction = "out" if sender[2] == socket.PACKET_OUTGOING else "in"
        if self._direction not in (None, direction):
            return
        data = bytes(buffer[:size])
        partial = False
        for level, kind, value in ancillary:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, _, _, _, _, tci, protocol = AUXDATA.unpack(value[:AUXDATA.size])
                partial = bool(status & TP_STATUS_CSUMNOTREADY)
                if status & TP_STATUS_VLAN_VALID:
                    protocol = protocol if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                    data = data[:12] + struct.pack("!HH", protocol, tci) + data[12:]
        if self._keep is None or self._keep(data):
            self.frames.append(Frame(time.time_ns(), data[:self._snap_bytes], direction, partial))

    def wait(self, count, timeout_s=10, what="frames"):
        """Waits until at least count frames are there; returns them."""
        wait_until(lambda: len(self.frames) >= count, timeout_s,
                   lambda: f"{count} {what} on {self.device} of {self.namespace}, {len(self.frames)} came: {self.frames[:5]}")
        return list(self.frames)

    def stop(self):
        """Reads what has arrived, closes, and returns the frames. Frames that the socket had no room for are in .lost."""
        if self._socket.fileno() >= 0:
            os.write(self._wake_write, b"x")
            self._thread.join()
            self.lost = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
            self._socket.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
        return self.frames

    def copies(self, vni=None, port=4789):
        """Parsed VXLAN copies among the frames; raises packet.Malformed for one whose outer headers are wrong."""
        from packet import copies
        return copies(self.frames, vni, port)

    def write(self, path):
        pcap.write(path, [(frame.time_ns, frame.data) for frame in self.frames])
        return path


class Tcpdump:
    """tcpdump writing to .path, ready when the constructor returns; stop() waits until everything is in the file."""

    def __init__(self, namespace, device, expression="", name=None, snap_bytes=0):
        self.path = namespace.lab.path(name or f"{namespace.label}-{device}.pcap")
        self._lab = namespace.lab
        self._process = namespace.spawn(["tcpdump", "-i", device, "-U", "--immediate-mode", "-B", "65536", "-Z", "root",
                                         "-s", snap_bytes, "-w", self.path, *expression.split()])
        wait_until(self._is_ready, 20, lambda: f"tcpdump on {device}: {self._lab.log_of(self._process)}")

    def _is_ready(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"tcpdump ended: {self._lab.log_of(self._process)}")
        return "listening on" in self._lab.log_of(self._process)

    def frames(self):
        """(time_ns, bytes) of what is in the file so far."""
        return pcap.read(self.path) if os.path.getsize(self.path) >= 24 else []

    def stop(self):
        end_process(self._process, signal.SIGINT)
        return self.frames()


def tshark(path, fields, display_filter="", options=()):
    """One list of strings per packet that fits: the values of the fields, as tshark shows them."""
    argv = ["tshark", "-r", path, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", *options]
    for name in fields:
        argv += ["-e", name]
    if display_filter:
        argv += ["-Y", display_filter]
    return [line.split("\t") for line in run(argv).stdout.splitlines()]


def tshark_json(path, display_filter=""):
    argv = ["tshark", "-r", path, "-T", "json"] + (["-Y", display_filter] if display_filter else [])
    return json.loads(run(argv).stdout or "[]")
