# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts that are network namespaces of this machine, and a cable between
them: a pair of veth, each end shaped by tc's token bucket.

They are made in namespaces of processes, mounts and networks that the program
enters as it begins: when it ends, however that may be, the kernel ends what it
started and takes all of them away. Wants root.
"""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys

from jobs import JobError

DEVICE = "cable"
HOSTS = ("10.77.0.1", "10.77.0.2")
UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
           "--mount-proc"]
# What may leave at once, and what may wait: a packet of veth's is up to 64 kB.
BURST, QUEUE = 128 << 10, 8 << 20
# As ssh is called: options, a host, a command. Hosts have names of their own,
# or an MPI would take both for one and use shared memory.
AGENT = """#!/bin/sh
while :; do
    case $1 in
    -*) shift ;;
    *) break ;;
    esac
done
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c "hostname host-${host##*.}; $*"
"""
# Ranks reach each other by TCP over the cable alone, those of a host, too.
# Open MPI would bind the first rank of each host to the first processor, which is
# the same one.
TCP = {
    "ompi": (["--mca", "plm_rsh_agent", "{agent}", "--mca", "pml", "ob1",
              "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include",
              DEVICE, "--mca", "oob_tcp_if_include", DEVICE,
              "--map-by", "slot", "--bind-to", "none"],
             "{host}:{ranks}", "--host", {}),
    "mpich": (["-launcher", "ssh", "-launcher-exec", "{agent}", "-localhost",
               HOSTS[0], "-iface", DEVICE], "{host}:{ranks}", "-hosts",
              {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": DEVICE}),
}


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def obstacle():
    """Why there can be no such namespaces here, or None."""
    for program in ("ip", "tc", "unshare"):
        if not shutil.which(program):
            return f"there is no '{program}' (packages iproute2, util-linux)"
    done = subprocess.run([*UNSHARE, "true"], text=True,
                          stderr=subprocess.PIPE)
    return done.stderr.strip() if done.returncode else None


def is_inside():
    return os.environ.get("RESNET_CABLES") == str(os.getpid())


def enter():
    """Begin the program again in namespaces of its own, once, and end with
    it."""
    if is_inside():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return
    why = obstacle()
    if why:
        sys.exit(why)
    process = subprocess.Popen(
        [*UNSHARE, sys.executable, *sys.argv],
        env={**os.environ, "RESNET_CABLES": "1"},  # its number there
        preexec_fn=end_with_parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.kill())
    sys.exit(process.wait())


def do(*words):
    done = subprocess.run([str(word) for word in words], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise JobError(f"'{' '.join(map(str, words))}': "
                       f"{done.stdout.strip()}")
    return done.stdout


def inside(host, *words):
    return do("ip", "netns", "exec", host, *words)


def name_of(host):
    return "host-" + host.rpartition(".")[2]


class Cable:
    """The two hosts; `folder` is for the program that goes to them."""

    def __init__(self, folder):
        self.agent = pathlib.Path(folder) / "agent"
        self.agent.write_text(AGENT)
        self.agent.chmod(0o755)
        names = pathlib.Path(folder) / "hosts"
        names.write_text("127.0.0.1 localhost\n" + "".join(
            f"{host} {name_of(host)}\n" for host in HOSTS))
        do("mount", "--bind", names, "/etc/hosts")
        # What `ip netns` makes there is not for others.
        os.makedirs("/run/netns", exist_ok=True)
        do("mount", "-t", "tmpfs", "none", "/run/netns")
        for host in HOSTS:
            do("ip", "netns", "add", host)
        do("ip", "link", "add", DEVICE, "netns", HOSTS[0], "type", "veth",
           "peer", "name", DEVICE, "netns", HOSTS[1])
        for host in HOSTS:
            inside(host, "ip", "address", "add", f"{host}/24", "dev", DEVICE)
            inside(host, "ip", "link", "set", "lo", "up")
            inside(host, "ip", "link", "set", DEVICE, "up")

    def shape(self, rate):
        """So many bits per second each way; None: as fast as it is."""
        for host in HOSTS:
            # There is none to begin with.
            subprocess.run(["ip", "netns", "exec", host, "tc", "qdisc", "del",
                            "dev", DEVICE, "root"], stderr=subprocess.DEVNULL)
            if rate:
                inside(host, "tc", "qdisc", "add", "dev", DEVICE, "root",
                       "tbf", "rate", f"{rate:.0f}bit", "burst", BURST,
                       "limit", QUEUE)

    def cut(self):
        """Nothing comes through any more."""
        inside(HOSTS[1], "ip", "link", "set", DEVICE, "down")

    def mend(self):
        inside(HOSTS[1], "ip", "link", "set", DEVICE, "up")

    def start(self, name, mpi, ranks, command):
        """The command that has ranks on both hosts, as many on each."""
        options, entry, hosts, variables = TCP[name]
        each = ranks // len(HOSTS)
        places = ",".join(entry.format(host=host, ranks=each)
                          for host in HOSTS)
        return (["ip", "netns", "exec", HOSTS[0], "unshare", "--uts", "sh",
                 "-c", 'hostname "$0" && exec "$@"', name_of(HOSTS[0]),
                 mpi.program, *mpi.options,
                 *(word.format(agent=self.agent) for word in options),
                 hosts, places, "-n", str(ranks),
                 *command], {**mpi.environment(), **variables})


