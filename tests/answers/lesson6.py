"""Right and wrong answers to the exercises of lesson 6."""

ANSWERS = {}
