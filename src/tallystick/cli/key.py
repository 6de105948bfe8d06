"""``key new``, ``key list`` and ``key certificate``."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.front import Front, Group, check_output, columns, front, pairs, write_output
from tallystick.errors import UsageError
from tallystick.people.keys import ROLES

__all__ = ["key"]


@click.group(cls=Group)
def key() -> None:
    """Make and list people's keys (new, list), and certify the report seal (certificate)."""


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
    """List the people who have a key, with their roles and the key's fingerprint."""
    from tallystick.people.keys import KeyRing

    with front.desk(writing=False) as desk:
        book = desk.book()
        people = [
            (
                person.actor,
                ", ".join(person.roles),
                book.personal(person.entry, "name") or "-",
                str(person.entry.seq),
                person.key.fingerprint,
            )
            for person in KeyRing.of(book).persons.values()
        ]
        names = ("actor", "roles", "name", "entry", "fingerprint")
        value = [dict(zip(names, row, strict=True)) for row in people]
        front.print(value, columns([names, *people]))


_FILE = click.Path(path_type=Path)


@key.command()
@click.option("--self-made", is_flag=True, help="Make a new one for the report seal: it vouches for nobody.")
@click.option("--request", is_flag=True, help="Write a request for an authority (PKCS #10) to -o.")
@click.option("--install", type=_FILE, metavar="CERT.pem", help="Register the one that an authority made.")
@click.option("--chain", type=_FILE, metavar="CA.pem", help="With --install: what leads from it to the authority.")
@click.option("--name", help="With --request: whose seal it is; else that of this ledger.")
@click.option("--organisation", help="With --request: the organisation.")
@click.option("-o", "output", type=_FILE, help="With --request: the file of the request, such as seal.csr.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@front
def certificate(
    front: Front,
    self_made: bool,
    request: bool,
    install: Path | None,
    chain: Path | None,
    name: str | None,
    organisation: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """Show the certificate that reports are sealed with, or get another.

    A self-made one shows that the file is the one that was sealed; an authority's says who sealed it besides.
    """
    from tallystick.workflow import certified
    from tallystick.workflow.verify import read_small

    if sum((self_made, request, install is not None)) > 1:
        raise UsageError("one thing at a time", expected="--self-made, --request or --install")
    if (install is None) != (chain is None) or request != (output is not None):
        raise UsageError("--install goes with --chain, and --request with -o")
    if not request and (name or organisation):
        raise UsageError("--name and --organisation belong to --request")
    if output is not None:
        check_output(output, force=force)
    with front.desk(writing=self_made or install is not None) as desk:
        if output is not None:
            write_output(output, certified.request(desk, name=name, organisation=organisation))
            front.print({"request": str(output)}, [f"request written to {output}: send it to your authority"])
            return
        if install is not None and chain is not None:
            certified.install(desk, read_small(install), read_small(chain))
        elif self_made:
            certified.self_made(desk)
        found = certified.current(desk)
    front.print(found.value(), pairs(found.lines()))
