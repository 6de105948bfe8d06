"""``key new`` and ``key list``."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.front import Front, Group, columns, front, pairs
from tallystick.people.keys import ROLES

__all__ = ["key"]


@click.group(cls=Group)
def key() -> None:
    """Make and list people's keys (new, list)."""


@key.command("new")
@click.argument("label")
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="What they may sign for; repeatable.")
@click.option("--by", metavar="LABEL", help="The steward who signs the registration; not needed for the first person.")
@click.option("--name", help="Their name: kept beside the ledger, erasable.")
@click.option("--email", help="Their e-mail address, to know their commits: kept beside the ledger, erasable.")
@click.option("--algorithm", type=click.Choice(["ed25519", "ecdsa-p256"]), default="ed25519", show_default=True)
@click.option("--new-passphrase-file", type=click.Path(path_type=Path), help="Encrypt the key with its first line.")
@front
def new(
    front: Front,
    label: str,
    roles: tuple[str, ...],
    by: str | None,
    name: str | None,
    email: str | None,
    algorithm: str,
    new_passphrase_file: Path | None,
) -> None:
    """Make a key for somebody and register it. The first person becomes a steward, who signs for those to come."""
    from tallystick.signing import read_passphrase
    from tallystick.workflow import setup

    secret = None if new_passphrase_file is None else read_passphrase(new_passphrase_file)
    with front.desk(writing=True) as desk:
        done = setup.add_person(
            desk, label, roles=list(roles), by=by, name=name, email=email, algorithm=algorithm, passphrase=secret
        )
        body = done.entry.body
        facts = {
            "registered": f"entry {done.seq}",
            "actor": str(body["actor"]),
            "roles": ", ".join(body["roles"]),
            "key file": str(desk.keys / f"{label}.pem"),
            "fingerprint": str(body["fingerprint"]),
        }
        first = "steward" in body["roles"] and "steward" not in roles
        notes = (
            ["", "The first person is a steward too: they sign for everybody who is registered later."] if first else []
        )
        front.print(
            {"entry": done.seq, **{k: body[k] for k in ("actor", "roles", "fingerprint")}}, [*pairs(facts), *notes]
        )


@key.command("list")
@front
def list_(front: Front) -> None:
    """List the people who have a key, with their roles."""
    from tallystick.people.keys import KeyRing

    with front.desk(writing=False) as desk:
        book = desk.book()
        people = [
            (person.actor, ", ".join(person.roles), book.personal(person.entry, "name") or "-", str(person.entry.seq))
            for person in KeyRing.of(book).persons.values()
        ]
        value = [dict(zip(("actor", "roles", "name", "entry"), row, strict=True)) for row in people]
        front.print(value, columns([("actor", "roles", "name", "entry"), *people]))
