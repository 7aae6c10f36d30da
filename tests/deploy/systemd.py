"""The daemon and systemd: its own systemd-socket-activate passes sockets; and the heartbeat, as systemd
would hear it, stops while one of the threads hangs, and comes back. The thread is stopped by ptrace(2),
which stops no other.

    python3 tests/deploy/systemd.py CAMPANILE
"""

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
BEAT = 0.1  # seconds between two
SILENCE = 20 * BEAT
PATIENCE = 30
NULL = subprocess.DEVNULL

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def thread_of(pid, name):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm") as comm:
            if comm.read().strip() == name:
                return int(task)
    sys.exit(f"the daemon has no thread {name}")


def hear(manager):
    return manager.recv(4096).decode()


def expect_beats(manager):
    manager.settimeout(PATIENCE)
    for _ in range(5):
        heard = hear(manager)
        assert heard == "WATCHDOG=1", heard


def expect_silence(manager):
    manager.setblocking(False)
    try:
        while hear(manager):  # what came before
            pass
    except BlockingIOError:
        pass
    manager.settimeout(SILENCE)
    for _ in range(2):  # one may have been under way
        try:
            hear(manager)
        except TimeoutError:
            return
    sys.exit("it beats while a thread hangs")


def status(port, path):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", path)
            return connection.getresponse().status
        except ConnectionRefusedError:  # nobody listens yet
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def takes_over_what_systemd_opens():
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as server:
            ports.append(server.getsockname()[1])
    clients, admin = ports
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{clients}", "-l", f"127.0.0.1:{admin}"]
    command += ["--fdname=campanile.socket:admin", sys.argv[1]]
    daemon = subprocess.Popen(command, stdout=NULL, stderr=NULL)
    try:
        # Who comes first has it started.
        assert status(clients, "/healthz") == 200
        assert status(admin, "/metrics") == 200
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE) == 0
    finally:
        daemon.kill()


def beats_while_every_thread_makes_progress(folder):
    path = os.path.join(folder, "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.settimeout(PATIENCE)
    command = [sys.argv[1], "--listen", "127.0.0.1:0", "--admin-listen", "off"]
    command += ["--runtime", "smol", "--shards", "3"]
    variables = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(int(2 * BEAT * 1_000_000))}
    daemon = subprocess.Popen(command, env=variables, stdout=NULL, stderr=NULL)
    try:
        heard = hear(manager)
        assert heard.startswith("READY=1\n"), heard
        expect_beats(manager)
        for thread in [thread_of(daemon.pid, "shard-1"), thread_of(daemon.pid, "shard-2"), daemon.pid]:
            ptrace(PTRACE_SEIZE, thread)
            ptrace(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, WALL)
            expect_silence(manager)
            ptrace(PTRACE_DETACH, thread)
            expect_beats(manager)
        daemon.send_signal(signal.SIGTERM)
        manager.settimeout(PATIENCE)
        heard = hear(manager)
        while heard == "WATCHDOG=1":
            heard = hear(manager)
        assert heard.startswith("STOPPING=1\n"), heard
        assert daemon.wait(PATIENCE) == 0
    finally:
        daemon.kill()


takes_over_what_systemd_opens()
with tempfile.TemporaryDirectory() as folder:
    beats_while_every_thread_makes_progress(folder)
print("it takes over sockets, and the heartbeat stops while a thread hangs")
