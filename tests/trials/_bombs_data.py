"""Data that are small to write and large to read, each judged in a process of its own: the data part of the bombs.

Each is refused in one line, or answered; within 512 MiB, and within the seconds of processor time that stand beside it:
two, but for honest rows that are many, which take as long as so many rows take.
"""

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

MIB = 512
POLICY = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: t, version: 1.0.0, owner: o}
applies_to: {stage: production}
gates:
  - id: s
    type: schema
    columns: {x: {nullable: false, regex: "(0|00)*", unique: %s}}
    rules: [{id: r, expr: x is not null}]
"""


def many_rows(folder):
    """A hundred million rows of one value in some kilobytes of Parquet: answered, and nothing of it is false."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, zeros = folder / "rows.parquet", pa.py_buffer(bytes(80_000_000))
    batch = pa.table({"x": pa.Array.from_buffers(pa.int64(), 10_000_000, [None, zeros])})
    with pq.ParquetWriter(path, batch.schema, compression="zstd") as writer:
        for _ in range(10):
            writer.write_table(batch, row_group_size=10_000_000)
    return path


def one_long_text(folder):
    """A page of 400 MB of one letter."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "text.parquet"
    pq.write_table(pa.table({"x": pa.array(["0" * 400_000_000], pa.large_string())}), path, compression="zstd")
    return path


def long_texts(folder):
    """Four pages of 100 MB each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "texts.parquet"
    with pq.ParquetWriter(
        path, pa.schema([("x", pa.large_string())]), compression="zstd", use_dictionary=False
    ) as file:
        for letter in "0123":
            file.write_table(pa.table({"x": pa.array([letter * 100_000_000], pa.large_string())}))
    return path


def arrow_batch(folder):
    """One batch of 320 MB of zeros."""
    import pyarrow as pa
    import pyarrow.feather

    path = folder / "batch.feather"
    zeros = pa.Array.from_buffers(pa.int64(), 40_000_000, [None, pa.py_buffer(bytes(320_000_000))])
    pa.feather.write_feather(pa.table({"x": zeros}), str(path), compression="zstd", chunksize=40_000_000)
    return path


def packed_header(folder):
    """A packed CSV file that is one line of 500 MB."""
    path = folder / "header.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(500):
            file.write(b"x" * 1_000_000)
    return path


def packed_value(folder):
    """A packed CSV file with one value of 300 MB."""
    path = folder / "value.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"x\n")
        for _ in range(300):
            file.write(b"0" * 1_000_000)
    return path


def packed_rows(folder):
    """Ten million rows in some kilobytes of packed CSV."""
    path = folder / "rows.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"x\n")
        for _ in range(100):
            file.write(b"0\n" * 100_000)
    return path


def many_columns(folder):
    """A CSV file of 100,000 columns."""
    path = folder / "columns.csv"
    path.write_text(",".join(["x", *(f"c{i}" for i in range(100_000))]) + "\n")
    return path


def open_quote(folder):
    """A quote that is opened in the second row of 50 MB, and never closed."""
    path = folder / "quote.csv"
    path.write_bytes(b'x\n"' + b"0\n" * 25_000_000)
    return path


BOMBS = {
    many_rows: 120, one_long_text: 2, long_texts: 2, arrow_batch: 2, packed_header: 2, packed_value: 2, packed_rows: 30,
    many_columns: 2, open_quote: 2,
}  # fmt: skip
"""And the seconds of processor time that each may take."""


def all_of_them(folder, *, unique=False):
    """Let each go off in a process of its own; how many there were.

    Raises:
        AssertionError: one took too much, or ended otherwise than by one line.
    """
    for bomb, seconds in BOMBS.items():
        path = bomb(folder)
        command = [sys.executable, __file__, str(path), "true" if unique else "false"]
        done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
        path.unlink()
        assert done.returncode == 0, f"{bomb.__name__} ended with {done.returncode}: {done.stderr[-300:]}"
        said = json.loads(done.stdout.splitlines()[-1])
        assert said["seconds"] <= seconds, f"{bomb.__name__} took {said['seconds']:.1f} s"
        assert said["mib"] <= MIB, f"{bomb.__name__} took {said['mib']:.0f} MiB"
        assert "\n" not in said["said"], f"{bomb.__name__} is refused in several lines"
    return len(BOMBS)


def goes_off(path, unique):
    """What judging a file came to, and what it took."""
    from tallystick.errors import TallystickError
    from tallystick.policy import document, judge

    policy = document.parse((POLICY % unique).encode(), name="policy.yaml")
    judge.evaluate(policy, _small(), data_digest="0" * 64)  # imports, and what a first use sets up
    began = time.process_time()
    try:
        said = judge.evaluate(policy, Path(path), data_digest="0" * 64).verdict
    except TallystickError as error:
        said = str(error)
    return {"seconds": time.process_time() - began, "mib": _peak(), "said": said}


def _peak():
    """Of this program: what getrusage says begins with what its parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _small():
    import pyarrow as pa

    return pa.table({"x": [0]})


if __name__ == "__main__":
    print(json.dumps(goes_off(*sys.argv[1:])))
