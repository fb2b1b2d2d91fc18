"""Right and wrong answers to the exercises of lesson 4."""

ANSWERS = {}
