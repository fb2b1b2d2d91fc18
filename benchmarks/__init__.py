"""What is fast, as ratios that are measured side by side in one run: `python3 course.py bench`."""
