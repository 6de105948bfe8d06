"""What a pack says about itself: how to check it with unzip, jq, base64, sha256sum and openssl."""

from __future__ import annotations

from tallystick.proof.note import VerifierKey

__all__ = ["readme"]


def readme(key: VerifierKey, *, manifest_type: str, entry: str) -> bytes:
    """The text of ``readme.txt`` for a pack of this ledger; ``entry`` is the member it takes as example."""
    return _TEXT.format(
        origin=key.name,
        vkey=key,
        pem=f"keys/{key.public.fingerprint}.pem",
        entry=entry,
        type=manifest_type,
        type_length=len(manifest_type),
    ).encode()


_TEXT = """\
Evidence pack of the ledger {origin}

Keys in this file do not make it trusted. Get the ledger's verifier key from somewhere else and compare:
  {vkey}
The same key for openssl is {pem}

With the program:
  tallystick verify <this file> --key <the verifier key>

By hand, in an empty folder after "unzip <this file>":

1. The manifest is signed by that key.
     jq -r .payload manifest.json | base64 -d > payload
     jq -r '.signatures[0].sig' manifest.json | base64 -d > payload.sig
     (printf 'DSSEv1 {type_length} {type} %d ' "$(wc -c < payload)"; cat payload) > payload.pae
     openssl pkeyutl -verify -pubin -inkey {pem} -rawin -in payload.pae -sigfile payload.sig

2. Every file is the one that the manifest lists, and there are no others (jq, diff, unzip and sha256sum are needed).
     jq -r '.members[] | .sha256 + "  " + .name' payload | sha256sum -c
     diff <(unzip -Z1 <this file> | tail -n +2) <(jq -r '.members[].name' payload)

3. The checkpoint is signed by that key: its text is the three lines above the empty one.
     head -n 3 checkpoint > checkpoint.text
     tail -n 1 checkpoint | cut -d ' ' -f 3 | base64 -d | tail -c 64 > checkpoint.sig
     openssl pkeyutl -verify -pubin -inkey {pem} -rawin -in checkpoint.text -sigfile checkpoint.sig

4. An entry's leaf hash, which "prev" of the next entry names, is
     (printf '\\0'; cat {entry}) | sha256sum
   Its path to the root of the checkpoint is in proofs/, in the form that C2SP tlog-proof describes.

What this shows: with the ledger's public key and a checkpoint obtained independently, the entries up to that checkpoint
are unaltered and in order. Whether they are true is not shown. What was never recorded is invisible.
"""
