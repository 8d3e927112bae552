"""The load generator (iotload of ../shared/perf): built once, run for each figure."""
import os
import subprocess
import sys


def build(perf, work, *names):
    """Programs of `perf`, by name, into `work`/bin."""
    programs = [os.path.join(work, "bin", name) for name in names]
    built = subprocess.run(["make", "-s", "-C", perf, f"W={work}", *programs], capture_output=True, text=True)
    if built.returncode != 0:
        sys.exit(f"cannot build {' '.join(names)} from {perf}:\n{built.stderr}")


class Failed(SystemExit):
    """Ends the program, unless somebody can do without this run."""


class Load:
    """The generator, aimed at the server of `pid` (None: it starts one itself)."""

    def __init__(self, work, core, gen_core, secs, warm, pid=None):
        self.program, self.core, self.gen_core = os.path.join(work, "bin/iotload"), core, gen_core
        self.secs, self.warm, self.pid = secs, warm, pid

    def command(self, kind, *arguments):
        command = ["taskset", "-c", self.gen_core, self.program, kind, *map(str, arguments)]
        if self.pid:
            command += ["--pid", str(self.pid)]
        if kind in ("pub", "c2d", "http"):
            command += ["--secs", str(self.secs), "--warm", str(self.warm)]
        return command

    def __call__(self, kind, *arguments):
        """One run -> its figures; raises Failed."""
        command = self.command(kind, *arguments)
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired as late:
            raise Failed(str(late)) from late
        last = (result.stdout.strip().splitlines() or [""])[-1]
        if "=" not in last:
            raise Failed(f"iotload failed: {' '.join(command)}\n{result.stdout}{result.stderr}")
        figures = {}
        for pair in last.split():
            key, _, value = pair.partition("=")
            try:
                figures[key] = float(value)
            except ValueError:
                pass
        return figures
