"""What all stages share: the time that is left, commands with a limit, and results that are on disk at once."""
import json
import os
import pathlib
import signal
import subprocess
import time

TAIL = 4000  # characters of a failed command's output that go into the results


class Failed(Exception):
    """A stage cannot go on; the message goes into the results."""


class Skipped(Exception):
    """A stage has nothing to do here; the message says why."""


class Outcome:
    def __init__(self, code, seconds, timed_out, output):
        self.code, self.seconds, self.timed_out, self.output = code, seconds, timed_out, output

    @property
    def ok(self):
        return self.code == 0

    def json(self):
        """The last JSON object that the command printed."""
        start = self.output.find("\n{") + 1 if not self.output.startswith("{") else 0
        try:
            return json.JSONDecoder().raw_decode(self.output[start:])[0]
        except ValueError:
            raise Failed(f"no JSON in: {self.output[-300:].strip()}") from None


class Session:
    def __init__(self, options):
        self.options = options
        self.started = time.monotonic()
        self.deadline = self.started + options.seconds
        self.root = pathlib.Path(__file__).resolve().parents[2]
        build = options.build_dir or self.root / "build" / ("gpu" if self.cuda else "gpu-cpu")
        self.build = pathlib.Path(build).resolve()
        self.build.mkdir(parents=True, exist_ok=True)
        self.out = pathlib.Path(options.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.log = open(self.out / "log.txt", "a", encoding="utf-8", errors="replace")
        self.child = None
        self.results = {}
        if not options.data and (self.build / "data").is_dir():
            options.data = str(self.build / "data")  # an earlier call's parts
        # A second call on the same machine goes on with what the first one measured.
        self.kept = self.build / "results.json"
        if self.kept.exists() and not options.afresh:
            self.results = json.loads(self.kept.read_text())

    @property
    def cuda(self):
        return self.options.device == "cuda"

    @property
    def program(self):
        return self.build / "spikeloom"

    def left(self):
        """Seconds until the time given is over, less what writing the results may take."""
        return self.deadline - time.monotonic() - self.options.margin

    def say(self, text):
        line = f"[{time.monotonic() - self.started:6.0f} s] {text}"
        print(line, flush=True)
        self.log.write(line + "\n")
        self.log.flush()

    def save(self, section, value):
        self.results[section] = value
        text = json.dumps(self.results, indent=1) + "\n"
        for path in (self.kept, self.out / "results.json"):
            part = path.with_suffix(".part")
            part.write_text(text)
            os.replace(part, path)

    def environment(self):
        environment = dict(os.environ, PYTHONUNBUFFERED="1")
        if self.options.data:
            environment["SPIKELOOM_DATA_DIR"] = str(pathlib.Path(self.options.data).resolve())
        return environment

    def run(self, command, limit, tick=None, environment=None, stop=signal.SIGKILL):
        """Runs a command for `limit` seconds at most, in a process group of its own; `tick` is called every second.

        At the limit the group gets `stop`, and 25 seconds later SIGKILL. Output goes to the log and is returned.
        """
        command = [str(word) for word in command]
        limit = min(limit, self.left())
        if limit <= 0:
            raise Failed("no time left")
        self.log.write("$ " + " ".join(command) + "\n")
        self.log.flush()
        path = self.build / "command.out"
        begin = time.monotonic()
        with open(path, "w+b") as stream:
            self.child = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                          cwd=self.root, env=environment or self.environment(), start_new_session=True)
            timed_out = False
            while True:
                try:
                    self.child.wait(1)
                    break
                except subprocess.TimeoutExpired:
                    if tick:
                        tick()
                if time.monotonic() - begin > limit and not timed_out:
                    timed_out = True
                    self.end_child(stop)
            stream.seek(0)
            output = stream.read().decode(errors="replace")
        code, self.child = self.child.returncode, None
        seconds = time.monotonic() - begin
        self.log.write(output[-200000:] + f"\n# {code}{' (time limit)' if timed_out else ''}, {seconds:.1f} s\n")
        self.log.flush()
        return Outcome(code, seconds, timed_out, output)

    def end_child(self, stop=signal.SIGKILL):
        if self.child is None:
            return
        try:
            os.killpg(self.child.pid, stop)
            if stop != signal.SIGKILL:
                try:
                    self.child.wait(25)
                except subprocess.TimeoutExpired:
                    os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass

    def need(self, outcome, what):
        if not outcome.ok:
            why = "time limit" if outcome.timed_out else f"exit code {outcome.code}"
            raise Failed(f"{what}: {why}\n{outcome.output[-TAIL:]}")
        return outcome

    def takes(self, subcommand, option):
        """Whether the program's subcommand knows an option."""
        helped = subprocess.run([self.program, *subcommand, "--help"], capture_output=True, text=True, cwd=self.root)
        return option in helped.stdout

    def on_device(self, *subcommand):
        """The program's arguments for the device asked for."""
        if self.takes(subcommand, "--device"):
            return [self.program, *subcommand, "--device", self.options.device]
        if self.cuda:
            raise Failed(f"spikeloom {' '.join(subcommand)} knows no --device")
        return [self.program, *subcommand]
