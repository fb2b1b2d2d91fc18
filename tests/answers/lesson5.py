"""Right and wrong answers to the exercises of lesson 5."""

ANSWERS = {}
