"""What ran when: the recorder, its data, recordings in words, the virtual clock.

It needs the standard library only.
"""
