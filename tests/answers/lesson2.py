"""Right and wrong answers to the exercises of lesson 2."""

ANSWERS = {}
