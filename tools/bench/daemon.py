"""A daemon of one's own for a measurement: started, looked at from outside through /proc, ended."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time


def find(build, name):
    found = [p for p in pathlib.Path(build).rglob(name) if p.is_file() and os.access(p, os.X_OK)]
    if not found:
        sys.exit(f"{name} is not below {build}: build it first")
    return str(found[0])


class Daemon:
    """Serves `models`, the YAML below that key, or without it a network as the model m."""

    def __init__(self, build, network=None, models=None, settings="", options=()):
        self.dir = tempfile.mkdtemp(prefix="inferd-bench-")
        self.socket = f"{self.dir}/inferd.sock"
        self.ctl = [find(build, "inferctl"), "--socket", self.socket]
        self.program = find(build, "inferd")
        self.settings, self.options = settings, list(options)
        if not models:
            models = (f"  - name: m\n    task: classify\n    deadline_ms: 1000\n"
                      f"    variants:\n      - {{name: only, file: {os.path.abspath(network)}, accuracy: 0.7}}\n")
        self.configure(models)
        self.process = None
        self.start()

    def configure(self, models):
        pathlib.Path(f"{self.dir}/inferd.yaml").write_text(
            f"socket: {self.socket}\n{self.settings}models:\n{models}")

    def spawn(self):
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--config", f"{self.dir}/inferd.yaml", "--state-dir", self.dir] + self.options, stderr=log)

    def start(self):
        self.spawn()
        limit = time.monotonic() + 30
        while self.inferctl("status").returncode != 0:
            if time.monotonic() > limit or self.process.poll() is not None:
                sys.exit("the daemon did not come up:\n" + pathlib.Path(f"{self.dir}/log").read_text())
            time.sleep(0.05)

    def inferctl(self, *arguments):
        return subprocess.run(self.ctl + list(arguments), capture_output=True, text=True, check=False)

    def query(self, *arguments):
        return json.loads(self.inferctl("--json", *arguments).stdout.strip().splitlines()[-1])

    def start_bench(self, *arguments):
        return subprocess.Popen(self.ctl + ["--json", "bench", *map(str, arguments)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    @staticmethod
    def end_bench(process):
        out, errors = process.communicate()
        if process.returncode != 0:
            sys.exit(f"inferctl bench failed: {errors}")
        return json.loads(out.strip().splitlines()[-1])

    def bench(self, *arguments):
        return self.end_bench(self.start_bench(*arguments))

    def stat(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        tick = os.sysconf("SC_CLK_TCK")
        return {"minflt": int(fields[7]), "majflt": int(fields[9]),
                "cpu_ms": (int(fields[11]) + int(fields[12])) * 1000 / tick}

    def cpu_ns(self):
        """Run time of all threads from schedstat: nanoseconds, where ticks would be 10 ms."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total

    def rss_kb(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def own_kb(self):
        """Resident without the clients' pools, which grow as their pages are first written to."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return self.rss_kb() - int(re.search(r"RssShmem:\s+(\d+)", text)[1])

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def pools(self):
        """Clients' memory that is mapped."""
        return pathlib.Path(f"/proc/{self.process.pid}/maps").read_text().count("/memfd:")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)
        return code
