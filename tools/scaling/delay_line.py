"""A link with a delay, for kernels without netem: two TAP devices, and a process that carries frames between them.

A frame that a rank sends waits for the delay and then goes on to the bridge; the other direction is not delayed, as
with netem on the rank's own device. The devices take and give segments of up to 64 KiB (TSO), so that a few thousand
frames a second are enough for 1 Gbit/s. tbf on the rank's device limits the rate.
"""
import collections
import ctypes
import fcntl
import multiprocessing
import os
import select
import struct
import time

# linux/if_tun.h
TUNSETIFF = 0x400454CA
TUNSETOFFLOAD = 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4 = 0x01, 0x02
HEADER = 10  # of struct virtio_net_hdr
LARGEST = HEADER + 14 + 65536
PR_SET_PDEATHSIG, SIGKILL = 1, 9


def open_tap(name):
    """A TAP device of that name in this process's namespace. It may be moved to another; it is gone when closed."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4)
    return device


class DelayLines:
    """The lines of all ranks, carried by one process. Times in seconds."""

    def __init__(self, names, delay):
        """names: (rank's device, bridge's device) of each line, in this namespace until they are moved."""
        self.lines = [(open_tap(first), open_tap(second)) for first, second in names]
        self.delay = delay
        self.process = None

    def start(self):
        self.process = multiprocessing.get_context("fork").Process(target=self.carry, daemon=True)
        self.process.start()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.join()
        for device in [device for line in self.lines for device in line]:
            os.close(device)
        self.lines = []

    def carry(self):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
        after = {first: second for first, second in self.lines}
        before = {second: first for first, second in self.lines}
        waiting = collections.deque()  # (when, device, frame): one delay for all, so in the order of their times
        while True:
            rest = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            for device in select.select([*after, *before], [], [], rest)[0]:
                frame = read(device)
                if frame and device in after:
                    waiting.append((time.monotonic() + self.delay, after[device], frame))
                elif frame:
                    write(before[device], frame)
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, device, frame = waiting.popleft()
                write(device, frame)


def read(device):
    try:
        return os.read(device, LARGEST)
    except OSError:  # down, or nothing there any more
        return b""


def write(device, frame):
    try:
        os.write(device, frame)
    except OSError:  # a full queue or a device that is down drops frames, as any link does
        pass
