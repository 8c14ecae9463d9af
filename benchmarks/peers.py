"""Runs in the peers' own environment: py_vollib_vectorized on a sample of position-scenarios. Prints ns per price as JSON."""

import json
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")
from py_vollib_vectorized import vectorized_black  # noqa: E402


def main(path: str, repeats: int) -> None:
    data = np.load(path)
    flag = np.where(data["call"], "c", "p")
    arguments = (flag, data["F"], data["K"], data["tau"], data["rate"], data["vol"])

    def run() -> np.ndarray:
        return vectorized_black(*arguments, return_as="numpy")

    prices = run()
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    print(json.dumps({"ns": best / len(flag) * 1e9, "count": len(flag), "sum": float(np.sum(prices))}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
