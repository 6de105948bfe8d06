"""People who were judged, as many as wanted: a Parquet file with sex, race, outcome, decision and score.

Drawn by a fixed seed, in parts, so that ten million need no more memory than one.
"""

import numpy as np

_SEXES = ("Female", "Male")
_RACES = ("Amer-Indian-Eskimo", "Asian-Pac-Islander", "Black", "Other", "White")
_PART = 1_000_000


def file(run, rows):
    """The path of such a file, kept between runs."""
    import pyarrow.parquet as pq

    folder = run.cache / "people"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"people-{rows}.parquet"
    if path.exists():
        return path
    generator, draft = np.random.Generator(np.random.PCG64(4)), path.with_suffix(".new")
    with pq.ParquetWriter(draft, _table(generator, 1).schema) as writer:
        for done in range(0, rows, _PART):
            run.say(f"making {rows:,} people: {done:,}")
            writer.write_table(_table(generator, min(_PART, rows - done)))
    draft.rename(path)
    return path


def _table(generator, rows):
    import pyarrow as pa

    sex = generator.choice(len(_SEXES), rows, p=(0.33, 0.67))
    race = generator.choice(len(_RACES), rows, p=(0.01, 0.03, 0.1, 0.01, 0.85))
    true = generator.random(rows) < 0.2 + 0.1 * sex
    score = np.clip(0.3 * true + 0.05 * sex + generator.random(rows) * 0.6, 0, 1)
    return pa.table(
        {
            "sex": pa.array(np.array(_SEXES)[sex]),
            "race": pa.array(np.array(_RACES)[race]),
            "y_true": pa.array(true.astype(np.int8)),
            "y_pred": pa.array((score > 0.5).astype(np.int8)),
            "score": pa.array(score),
        }
    )
