"""What a process costs: CPU time, memory, system calls, read from the kernel. Knows no proxy."""

import os
import re
import signal
import subprocess
import time

# Threads of the gateway's process that play other roles of the product: those are other machines' cost.
NOT_THE_PROXY = "owners"


def tree(pid):
    """The process and its descendants."""
    found = [pid]
    for thread in _threads(pid):
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as children:
                for child in children.read().split():
                    found += tree(int(child))
        except OSError:
            pass
    return found


def _threads(pid):
    try:
        return [int(thread) for thread in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def _name(pid, thread):
    with open(f"/proc/{pid}/task/{thread}/comm") as name:
        return name.read().strip()


def threads(pid):
    """(the proxy's threads, those that are not)"""
    proxy, other = [], []
    for process in tree(pid):
        for thread in _threads(process):
            try:
                named = _name(process, thread)
            except OSError:
                continue
            (other if named == NOT_THE_PROXY else proxy).append((process, thread))
    return proxy, other


def cpu_seconds(pid):
    """CPU time of all the proxy's threads, to the nanosecond."""
    total = 0
    for process, thread in threads(pid)[0]:
        try:
            with open(f"/proc/{process}/task/{thread}/schedstat") as stat:
                total += int(stat.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def pss_mib(pid):
    """Memory by proportional set size."""
    total = 0
    for process in tree(pid):
        try:
            with open(f"/proc/{process}/smaps_rollup") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith(("Pss_Anon:", "Pss_File:")))
        except OSError:
            pass
    return total / 1024


def load_average():
    with open("/proc/loadavg") as load:
        return float(load.read().split()[0])


def cores():
    return sorted(os.sched_getaffinity(0))


def pin(pid, allowed, others):
    """Keeps the proxy's threads on the cores `allowed` and the rest of its process on `others`."""
    proxy, other = threads(pid)
    for group, place in ((proxy, allowed), (other, others)):
        for _, thread in group:
            try:
                os.sched_setaffinity(thread, place)
            except OSError:
                pass


def count_syscalls(pid, work):
    """Counts the proxy's system calls while `work` runs; answers ({name: calls}, what `work` answered)."""
    attach = [argument for _, thread in threads(pid)[0] for argument in ("-p", str(thread))]
    report = f"/tmp/loadtests-strace-{os.getpid()}"
    tracer = subprocess.Popen(["strace", "-c", "-o", report, *attach], stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        result = work()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
    with open(report) as lines:
        rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", lines.read(), re.M)
    os.unlink(report)
    return {name: int(calls) for calls, name in rows if name != "total"}, result
