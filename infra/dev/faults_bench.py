"""A split deployment under load, for infra/dev/faults: its processes, its clients, and what its ledger says.

`Deployment` starts, kills, pauses and cuts off processes. `Load` calls and remembers every answer. `Ledger` reads what
was recorded, summed and settled. None knows which fault is tried.
"""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
DOCUMENT = """
openapi: 3.0.3
info: { title: Quick, version: '1' }
paths: { /quick: { get: { responses: { '200': { description: Always. } } } } }
"""
# Longer than a call may wait for anything but a fault.
CALL_SECONDS = 15


def wait_until(condition, seconds, pause=0.05):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def fetch(url, body=None, headers=None, seconds=10):
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise Refused(f"{error.code} from {url}: {error.read().decode(errors='replace').strip()}") from error


class Refused(RuntimeError):
    """An answer that says no."""


class Backend(threading.Thread):
    """Answers 200 at once on connections that stay: calls measure Tollgate alone."""

    class Protocol(asyncio.Protocol):
        ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

        def connection_made(self, transport):
            self.transport, self.rest = transport, b""

        def data_received(self, data):
            *heads, self.rest = (self.rest + data).split(b"\r\n\r\n")
            self.transport.write(self.ANSWER * len(heads))

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.start()

    def run(self):
        async def serve():
            server = await asyncio.get_running_loop().create_server(self.Protocol, sock=self.listener)
            await server.serve_forever()

        asyncio.run(serve())


class Deployment:
    """The processes. Those that stand still or are gone come back with `restore`."""

    def __init__(self, directory, gateways, binary=None, places=None):
        self.dir = Path(directory)
        more = ["--binary", binary] if binary else []
        for name, path in (places or {}).items():
            more += ["--place", f"{name}={path}"]
        self.line = json.loads(self.split("up", "--gateways", str(gateways), "--output", "json", "--proxied", *more))
        self.gateways = [gateway["name"] for gateway in self.line["gateways"]]
        self.roles = [*self.line["pids"], *self.gateways]

    def split(self, *arguments, environment=None):
        command = [str(HERE / "split"), *arguments, "--dir", str(self.dir)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})})
        if done.returncode != 0:
            raise RuntimeError(f"infra/dev/split {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def pid(self, name):
        return json.loads((self.dir / "state.json").read_text())[name]["pid"]

    def family(self, name):
        """The process and its children: PostgreSQL has one for each connection."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except (FileNotFoundError, ProcessLookupError):
                    continue
        leader = self.pid(name)
        return [leader, *(pid for pid, parent in parents.items() if parent == leader)]

    def signal(self, name, number):
        for pid in self.family(name):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def kill(self, name):
        os.kill(self.pid(name), signal.SIGKILL)

    def is_running(self, name):
        try:
            return Path(f"/proc/{self.pid(name)}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def start(self, name, environment=None):
        """Starts a process that has ended, as often as it takes: what it left behind may have to go first."""
        fault = None

        def started():
            nonlocal fault
            try:
                self.split("start", name, environment=environment)
                return True
            except RuntimeError as error:
                fault = error
                return False

        if not wait_until(started, 60, pause=0.2):
            raise fault

    def stop(self, name):
        """Ends a process as an operator would."""
        os.kill(self.pid(name), signal.SIGTERM)
        if not wait_until(lambda: not self.is_running(name), 30):
            raise RuntimeError(f"{name} did not end")

    def route(self, name, mode, seconds=None):
        host, port = self.line["proxy"].split(":")
        line = " ".join([name, mode, *([str(seconds)] if seconds is not None else [])])
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(f"{line}\n".encode())
            answer = connection.recv(200).decode().strip()
        if answer != "ok":
            raise RuntimeError(f"proxy: {line}: {answer}")

    def tollgate(self, binary, *arguments):
        command = [binary, *arguments, "--config", str(self.dir / "config.toml")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def obstacles(self):
        """Why a role is not ready, by role; empty when all are."""
        obstacles = {}
        for name in self.roles:
            try:
                fetch(f"{self.line['inside'][name]}/readyz", seconds=3)
            except (OSError, Refused) as error:
                obstacles[name] = str(error)
        return obstacles

    def graphql(self, query, variables=None):
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        headers = {"authorization": f"Bearer {self.line['token']}", "content-type": "application/json"}
        answer = json.loads(fetch(self.line["graphql"], body, headers))
        if answer.get("errors"):
            raise RuntimeError(f"{query}: {answer['errors']}")
        return answer["data"]

    def mutate(self, field, selection, given):
        kind = f"{field[0].upper()}{field[1:]}Input"
        query = f"mutation($input: {kind}!) {{ {field}(input: $input) {{ {selection} userErrors }} }}"
        payload = self.graphql(query, {"input": given})[field]
        if payload["userErrors"]:
            raise RuntimeError(f"{field}: {payload['userErrors']}")
        return payload

    def answers_everywhere(self):
        """Whether an operation on each role's data works."""
        query = "{ viewer { __typename } apis(first: 1) { __typename } usagePlans(first: 1) { __typename } \
                 products(first: 1) { __typename } developers(first: 1) { __typename } }"
        try:
            return bool(self.graphql(query))
        except (OSError, RuntimeError):
            return False

    def complete_until(self):
        """Up to when usage is complete, in seconds since the epoch."""
        now = datetime.now(timezone.utc)
        variables = {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}
        query = "query($from: DateTime!, $to: DateTime!) { usage(from: $from, to: $to) { asOf } }"
        try:
            told = self.graphql(query, variables)["usage"]["asOf"]
        except (OSError, RuntimeError):
            return 0.0
        return datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp()


class Key:
    """A key of the load, in a usage plan of its own."""

    def __init__(self, deployment, api, name, per_second, quota, throttle=None, marks=False):
        self.name, self.per_second, self.quota, self.throttle = name, per_second, quota, throttle
        plan = {
            "name": name,
            "quotas": [{"limit": quota, "period": "MONTH"}],
            "stages": [{"apiId": api, "stage": "live"}],
            "degraded": "SERVE_AND_MARK" if marks else "REFUSE",
        }
        if throttle:
            plan["throttle"] = {"rateLimit": throttle[0], "burstLimit": throttle[1]}
        self.plan = deployment.mutate("usagePlanCreate", "usagePlan { id }", plan)["usagePlan"]["id"]
        made = deployment.mutate("apiKeyCreate", "apiKey { id } value", {"name": name, "usagePlanIds": [self.plan]})
        self.id, self.value = made["apiKey"]["id"], made["value"]


class Call:
    """What a client knows of one call. Without a status it was not answered."""

    __slots__ = ("key", "at", "gateway", "status", "reason", "request_id")

    def __init__(self, key, gateway):
        self.key, self.gateway, self.at = key, gateway, time.time()
        self.status = self.reason = self.request_id = None


class Client:
    """One thread's connections to the gateways."""

    def __init__(self, urls):
        self.urls = {name: urlsplit(url) for name, url in urls.items()}
        self.connections = {}

    def call(self, key, gateway):
        call, url = Call(key, gateway), self.urls[gateway]
        connection = self.connections.get(gateway)
        try:
            if connection is None:
                connection = http.client.HTTPConnection(url.hostname, url.port, timeout=CALL_SECONDS)
                self.connections[gateway] = connection
            connection.request("GET", url.path, headers={"x-api-key": key.value})
            answer = connection.getresponse()
            answer.read()
            call.status, call.reason = answer.status, answer.headers.get("x-tollgate-reason")
            call.request_id = answer.headers.get("x-amzn-requestid")
        except (OSError, http.client.HTTPException):
            self.connections.pop(gateway, None)
            if connection is not None:
                connection.close()
        return call


class Load:
    """Threads that call with every key, round the gateways, at a steady pace."""

    def __init__(self, urls, keys, threads_per_key=2):
        self.urls, self.keys = urls, keys
        self.calls, self.stopping = [], threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(key, turn, threads_per_key), daemon=True)
            for key in keys
            for turn in range(threads_per_key)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _run(self, key, turn, threads):
        client, gateways = Client(self.urls), list(self.urls)
        pause = threads / key.per_second
        due = time.monotonic() + pause * turn / threads
        while not self.stopping.wait(max(0.0, due - time.monotonic())):
            # What a fault held up is not made up for: the pace is the client's.
            due = max(due + pause, time.monotonic() - pause)
            self.calls.append(client.call(key, gateways[turn % len(gateways)]))
            turn += 1

    def probe(self, key, gateway):
        """One call more, remembered like the others."""
        call = Client(self.urls).call(key, gateway)
        self.calls.append(call)
        return call


