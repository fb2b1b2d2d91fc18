"""Right and wrong answers to the exercises of lesson 3."""

ANSWERS = {}
