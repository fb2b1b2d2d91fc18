"""Where a failure came from: notes on the exception, made once, and for one call only."""

from asyncio import CancelledError
from contextlib import aclosing, suppress
from contextvars import ContextVar
from reprlib import Repr

OTHERS = 3  # so many other failures are told one by one; of the rest only how many
LONGEST = 300  # characters of such a line
short = Repr()
short.maxother = 200  # characters of an exception that may hold a whole document

# The innermost place that the running code is in, a noting.
under_way: ContextVar = ContextVar("under_way", default=None)


class Note(str):
    """A line on an exception that knows the place where it was made."""

    place: "noting"
    is_way: bool  # whether it tells a part of the way from the failure to the caller

    def __new__(cls, text, place, is_way):
        note = super().__new__(cls, text)
        note.place, note.is_way = place, is_way
        return note

    def __reduce__(self):
        return str, (str(self),)  # sent to another process it is a line like any other


class noting:
    """A place in a chain, as a `with` block: an exception that leaves it carries the way as notes.

    where: "in branch 'summary'", say; None for a place that has nothing to tell.

    The innermost place notes the whole way, from the inside out, and the places around it find that
    done. What other calls have noted on the exception goes. An exception that takes no notes, or has
    odd ones, is raised as it is.
    """

    def __init__(self, where=None):
        self.where, self.outer, self.over = where, under_way.get(), False
        while self.outer is not None and self.outer.over:  # a task may outlive the call that started it
            self.outer = self.outer.outer

    def __enter__(self):
        under_way.set(self)
        return self

    def __exit__(self, kind, error, traceback):
        self.over = True
        if under_way.get() is self:  # a generator may be closed in a context that is not its own
            under_way.set(self.outer)
        if error is not None and kind is not GeneratorExit:
            with suppress(Exception):
                self.note_way(error)

    def outwards(self):
        """Yield this place and those around it, from the inside out."""
        place: noting | None = self
        while place is not None:
            yield place
            place = place.outer

    def is_here(self):
        """Whether the running code is in this place, or in one inside it."""
        here = under_way.get()
        return here is not None and self in here.outwards()

    def notes_on(self, error):
        """Return the notes on `error`, without those that were made outside of this place."""
        notes = all_notes(error)
        return [note for note in notes if not isinstance(note, Note) or self in note.place.outwards()]

    def note_way(self, error):
        """Note on `error` the way from here outwards, unless a place inside this one has."""
        notes = all_notes(error)
        ways = [note for note in notes if isinstance(note, Note) and note.is_way]
        if ways and self in ways[0].place.outwards():
            return
        way = [Note(place.where, self, is_way=True) for place in self.outwards() if place.where]
        if notes or way:
            error.__notes__ = self.notes_on(error) + way

    def note_others(self, errors):
        """Note on the first of `errors`, a list of exceptions, what the others are."""
        first, *others = {id(error): error for error in errors}.values()  # each instance once
        with suppress(Exception):
            told = [line[:LONGEST] for error in others for line in self.lines_about(error)]
            if len(told) > OTHERS:
                told[OTHERS:] = [f"and {len(told) - OTHERS} more failures"]
            if told:
                notes = [Note(line, self, is_way=False) for line in told]
                first.__notes__ = self.notes_on(first) + notes

    def lines_about(self, error):
        """Return the lines that tell of a failure; of a cancellation only those that it met."""
        if isinstance(error, CancelledError) and tells_failures(error):
            return [note for note in all_notes(error) if isinstance(note, Note) and not note.is_way]
        return [" ".join([f"another failure: {short.repr(error)}", *map(str, self.notes_on(error))])]


def all_notes(error):
    """Return the list of notes on an exception, whoever made them."""
    notes = getattr(error, "__notes__", [])
    return notes if isinstance(notes, list) else []


def tells_failures(error):
    """Whether an exception carries notes about others, as a cancellation does that met them."""
    return any(isinstance(note, Note) and not note.is_way for note in all_notes(error))


def noted(place, parts):
    """Yield what the generator `parts` yields, at `place`, a noting."""
    with place:
        yield from parts


async def anoted(place, parts):
    """Yield what the async generator `parts` yields, at `place`, a noting."""
    with place:
        async with aclosing(parts):
            async for part in parts:
                yield part
