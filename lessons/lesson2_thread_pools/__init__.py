"""Lesson 2: what runs when you invoke."""
