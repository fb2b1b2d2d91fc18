"""Right and wrong answers to the exercises of lesson 1."""

from answers import prediction

ANSWERS = {
    "PREDICT_AN_ORDER": prediction("ACDBE", "A, C, D, B, E", "a\nc\nd\nb\ne", list("ACDBE")),
    "FIND_THE_BLOCKING_CALL": prediction("store", " Store ", ["store"]),
}
