#!/usr/bin/env python3
"""Set livedetect up in ./.venv and run it; needs nothing but Python.

    python3 start.py demo [arguments of `livedetect demo`]
    python3 start.py check [arguments of pytest]

`demo` installs the package with its viewer and plays the main job. `check` installs
everything that the tests need, runs them and says in its last line whether all is well.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "livedetect-setup.json"
LOG = VENV / "livedetect-setup.log"
WINDOWS = os.name == "nt"
LINUX = sys.platform.startswith("linux")
OLDEST = (3, 11)
NEWER_PYTHONS = ("python3.13", "python3.12", "python3.11")
EXTRAS = {"demo": ("viewer",), "check": ("all", "test")}
PROVIDES = {"all": ("all", "viewer", "formats")}

# What Qt and OpenGL need on a bare Debian or Ubuntu: package, and the library it brings.
LIBRARIES = {
    "libegl1": "libEGL.so.1",
    "libgl1": "libGL.so.1",
    "libdbus-1-3": "libdbus-1.so.3",
    "libxkbcommon-x11-0": "libxkbcommon-x11.so.0",
    "libxcb-cursor0": "libxcb-cursor.so.0",
    "libxcb-icccm4": "libxcb-icccm.so.4",
    "libxcb-keysyms1": "libxcb-keysyms.so.1",
    "libxcb-shape0": "libxcb-shape.so.0",
    "libfontconfig1": "libfontconfig.so.1",
    "libglib2.0-0": "libglib-2.0.so.0",
}
# A display in memory, for tests on a machine without one: package, and its program.
PROGRAMS = {"xvfb": "Xvfb", "xauth": "xauth"}
# More than one thread per numerics library only makes two-core machines slower.
ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# many tests wait for other processes: two at a time fill two cores; a file stays together
WORKERS = ["-n", "2", "--dist", "loadgroup"]
# Without its cache, which was seen to hold on to a verdict after the imports had changed.
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as c; c()"
# Otherwise both workers of pytest would compile them, each for itself.
COMPILE = "from livedetect.detect.kernels import is_available; is_available()"
# An interrupted session writes its report and closes its viewer, mostly within two seconds.
CLOSING_S = 20.0
# SIGTERM often goes to the whole group; a second one would keep a session from closing properly.
REACHED_S = 3.0
INTERRUPTED = 130


class SetupError(Exception):
    """Something is missing that this script may not or cannot bring; the text says what to do."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, which unlike Ctrl-C may have reached this script alone."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; the program that was running has had the time to close."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def main(arguments):
    """Run one of the two commands and return its exit code."""
    if not arguments or arguments[0] not in EXTRAS:
        say(__doc__)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    command, rest = arguments[0], arguments[1:]
    signal.signal(signal.SIGTERM, on_terminate)
    try:
        ensure_environment()
        ensure_installed(EXTRAS[command])
        return demo(rest) if command == "demo" else check(rest)
    except SetupError as error:
        say(f"start.py: {error}")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def demo(arguments):
    """Play the main job; without a display it runs in the terminal."""
    if has_display():
        ensure_apt(missing_libraries(), "the viewer's window")
    say("demo: livedetect demo " + " ".join(arguments))
    try:
        return run([venv_python(), "-m", "livedetect", "demo", *arguments])
    except Interrupted as interruption:
        return interruption.code


def check(arguments):
    """Lint, check types and layers, run the tests; the last line is the verdict."""
    prefix, left_out = display_for_tests()
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    python = venv_python()
    static = {
        "ruff check": [python, "-m", "ruff", "check", "."],
        "ruff format": [python, "-m", "ruff", "format", "--check", "."],
        "mypy": [python, "-m", "mypy"],
        "lint-imports": [python, "-c", LINT_IMPORTS, "--no-cache"],
    }
    tests = [python, "-m", "pytest", "-q", "-m", "not slow", *WORKERS, *left_out, *arguments]
    with beside([python, "-c", COMPILE], environment):
        failed = [name for name, step in static.items() if not passes(name, step, environment)]
    if not passes("pytest", [*prefix, *tests], environment, quiet=False):
        failed.append("pytest")
    note = " (viewer tests left out: no display)" if left_out else ""
    say(f"CHECK FAILED: {', '.join(failed)}{note}" if failed else f"CHECK PASSED{note}")
    return 1 if failed else 0


def passes(name, step, environment, quiet=True):
    """Run one step of the check and say how it ended."""
    begun = time.monotonic()
    code = run(step, env=environment, quiet=quiet)
    say(f"{name}: {'passed' if code == 0 else 'FAILED'} ({time.monotonic() - begun:.0f} s)")
    return code == 0


def has_display():
    """Whether windows can be shown here."""
    return not LINUX or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def display_for_tests():
    """The command that gives pytest a display, and what to leave out if there is none."""
    if not LINUX:
        return [], []
    needed = missing_libraries()
    if not has_display():
        needed += [package for package, program in PROGRAMS.items() if not shutil.which(program)]
    complete = ensure_apt(needed, "the viewer's tests")
    if has_display() and complete:
        return [], []
    if complete and shutil.which("xvfb-run"):
        return ["xvfb-run", "-a", "-s", "-screen 0 1920x1200x24 -noreset"], []
    return [], ["--ignore=tests/viewer", "-p", "no:pytestqt"]


