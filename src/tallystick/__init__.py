"""tallystick: the governance ledger for machine-learning models.

Records are captured into a ledger; policy gates judge them; people decide; a report says so; anyone can verify the
proof.

In a training script, three lines put a run on the books::

    import tallystick

    with tallystick.run("credit-baseline", usecase="credit-approval") as run:
        train = run.dataset("adult_train.csv.gz", role="training", licence="CC BY 4.0")
        run.params(estimator)  # a mapping, a file, or anything with get_params
        ...                    # train, write model.joblib
        run.metrics({"accuracy": 0.84}, dataset=train, n=32561)
        model = run.model("model.joblib", name="credit", features={"used": ["age"], "protected": []})

    print(model)  # credit@1

The code's commit and the environment are recorded by themselves. A body that raises is recorded as a failed run. The
ledger is the one that ``tallystick init`` made, found upward from the working folder.

Everything else is a command: ``tallystick --help``; a service with many threads appends through
:class:`tallystick.ledger.sequencer.Sequencer`. The floors of the house, from the top: ``cli``, ``workflow`` (the
verbs), ``signing``, ``report``, ``ledger | policy | capture``, ``people`` (who may do what), ``proof`` (what anyone
can verify), ``records``, ``canonical``, ``errors``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick.workflow.run import Run

__all__ = ["run"]


def run(
    name: str,
    *,
    usecase: str | None = None,
    actor: str | None = None,
    ledger: str | Path | None = None,
    code: str | Path | None = ".",
    lock_file: str | Path | None = None,
) -> Run:
    """A training run to be used as a context; see the example above.

    Args:
        name: what the run is called in the books.
        usecase: name of the recorded use case that its models are for.
        actor: label of the key of whoever records; else TALLYSTICK_AS, else ``as`` in tallystick.toml. No key is
            unlocked: recording is not signed.
        ledger: path or URL of the ledger; else TALLYSTICK_LEDGER, else found upward.
        code: the folder whose git commit made this run; None for none.
        lock_file: the lock file that the environment was made from.

    Raises:
        tallystick.errors.TallystickError: no ledger, nobody named, or no such use case.
    """
    from tallystick.settings import load
    from tallystick.workflow.desk import Desk
    from tallystick.workflow.run import Run

    flags = {"ledger": None if ledger is None else str(ledger), "as": actor}
    settings = load(environ=os.environ, start=Path.cwd(), flags=flags)
    desk = Desk.open(settings.ledger, keys=settings.keys, writing=True)
    return Run(
        name,
        desk=desk,
        actor=desk.actor(settings.actor),
        usecase=usecase,
        code=None if code is None else Path(code),
        lock_file=None if lock_file is None else Path(lock_file),
    )