class Ledger:
    """What was recorded of some keys, how it was summed, and what their leases settled."""

    ROLLUPS = ("usage_minutes", "usage_hours", "usage_days")

    def __init__(self, deployment, keys):
        self.deployment, self.keys, self.since = deployment, keys, int(time.time()) - 1
        self.ids = ", ".join(f"'{key.id}'" for key in keys)

    def _query(self, query):
        url = f"{self.deployment.line['clickhouse']['url']}/?database=tollgate"
        text = fetch(url, f"{query} FORMAT JSONEachRow".encode(), seconds=30).decode()
        return [json.loads(line) for line in text.splitlines()]

    def records(self):
        """How often each request is recorded; a gateway that knows no configuration yet knows no key."""
        select = f"SELECT request_id AS id, toUInt32(count()) AS times FROM usage_records WHERE started_at >= {self.since} GROUP BY id"
        return Counter({row["id"]: int(row["times"]) for row in self._query(select)})

    def sums(self, table):
        """Calls and quota units by key."""
        calls = "count()" if table == "usage_records" else "sum(requests)"
        select = f"SELECT key_id, toString({calls}) AS calls, toString(sum(quota_units)) AS units FROM {table}"
        rows = self._query(f"{select} WHERE key_id IN ({self.ids}) GROUP BY key_id")
        return {row["key_id"]: (int(row["calls"]), int(row["units"])) for row in rows}

    def agrees(self):
        raw = self.sums("usage_records")
        return all(self.sums(table) == raw for table in self.ROLLUPS)

    def settled(self, key):
        """Units settled, and units in open leases."""
        query = "query($key: ID!) { quotaStatus(key: $key) { settled leased } }"
        status = self.deployment.graphql(query, {"key": key.id})["quotaStatus"][0]
        return int(status["settled"]), int(status["leased"])

    def close_leases(self):
        """Has every lease taken out anew: a gateway gives back what it holds when a plan changes."""
        for key in self.keys:
            self.deployment.mutate("usagePlanUpdate", "usagePlan { id }", {"id": key.plan, "description": str(time.time())})
        return wait_until(lambda: all(self.settled(key)[1] == 0 for key in self.keys), 30)
