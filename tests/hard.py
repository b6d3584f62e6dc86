"""Run the suite as other machines would: in random order, on 1, 2 and 4 threads, and with code for
the plainest processor.

    python -m tests.hard [PYTEST ARGUMENTS]

`make test-hard` is five runs; HARD_SEED=N repeats the orders of an earlier one.

A test that fails here and not in `make test` leans on another test, on the order of a sum, or on
one processor's instructions.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time

# threads, processor; "generic" has neither fused multiply-add nor wide registers
RUNS = [(1, "generic"), (2, None), (4, None), (2, "generic"), (1, None)]


def main(arguments: list[str]) -> int:
    seed = int(os.environ.get("HARD_SEED") or random.SystemRandom().randrange(10**6))
    print(f"hard: HARD_SEED={seed}", flush=True)
    rows, failed = [], 0
    for run, (threads, processor) in enumerate(RUNS):
        number = str(threads)
        environment = os.environ | dict.fromkeys(
            ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), number
        )
        if processor:
            environment["NUMBA_CPU_NAME"] = processor
        order = ["-p", "randomly", "--randomly-seed", str(seed + run)]
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        code = subprocess.run(
            [sys.executable, "-m", "pytest", *order, *arguments], env=environment, check=False
        ).returncode
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rows.append(
            f"hard: {threads} threads, {processor or 'this'} processor, order {seed + run}: "
            f"{'passed' if code == 0 else f'FAILED ({code})'}, {cpu:.0f} CPU s, "
            f"{time.monotonic() - began:.0f} s"
        )
        print(rows[-1], flush=True)
        failed += code != 0
    print("", *rows, sep="\n")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
