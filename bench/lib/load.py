"""The load generator (bench/load/iotload.cpp): built once, run for each figure."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.path.join(ROOT, "build/release")


def build(*targets):
    """Brings the targets of the release preset up to date, and installs what they need."""
    for command in (["deps", "bench"], ["build", "release", *targets]):
        if subprocess.run([os.path.join(ROOT, "scripts", command[0]), *command[1:]], stdout=sys.stderr).returncode != 0:
            sys.exit(f"scripts/{' '.join(command)} failed")


class Failed(SystemExit):
    """Ends the program, unless somebody can do without this run."""


class Load:
    """The generator, aimed at the server of `pid` (None: it starts one itself)."""

    def __init__(self, core, gen_core, secs, warm, pid=None):
        self.program, self.core, self.gen_core = os.path.join(PROGRAMS, "iotload"), core, gen_core
        self.secs, self.warm, self.pid = secs, warm, pid

    def command(self, kind, *arguments):
        command = ["taskset", "-c", self.gen_core, self.program, kind, *map(str, arguments)]
        if self.pid:
            command += ["--pid", str(self.pid)]
        if kind not in ("storm", "startup", "clock"):
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
        if result.returncode or "=" not in last:
            raise Failed(f"iotload failed: {' '.join(command)}\n{result.stdout}{result.stderr}")
        figures = {}
        for pair in last.split():
            key, _, value = pair.partition("=")
            try:
                figures[key] = float(value)
            except ValueError:
                pass
        return figures
