"""``init`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.front import Front, columns, front, pairs, write_output
from tallystick.errors import UsageError

__all__ = ["doctor", "init"]


@click.command()
@click.option("--name", required=True, help="The ledger's name, such as bank.example/credit; a uuid is added.")
@click.option("--protect", is_flag=True, help="Encrypt the ledger's keys with the passphrase.")
@front
def init(front: Front, name: str, protect: bool) -> None:
    """Create a ledger, its checkpoint key and its report seal. Nothing is ever created implicitly."""
    from tallystick.workflow import setup

    secret = front.passphrase(front.settings.keys / "ledger.pem") if protect else None
    if protect and not secret:
        raise UsageError(
            "no passphrase to protect the keys with", remedy="Add --passphrase-file FILE, or use a terminal."
        )
    ledger = setup.init(front.ledger, name=name, keys=front.settings.keys, passphrase=secret)
    key = str(ledger.key)
    vkey = (front.ledger if isinstance(front.ledger, Path) else front.settings.keys).parent / "ledger.vkey"
    write_output(vkey, f"{key}\n".encode())
    facts = {
        "ledger": ledger.where,
        "origin": ledger.origin,
        "keys": str(front.settings.keys),
        "public key": str(vkey),
        "": key,
        "fingerprint": ledger.key.public.fingerprint,
    }
    ledger.close()
    lines = [
        *pairs(facts),
        "",
        "Hand the public key, or its fingerprint, to whoever will verify, by a way of its own:",
        "a proof is worth what the source of its key is worth.",
        "Next: tallystick key new officer --role risk-officer",
    ]
    told = {name: facts[name] for name in ("ledger", "origin", "fingerprint")}
    front.print({**told, "key": key}, lines)


@click.command()
@front
def doctor(front: Front) -> int:
    """Show what is here, where each setting came from, and what is missing. Exits 3 if something needs care."""
    from tallystick.workflow import health

    found = health.look(front.settings)
    rows = [("ok" if line.ok else "CARE", line.about, line.says) for line in found]
    front.print([{"ok": line.ok, "about": line.about, "says": line.says} for line in found], columns(rows))
    if not all(line.ok for line in found):
        click.echo("Lines marked CARE want a look.", err=True)
        return 3
    return 0
