"""Lesson 6: at scale, and what to use when."""
