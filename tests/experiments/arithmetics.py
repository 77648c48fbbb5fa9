"""The stored runs computed again as other processors would: run by hand, `python tests/experiments/arithmetics.py`.

Which instructions a processor has decides how sums are rounded, and a training carries that on. The libraries can be
told to do without the newer ones. A TOLERANCE in an experiment is right if it holds in each arithmetic here, and on
machines of several makers. Some ten minutes on two cores for each.
"""

import os
import subprocess
import sys
from pathlib import Path

NEWEST = "AVX512_SPR,AVX512_ICL,X86_V4"
ARITHMETICS = {
    "this processor's own": {},
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Zen",
        "NPY_DISABLE_CPU_FEATURES": NEWEST,
    },
    "SSE": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": f"{NEWEST},X86_V3",
    },
}


def main() -> int:
    """Run the test of the stored points in each arithmetic; 1 if any of them failed."""
    test = ["tests/experiments/test_all.py", "-k", "computed_again", "--numprocesses=auto", "--durations=0"]
    failed = []
    for name, settings in ARITHMETICS.items():
        print(f"{name}:", flush=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **settings}
        command = [sys.executable, "-m", "pytest", *test]
        if subprocess.run(command, cwd=Path(__file__).resolve().parents[2], env=environment, check=False).returncode:
            failed.append(name)
    print(f"not the same in the arithmetic of {', '.join(failed)}" if failed else "the same in each")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
