"""A private message bus with a logind on it that holds shutdowns up as the real one does; libsystemd by way of ctypes."""
import ctypes
import os
import pathlib
import select
import shutil
import subprocess
import threading
import time

from harness import Failed, skip, until

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
"""
PATH, INTERFACE = b"/org/freedesktop/login1", b"org.freedesktop.login1.Manager"
HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class Logind:
    """`calls`: what was asked of it; `held()`: somebody holds a delay lock."""

    def __init__(self, folder, delay_seconds=3600):
        daemon = shutil.which("dbus-daemon") or skip("there is no dbus-daemon")
        folder = pathlib.Path(folder)
        self.address = "unix:path=%s" % (folder / "bus")
        (folder / "bus.conf").write_text(CONFIG % (folder / "bus"))
        self.daemon = subprocess.Popen([daemon, "--config-file=%s" % (folder / "bus.conf"), "--nofork"])
        until("the bus is there", (folder / "bus").exists)
        self.delay, self.calls, self.locks, self.orders = delay_seconds, [], [], []
        self.error, self.stopping = None, False
        self.lib = ctypes.CDLL("libsystemd.so.0")
        self.lib.sd_bus_message_get_member.restype = ctypes.c_char_p
        self.lib.sd_bus_message_get_member.argtypes = [ctypes.c_void_p]
        self.handler = HANDLER(self.handle)  # must outlive the connection
        self.names = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        if not self.names.wait(20):
            raise Failed("the names on the bus: %s" % self.error)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stopping = True
        self.thread.join(10)
        self.daemon.kill()
        self.daemon.wait()
        for lock in self.locks:
            os.close(lock)

    def announce(self, begins):
        """PrepareForShutdown(begins)."""
        self.orders.append(begins)

    def held(self):
        def open_at_the_other_end(lock):
            return not any(event & select.POLLHUP for _, event in self.poll(lock))
        return any(open_at_the_other_end(lock) for lock in list(self.locks))

    @staticmethod
    def poll(lock):
        poll = select.poll()
        poll.register(lock, select.POLLIN)
        return poll.poll(0)

    def must(self, what, code):
        if code < 0:
            raise Failed("%s: %s" % (what, os.strerror(-code)))

    def serve(self):
        try:
            lib, bus = self.lib, ctypes.c_void_p()
            self.must("new", lib.sd_bus_new(ctypes.byref(bus)))
            self.must("address", lib.sd_bus_set_address(bus, self.address.encode()))
            self.must("client", lib.sd_bus_set_bus_client(bus, 1))
            self.must("start", lib.sd_bus_start(bus))
            for path in (PATH, b"/org/freedesktop/systemd1"):
                self.must("object", lib.sd_bus_add_object(bus, None, path, self.handler, None))
            for name in (b"org.freedesktop.login1", b"org.freedesktop.systemd1"):
                self.must("name", lib.sd_bus_request_name(bus, name, ctypes.c_uint64(0)))
            self.names.set()
            while not self.stopping:
                handled = lib.sd_bus_process(bus, None)
                self.must("process", handled)
                while self.orders:
                    begins = self.orders.pop(0)
                    self.must("signal", lib.sd_bus_emit_signal(bus, PATH, INTERFACE, b"PrepareForShutdown", b"b",
                                                               ctypes.c_int(1 if begins else 0)))
                if handled == 0:
                    lib.sd_bus_wait(bus, ctypes.c_uint64(20000))
            lib.sd_bus_flush_close_unref(bus)
        except Failed as error:
            self.error = error

    def handle(self, message, _, __):
        member = self.lib.sd_bus_message_get_member(message).decode()
        message = ctypes.c_void_p(message)
        self.calls.append((time.monotonic(), member))
        if member == "Get":
            return self.lib.sd_bus_reply_method_return(message, b"v", b"t", ctypes.c_uint64(self.delay * 1000000))
        if member != "Inhibit":
            return self.lib.sd_bus_reply_method_return(message, b"")
        reader, writer = os.pipe()
        sent = self.lib.sd_bus_reply_method_return(message, b"h", ctypes.c_int(writer))
        os.close(writer)
        self.locks.append(reader)
        return sent
