"""Trial: archives that are made to hurt whoever opens them.

Paths that lead outside, absolute and device names, links, members twice, overlapping, hidden, compressed, encrypted or
larger than they say; 65,535 members, a directory inside a member, ZIP in ZIP, ZIP64, records cut short. Each is given
to each verifier in a process of its own, in a folder where whatever is written would be seen; those that the ledger's
own key signed come from the conformance suite.

What it shows: each is refused with one clean answer, within two seconds of processor time and 512 MiB; no file
appears, changes or vanishes anywhere beside the archive.

What it does not show: what other programs do with them. A pack is never extracted by ours.
"""

import hashlib
import json
import os
import resource
import struct
import subprocess
import sys
import time
import zlib

import _program as program
import _verifiers as verifiers

suite = verifiers.suite
VKEY = verifiers.world.VKEY
Record = verifiers.world.Record
written = verifiers.world.written
zipped = verifiers.world.zipped

SECONDS, MIB = 2.0, 512
ZEROS = b"\x00" * (8 << 20)


def bomb():
    """Eight MiB of zeros in eight KiB, claimed to be a gigabyte."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packed.compress(ZEROS) + packed.flush()
    fields = {"method": 8, "size": 1 << 30, "packed": len(data)}
    return written([Record(b"manifest.json", ZEROS, stored=data, local=fields, central=fields)])


def many(count):
    """A directory of that many empty members."""
    return written([Record(b"keys/%064x.pem" % at, b"") for at in range(count)])


def lying_count():
    """A directory that says it has 65,535 members and has one."""
    return written([Record(b"manifest.json", b"{}")], count=65_535)


def quines():
    """An archive whose only member is itself, as far as its header goes."""
    inner = zipped({"manifest.json": b"{}"})
    for _ in range(12):
        inner = zipped({"manifest.json": inner})
    return inner


def overlapping(copies):
    """Many names for the same megabyte: small in the file, large in the sum."""
    data = b"\x00" * (1 << 20)
    first = Record(b"manifest.json", data)
    return written([first, *(Record(b"keys/%064x.pem" % at, data, absent=True) for at in range(copies))])


def zip64():
    """Sizes that stand in a ZIP64 record."""
    extra = b"\x01\x00\x10\x00" + struct.pack("<QQ", 1 << 62, 1 << 62)
    far = {"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF}
    return written([Record(b"manifest.json", b"{}", extra=extra, local=far, central=far)])


def envelope(payload):
    """A pack that begins with a manifest of any size, signed by nobody."""
    return zipped({"manifest.json": payload})


MADE = {
    "a bomb": bomb,
    "65,535 members": lambda: many(65_535),
    "70,000 members": lambda: many(70_000),
    "a count that lies": lying_count,
    "archives within archives": quines,
    "two hundred names for a megabyte": lambda: overlapping(200),
    "ZIP64": zip64,
    "a manifest of thirty-two megabytes": lambda: envelope(b"[" * (32 << 20)),
    "a manifest of brackets": lambda: envelope(b"[" * 1_000_000),
    "a manifest of digits": lambda: envelope(b"9" * 1_000_000),
    "a manifest of escapes": lambda: envelope(b'{"payload":"' + b"\\u0041" * 200_000 + b'"}'),
    "an envelope of base64": lambda: envelope(
        b'{"payload":"' + b"A" * 16_000_000 + b'","payloadType":"x","signatures":[{"keyid":"' + b"0" * 64
        + b'","sig":"' + b"A" * 88 + b'"}]}'
    ),
    "ends only": lambda: b"PK\x05\x06" * 200_000,
    "headers only": lambda: b"PK\x03\x04" * 200_000,
    "noise behind PK": lambda: b"PK" + hashlib.shake_256(b"noise").digest(1 << 20),
    "sixty-four megabytes of nothing": lambda: b"PK\x03\x04" + bytes(64 << 20),
}  # fmt: skip


def hostile():
    """Name to bytes: those made here, and those of the suite."""
    found = {name: make() for name, make in MADE.items()}
    for name, case in suite.chosen([]):
        if name.startswith("container_"):
            found[f"{name} (suite)"] = (suite.CASES / name / case["file"]).read_bytes()
    return found


PROGRAMS = {
    "tallystick": [sys.executable, "-m", "tallystick", "verify"],
    "verify.py": [sys.executable, str(verifiers.STANDALONE)],
}


def limited():
    """In the child: no more memory than this, whatever the archive says."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


def asked(command, folder):
    """Exit code, processor seconds and MiB of one process."""
    process = subprocess.Popen(
        [*command, "evil.zip", "--key", str(VKEY), "--format", "json"], cwd=folder, preexec_fn=limited,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = process.stdout.read(), process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close(), process.stderr.close()
    return process.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out, err


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def trial(folder, *, seed):
    """One line of figures; AssertionError if anything does not hold."""
    del seed
    began, worst, largest, archives = time.perf_counter(), (0.0, ""), (0.0, ""), hostile()
    place = folder / "deep" / "er" / "here"
    place.mkdir(parents=True)
    for name, data in archives.items():
        (place / "evil.zip").write_bytes(data)
        before = files(folder)
        for who, command in PROGRAMS.items():
            code, seconds, mib, out, err = asked(command, place)
            assert code == 1, f"{name}: {who} ended with {code}: {err[-200:]}"
            assert b"Traceback" not in err, f"{name}: {who}: {err[-300:]}"
            assert json.loads(out)["integrity"] == "failed", f"{name}: {who} does not call it failed"
            assert seconds < SECONDS + 1, f"{name}: {who} took {seconds:.1f} s"
            assert mib < MIB, f"{name}: {who} took {mib:.0f} MiB"
            worst, largest = max(worst, (seconds, f"{who}, {name}")), max(largest, (mib, f"{who}, {name}"))
        assert files(folder) == before, f"{name}: something was written"
    return (
        f"archives: {len(archives)} archives, each given to {len(PROGRAMS)} verifiers: all refused, nothing written;"
        f" slowest {worst[0]:.2f} s ({worst[1]}), largest {largest[0]:.0f} MiB ({largest[1]}),"
        f" {time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(program.run(trial, doc=__doc__))
