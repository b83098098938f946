"""One linear-algebra thread a test process: fits of a few rows run ten times slower when many threads share them."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
