"""Train a candidate for the credit use case: `python train.py baseline` or `python train.py fair`.

Neither candidate sees sex, race, marital status or origin when it predicts. `fair` is a reduction: the same logistic
regression, trained again and again with weights until people of both sexes are selected at similar rates.
"""

import sys
from pathlib import Path

import joblib
import pandas as pd
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

import tallystick

NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
CATEGORIES = ["workclass", "education", "occupation", "relationship"]
FEATURES = {"used": NUMBERS + CATEGORIES, "protected": []}
LIMITS = "US census data of 1994. Uses age, and relationship, which stands close to sex and marital status."
DESCRIBED = {
    "temporal_coverage": "1994",
    "label": {
        "definition": "income above 50,000 dollars a year, as a stand-in for creditworthiness",
        "horizon": "one year",
        "favourable_outcome": "1",
    },
    "sampling": "extract of the 1994 US census; the split is that of the publisher",
    "sensitive_fields": {"columns": ["sex", "race"], "obtained": "asked in the census"},
}
SEED = 0

train = pd.read_csv("data/adult_train.csv.gz")
test = pd.read_csv("data/adult_test.csv.gz")
y_train, y_test = (train["income"] == ">50K").astype(int), (test["income"] == ">50K").astype(int)
prepare = make_column_transformer(
    (StandardScaler(), NUMBERS),
    (OneHotEncoder(handle_unknown="ignore", min_frequency=50, sparse_output=False), CATEGORIES),
)


def save_predictions(path: str, **columns) -> None:
    test.assign(y_true=y_test, **columns).to_csv(path, index=False)


def baseline(run):
    model = make_pipeline(prepare, LogisticRegression(max_iter=1000, random_state=SEED))
    run.params(model)
    model.fit(train, y_train)
    y_pred = model.predict(test)
    score = model.predict_proba(test)[:, 1]
    save_predictions("predictions/baseline.csv", y_pred=y_pred, score=score)
    return finish(run, model, y_pred, score=score, limits=LIMITS)


def fair(run):
    reduction = ExponentiatedGradient(
        LogisticRegression(max_iter=1000, random_state=SEED),
        DemographicParity(difference_bound=0.005),
        eps=0.005,
        max_iter=20,
    )
    run.params(reduction, seeds={"prediction": SEED})
    with threadpool_limits(1):  # many small fits: threads would cost more than they give
        reduction.fit(prepare.fit_transform(train), y_train, sensitive_features=train["sex"])
    y_pred = reduction.predict(prepare.transform(test), random_state=SEED)
    save_predictions("predictions/fair.csv", y_pred=y_pred)
    limits = f"{LIMITS} Predictions are drawn from several models, by a seed."
    return finish(run, (prepare, reduction), y_pred, score=None, limits=limits)


def finish(run, model, y_pred, *, score, limits: str):
    path = Path(f"models/{run.name}.joblib")
    joblib.dump(model, path)
    made = run.model(path, name="credit", features=FEATURES, limitations=limits)
    metrics = {"accuracy": float(accuracy_score(y_test, y_pred))}
    if score is not None:
        metrics["roc_auc"] = float(roc_auc_score(y_test, score))
    run.metrics(metrics, dataset=TEST_SET, n=len(test))
    return made


candidate = {"baseline": baseline, "fair": fair}[sys.argv[1]]
Path("models").mkdir(exist_ok=True)
Path("predictions").mkdir(exist_ok=True)

with tallystick.run(sys.argv[1], usecase="credit-approval") as run:
    run.dataset("data/adult_train.csv.gz", name="adult-train", role="training", licence="CC BY 4.0", **DESCRIBED)
    TEST_SET = run.dataset("data/adult_test.csv.gz", name="adult-test", role="test", licence="CC BY 4.0", **DESCRIBED)
    print(f"training {run.name} on {len(train):,} rows ...")
    made = candidate(run)

print(f"{made} recorded, with its data, code, parameters, environment and metrics")
