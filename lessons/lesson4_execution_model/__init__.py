"""Lesson 4: the parallel execution model."""
