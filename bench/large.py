"""Training on more texts than memory should hold: rows a second, memory over time, accuracy.

Four fifths of petitions_l1_dev.csv (grouped as in bench/category.py) are drawn from, with replacement, until there are ROWS rows; the
last fifth is what the bundle is judged by. So the texts repeat: time and memory are those of ROWS rows, accuracy is that of the few
thousand texts there are. The file lies in a temporary folder and goes with it; training runs in a process of its own, whose resident
memory is read once a second (Linux). Up to 30,000 rows `fenban train` holds all texts in memory, beyond it goes in batches.
Run: python -m bench.large [ROWS ...]   (default 10000 1000000; says so and stops where ../shared/data is not here)
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.shared_data import ROOT, SHARED
from classifier.bundle import load_bundle
from classifier.category import level1
from classifier.features import Document
from classifier.predict import predict
from classifier.taxonomy import load_taxonomy
from classifier.tokenise import Tokeniser
from training.corpus import Example, load_labelled
from training.metrics import macro_f1
from training.split import folds, groups_of

_INTERVAL = 1.0
_KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds a training took, and its resident memory in MiB, one reading a second."""

    seconds: float
    memory: list[int]

    def at(self, share: float) -> int:
        """The memory when `share` (0 to 1) of the time was over."""
        return self.memory[min(int(share * len(self.memory)), len(self.memory) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[10_000, 1_000_000])
    sizes: list[int] = parser.parse_args().rows
    source = SHARED / "petitions_l1_dev.csv"
    if not source.exists():
        sys.exit("../shared/data is not here: nothing to measure on")
    rows = list(csv.DictReader(source.open(encoding="utf-8-sig")))
    examples = load_labelled(source, load_taxonomy(ROOT / "corpora" / "taxonomy"), Tokeniser()).examples
    if len(rows) != len(examples):
        sys.exit(f"{len(rows) - len(examples)} rows cannot be used: rows and examples would not match")
    labels = [example.category for example in examples]
    groups = groups_of([e.document for e in examples], [e.group for e in examples])
    learn, test = next(folds(labels, groups))
    print(f"drawn from {len(learn)} messages, judged by {len(test)}", flush=True)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file, out = Path(folder) / "large.csv", Path(folder) / "bundle"
            _write(file, [rows[i] for i in learn], size)
            run = _train(file, out)
            f1, accuracy = _score(out, [examples[i] for i in test])
            print(
                f"{size:9,} rows ({file.stat().st_size / 1e6:,.0f} MB)   {run.seconds:.1f} s, {size / run.seconds:,.0f} rows/s"
                f"   MiB at 10 %, 50 %, 100 %: {run.at(0.1)}, {run.at(0.5)}, {run.at(1.0)}, peak {max(run.memory)}"
                f"   macro-F1 {f1:.4f}, accuracy {accuracy:.4f}",
                flush=True,
            )


def _write(file: Path, rows: list[dict[str, str]], size: int) -> None:
    """`size` rows drawn with replacement, the same for the same size."""
    rng = np.random.default_rng(0)
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        for number in range(size):
            writer.writerow(rows[int(rng.integers(len(rows)))] | {"id": f"{number:07}"})


def _train(file: Path, out: Path) -> Run:
    command = [sys.executable, "-m", "training", "train", "--no-seed", "--data", str(file), "--out", str(out)]
    memory: list[int] = []
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT) as process:  # noqa: S603  our own interpreter and module
        while process.poll() is None:
            memory.append(_resident(process.pid))
            try:
                process.wait(_INTERVAL)
            except subprocess.TimeoutExpired:
                continue
        seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"training ended with {process.returncode}")
    return Run(seconds, memory)


def _resident(pid: int) -> int:
    """MiB of physical memory the process has; 0 when it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // _KIB_PER_MIB for line in lines if line.startswith("VmRSS")), 0)


def _score(out: Path, texts: list[Example]) -> tuple[float, float]:
    """Macro-F1 and accuracy of the bundle at level 1."""
    bundle = load_bundle(out)
    assert bundle.category is not None
    # Cut again: each bundle has its own dictionary.
    documents = [
        Document(e.document.text, e.document.title_length, tuple(bundle.tokeniser.cut(e.document.text)))
        for e in texts
    ]
    found = [predict(bundle, documents[i : i + 500]).category for i in range(0, len(documents), 500)]
    together = np.concatenate([f for f in found if f is not None])
    codes, broad = level1(bundle.category.classes, together, bundle.category.pooling)
    predicted = [codes[i] for i in broad.argmax(axis=1)]
    truth = [example.category for example in texts]
    return macro_f1(truth, predicted), float(np.mean([a == b for a, b in zip(truth, predicted, strict=True)]))


if __name__ == "__main__":
    main()
