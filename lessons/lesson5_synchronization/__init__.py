"""Lesson 5: synchronization points."""
