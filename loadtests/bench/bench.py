"""Starts proxies, loads them and takes the figures. Knows no table and no scenario."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from . import machine, peers

CONNECTIONS = 64
GATEWAY = f"{peers.ROOT}/target/release/loadtest-gateway"
SCRIPT = f"{peers.ROOT}/loadtests/bench/wrk.lua"


class Unsound(Exception):
    """The work was not done as it should have been: there are no figures to show."""


def end_cleanly_when_told():
    """Whoever is told to end takes its proxies and files along."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class Layout:
    """Which cores the proxies have and which the load and the upstream."""

    def __init__(self, workers, shared=False):
        cores = machine.cores()
        self.shared = shared or len(cores) < workers + 1
        self.proxy = set(cores) if self.shared else set(cores[:workers])
        self.load = set(cores) if self.shared else set(cores[workers : workers + 2])


class Proxy:
    """A running proxy. `work` is true for one that checks keys, limits and records."""

    def __init__(self, name, command, port, layout, work, log=None, gateway=False):
        self.name, self.port, self.layout, self.work, self.log = name, port, layout, work, log
        self.gateway = gateway
        self.answered = 0
        self.broken_off = 0
        pipe = subprocess.PIPE if gateway else subprocess.DEVNULL
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self.errors, text=True, preexec_fn=lambda: _place(layout.proxy)
        )
        self.pid = self.process.pid

    def wait_until_ready(self, seconds=60):
        if self.gateway:
            self._line()
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise Unsound(f"{self.name} did not start: {self.said()}")
        machine.pin(self.pid, self.layout.proxy, self.layout.load)

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-2000:]

    def ask(self, line):
        """The gateway's answer to a line."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise Unsound(f"{self.name} ended: {self.said()}")
        return json.loads(line)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def records(self):
        """Records or log lines of answered requests."""
        if self.gateway:
            counts = self.ask("counts")
            return counts["by_outcome"].get("200 ok", 0)
        with open(self.log, "rb") as log:
            return sum(1 for _ in log)


def _place(cores):
    os.sched_setaffinity(0, cores)


class Bench:
    """One upstream and the proxies in front of it."""

    def __init__(self, layout, body_bytes=1024, upstream_port=21000):
        self.layout, self.body_bytes, self.upstream_port = layout, body_bytes, upstream_port
        os.makedirs(f"{peers.ROOT}/.cache/loadtests", exist_ok=True)
        self.directory = tempfile.mkdtemp(prefix="run-", dir=f"{peers.ROOT}/.cache/loadtests")
        # Workers of nginx that root starts belong to another user.
        os.chmod(self.directory, 0o755)
        self.proxies = []
        self.seed = 0
        upstream_layout = Layout.__new__(Layout)
        upstream_layout.proxy = upstream_layout.load = layout.load
        command = peers.upstream(self.directory, upstream_port, body_bytes)
        self.upstream = Proxy("upstream", command, upstream_port, upstream_layout, work=False)

    def __enter__(self):
        self.upstream.wait_until_ready()
        return self

    def __exit__(self, *_):
        for proxy in [*self.proxies, self.upstream]:
            proxy.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start_gateway(self, name="tollgate", port=21001, *, workers=1, keys=peers.KEYS, apis=peers.HOSTS, routes=peers.ROUTES):
        command = [
            GATEWAY, "--port", str(port), "--upstream", f"http://127.0.0.1:{self.upstream_port}",
            "--directory", f"{self.directory}/{name}", "--keys", str(keys), "--apis", str(apis),
            "--routes", str(routes), "--workers", str(workers),
        ]
        return self._start(Proxy(name, command, port, self.layout, work=True, gateway=True))

    def start_peer(self, name, port, workers=1):
        command = getattr(peers, name.replace("-", "_"))(self.directory, port, self.upstream_port, workers)
        work = name.endswith("-work")
        log = f"{self.directory}/{name}-{port}.log" if work else None
        return self._start(Proxy(name, command, port, self.layout, work, log))

    def _start(self, proxy):
        self.proxies.append(proxy)
        proxy.wait_until_ready()
        self.check(proxy)
        return proxy

    def check(self, proxy, times=200):
        """Each of these requests must be answered with the body, and none without a key where keys are checked; a gateway must
        have exactly as many records."""
        before = proxy.records() if proxy.gateway else 0
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        for number in range(times):
            headers = {"Host": peers.host(number % peers.HOSTS if not proxy.gateway else 0), "X-Api-Key": peers.key(0)}
            connection.request("GET", f"/prod/res0/items/{number}", headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or len(body) != self.body_bytes:
                raise Unsound(f"{proxy.name} answered {answer.status} with {len(body)} bytes: {proxy.said()}")
        if proxy.work:
            connection.request("GET", "/prod/res0/items/1", headers={"Host": peers.host(0)})
            answer = connection.getresponse()
            answer.read()
            if answer.status not in (401, 403):
                raise Unsound(f"{proxy.name} answered {answer.status} to a request without a key")
        connection.close()
        proxy.answered += times
        if proxy.gateway:
            self.await_records(proxy, before + times)
            if proxy.records() != before + times:
                raise Unsound(f"{proxy.name} has {proxy.records() - before} records of {times} requests")

    def load(self, target, seconds, rate=0, keys=peers.KEYS, active=peers.KEYS, apis=peers.HOSTS, routes=peers.ROUTES):
        """One run of wrk against a proxy, or with the upstream as target against that alone."""
        self.seed += 1
        command = [
            "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", SCRIPT,
            f"http://127.0.0.1:{target.port}", "--", str(keys), str(active), str(apis), str(routes),
            str(rate / CONNECTIONS), str(self.seed),
        ]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 60,
            preexec_fn=lambda: _place(self.layout.load),
        )
        lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
        if run.returncode or not lines:
            raise Unsound(f"wrk failed: {run.stderr[-500:]}")
        result = json.loads(lines[0])
        if result["refused"] or result["broken"] or not result["answered"]:
            raise Unsound(f"{target.name}: {result} {target.said()}")
        if result["bytes"] < result["answered"] * self.body_bytes:
            raise Unsound(f"{target.name} sent too few bytes: {result}")
        target.answered += result["answered"]
        target.broken_off += CONNECTIONS
        return result

    def measure(self, proxy, seconds, rate=0, **traffic):
        """A run with the proxy's CPU time per request."""
        before = machine.cpu_seconds(proxy.pid)
        result = self.load(proxy, seconds, rate, **traffic)
        result["cpu_us"] = (machine.cpu_seconds(proxy.pid) - before) / result["answered"] * 1e6
        result["per_second"] = result["answered"] / result["seconds"]
        return result

    def syscalls(self, proxy, seconds=2, **traffic):
        """System calls per request, by name."""
        counted, result = machine.count_syscalls(proxy.pid, lambda: self.load(proxy, seconds, **traffic))
        per_request = {name: calls / result["answered"] for name, calls in counted.items()}
        return dict(sorted(per_request.items(), key=lambda row: -row[1]))

    def await_records(self, proxy, wanted, seconds=20):
        end = time.monotonic() + seconds
        while proxy.records() < wanted:
            if time.monotonic() > end:
                raise Unsound(f"{proxy.name} has {proxy.records()} records of {wanted} requests: {proxy.said()}")
            time.sleep(0.2)

    def check_records(self, proxy):
        """As many records as requests were answered. wrk leaves in the middle: of each run one request per connection may have
        been answered without being counted."""
        if not proxy.work:
            return
        self.await_records(proxy, proxy.answered)
        records = proxy.records()
        if records > proxy.answered + proxy.broken_off + 1:
            raise Unsound(f"{proxy.name} has {records} records of {proxy.answered} requests")
        if proxy.gateway:
            counts = proxy.ask("counts")
            if counts["units"] < proxy.answered or not counts["leases"]:
                raise Unsound(f"{proxy.name} took too few units from its leases: {counts}")
