"""The daemon under Debian's supervisor, by deploy/supervisor/campanile.conf: it starts, answers, is started
again when it was killed, and stops with a drain. As root, since it is to run as somebody else.

    python3 tests/deploy/supervisor.py CAMPANILE
"""

import http.client
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 30
OWN = os.path.join(os.path.dirname(__file__), "../../deploy/supervisor/campanile.conf")


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > end:
            sys.exit(f"not within {PATIENCE} s: {what}")
        time.sleep(0.2)
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def replace(text, old, new):
    assert old in text, f"{old} is not in {OWN}"
    return text.replace(old, new)


folder = tempfile.mkdtemp()
os.chmod(folder, 0o755)
daemon = shutil.copy(sys.argv[1], os.path.join(folder, "campanile"))  # where everybody may run it
os.chmod(daemon, 0o755)
port = free_port()
with open(OWN) as file:
    text = file.read()
# All but paths and ports is as it is.
text = replace(text, "/usr/bin/campanile", daemon)
text = replace(
    text,
    "--config /etc/campanile/campanile.toml",
    f"--listen 127.0.0.1:{port} --admin-listen off",
)
text = replace(text, "/var/log/supervisor/", f"{folder}/")
with open(f"{folder}/program.conf", "w") as file:
    file.write(text)
with open(f"{folder}/supervisord.conf", "w") as file:
    file.write(f"""
[unix_http_server]
file={folder}/control
[supervisord]
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/control
[include]
files={folder}/program.conf
""")


def read(name):
    with open(f"{folder}/{name}") as file:
        return file.read()


def control(*words):
    command = ["supervisorctl", "-c", f"{folder}/supervisord.conf", *words]
    return subprocess.run(command, capture_output=True, text=True).stdout


def pid():
    found = re.search(r"RUNNING\s+pid (\d+)", control("status", "campanile"))
    return found and int(found[1])


def is_healthy():
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


null = subprocess.DEVNULL
command = ["supervisord", "--nodaemon", "-c", f"{folder}/supervisord.conf"]
supervisor = subprocess.Popen(command, stdout=null, stderr=null)
try:
    wait_for("the daemon answers", is_healthy)
    first = wait_for("supervisor takes it for running", pid)
    user = pwd.getpwuid(os.stat(f"/proc/{first}").st_uid).pw_name
    assert user == "nobody", user

    os.kill(first, signal.SIGKILL)
    second = wait_for("another one runs", lambda: (now := pid()) and now != first and now)
    wait_for("it answers", is_healthy)

    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    client.sendall(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    stream = client.makefile("rb")
    while stream.readline() != b"\r\n":
        pass
    stopping = subprocess.Popen(
        ["supervisorctl", "-c", f"{folder}/supervisord.conf", "stop", "campanile"], stdout=null
    )
    said = b""
    while b"\x03\xe9" not in said:  # 1001, in a Close
        more = stream.read1(4096)
        assert more, f"no Close in {said}"
        said += more
    assert b"shutting_down" in said, said
    client.close()
    assert stopping.wait(PATIENCE) == 0
    assert "STOPPED" in control("status", "campanile")
    assert '"event":"ended"' in read("campanile.log")
    assert "stopped: campanile (exit status 0)" in read("supervisord.log")
finally:
    supervisor.terminate()
    supervisor.wait(PATIENCE)
    shutil.rmtree(folder)
print("supervisor starts it, starts it again, and stops it with a drain")
