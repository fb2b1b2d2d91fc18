"""Lesson 3: how many run at once, and how fast."""