def ensure_environment():
    """Make ./.venv unless there is one that works."""
    if venv_python().exists() and answers(venv_python(), "import pip"):
        return
    python = recent_python()
    if not answers(python, "import venv, ensurepip"):
        version = ask(python, "import sys; print('%d.%d' % sys.version_info[:2])")
        if not ensure_apt([f"python{version}-venv"], "virtual environments"):
            raise SetupError(f"{python} cannot make virtual environments (no ensurepip)")
    say("making ./.venv")
    if run([python, "-m", "venv", "--clear", str(VENV)], quiet=True):
        raise SetupError(f"{python} -m venv {VENV} failed; see above")


def recent_python():
    """An interpreter that is new enough: this one, or a newer one on the path."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for name in NEWER_PYTHONS:
        if shutil.which(name):
            return shutil.which(name)
    raise SetupError(
        f"Python {sys.version.split()[0]} is too old, 3.11 or newer is needed: "
        "install it (https://www.python.org/downloads/) and start this script with it"
    )


def ensure_installed(extras):
    """Install the package with `extras`, editable, unless that has been done already."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    done = json.loads(STAMP.read_text(encoding="utf-8")) if STAMP.exists() else {}
    installed = done.get("extras", []) if done.get("project") == project else []
    wanted = {*installed, *extras}
    if wanted == set(installed):
        return
    say(f"installing livedetect[{','.join(extras)}] into ./.venv (the first time takes minutes)")
    begun = time.monotonic()
    pip = [venv_python(), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    with LOG.open("w", encoding="utf-8") as log:
        code = run([*pip, "--editable", f"{ROOT}[{','.join(extras)}]"], output=log)
    if code:
        tail = "\n".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SetupError(f"pip failed (is the network there?); all it said is in {LOG}\n{tail}")
    provided = {name for extra in wanted for name in PROVIDES.get(extra, (extra,))}
    STAMP.write_text(json.dumps({"project": project, "extras": sorted(provided)}), encoding="utf-8")
    say(f"installed ({time.monotonic() - begun:.0f} s)")


def missing_libraries():
    """Debian packages whose library cannot be loaded here."""
    return [package for package, library in LIBRARIES.items() if LINUX and not loads(library)]


def loads(library):
    """Whether the dynamic linker finds `library`."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def ensure_apt(packages, purpose):
    """Install Debian packages where that is allowed, else print the line; True if all is there."""
    if not packages:
        return True
    line = "apt-get install -y --no-install-recommends " + " ".join(packages)
    if not shutil.which("apt-get"):
        say(f"missing for {purpose} (names of Debian's packages): {' '.join(packages)}")
        return False
    as_root = root_prefix()
    if as_root is None:
        say(f"missing for {purpose}; install it with:\n    sudo {line}")
        return False
    say(f"installing system packages for {purpose}: {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run([*as_root, "apt-get", "update", "-qq"], env=environment, quiet=True)
    if run([*as_root, *line.split()], env=environment, quiet=True):
        say(f"that failed; please run:\n    sudo {line}")
        return False
    return True


def root_prefix():
    """What to put before a command to run it as root; None where that needs a password."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    return (
        sudo
        if shutil.which("sudo") and run([*sudo, "true"], output=subprocess.DEVNULL) == 0
        else None
    )


def venv_python():
    """The interpreter of ./.venv."""
    return VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")


def answers(python, code):
    """Whether `python` runs `code` without an error."""
    return run([python, "-c", code], output=subprocess.DEVNULL) == 0


def ask(python, code):
    """What `python` prints when it runs `code`."""
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def run(command, env=None, output=None, quiet=False):
    """Run a program and return its exit code; `quiet` shows what it said only if it fails."""
    command = [str(word) for word in command]
    if not quiet:
        error = subprocess.STDOUT if output is not None else None
        return call(command, env=env, stdout=output, stderr=error)[0]
    code, said = call(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, text=True, errors="replace",
    )  # fmt: skip
    if code:
        say(said.rstrip())
    return code


def call(command, **options):
    """A program's exit code and output; raises `Interrupted` when it has closed after Ctrl-C."""
    child = subprocess.Popen(command, cwd=ROOT, **options)
    try:
        said, _ = child.communicate()
    except KeyboardInterrupt as interruption:
        raise Interrupted(closed(child, interruption)) from None
    return child.returncode, said


@contextlib.contextmanager
def beside(command, environment):
    """Run a program meanwhile, and wait for it; how it ends shows in what builds on it."""
    nowhere = subprocess.DEVNULL
    child = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=nowhere, stdout=nowhere, stderr=nowhere
    )
    try:
        yield
        child.wait()
    finally:
        child.kill()
        child.wait()


def closed(child, interruption):
    """Wait for a program that the same Ctrl-C has reached; a second one ends the wait."""
    try:
        if isinstance(interruption, Terminated) and not ends_within(child, REACHED_S):
            child.terminate()
        if not ends_within(child, CLOSING_S):
            child.terminate()
    except (KeyboardInterrupt, PermissionError):  # what runs as root is not ours to end
        pass
    own = child.returncode
    return INTERRUPTED if own is None or own < 0 else own


def ends_within(child, seconds):
    """Whether a program ends in that time."""
    try:
        child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def on_terminate(number, _frame):
    """Take the first SIGTERM as an interruption; the same one may come to us twice."""
    signal.signal(number, signal.SIG_IGN)
    raise Terminated


def say(text):
    """One line for the person in front of the screen."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
