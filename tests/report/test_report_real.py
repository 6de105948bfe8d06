"""The report over check results as the gates really give them, not as a sample has them."""

from tallystick.report.tested import _merged


def rate(k, n):
    return {"k": k, "n": n, "value": k / n, "interval": {"low": 0.0, "high": 1.0}}


CHECKS = [
    {
        "groups": [
            {"group": {"sex": "Female"}, "n": 50, "evaluated": True, "rates": {"selection_rate": rate(10, 50)}},
            {"group": {"sex": "Male"}, "n": 5, "evaluated": False, "rates": {}},
        ]
    },
    {
        "groups": [
            {"group": {"sex": "Female"}, "n": 50, "evaluated": True, "rates": {"true_positive_rate": rate(3, 4)}},
        ]
    },
]


def test_the_rates_of_a_group_stand_in_one_row_with_the_people_they_rest_on():
    female, male = _merged(CHECKS)
    assert female["selection_rate"] == 0.2
    assert female["selection_rate of"] == "10 of 50"
    assert female["true_positive_rate"] == 0.75
    assert male["left out"] == "too small"
    assert "selection_rate" not in male
