"""A page in a process of its own, for tests that speak to it through a socket: `python -m tests.serve.running BASE`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def running(base, *, https=False, **limits):
    """Start a page over a new store in `base`; its port and its tokens."""
    base.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.serve.running", str(base), str(port), json.dumps([https, limits])], cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path, "TMPDIR": str(base)}, stderr=(base / "stderr").open("wb"),
    )  # fmt: skip
    try:
        for _ in range(200):
            if process.poll() is not None:
                raise RuntimeError((base / "stderr").read_text())
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield port, json.loads((base / "tokens.json").read_text())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def _main():
    from evaluation.serve.server import serve
    from tests.serve.conftest import made

    base, port, (https, limits) = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    settings, tokens = made(base, **limits)
    settings = replace(settings, https=https)
    (base / "tokens.json").write_text(json.dumps(tokens))
    serve(settings, "127.0.0.1", port, "127.0.0.1")


if __name__ == "__main__":
    _main()
