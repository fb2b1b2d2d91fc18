"""Lesson 1: what runs when you await."""
