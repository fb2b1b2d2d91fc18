"""Where a failure came from: notes on the exception, made once, and for one call only."""

from contextlib import aclosing, suppress
from contextvars import ContextVar
from reprlib import Repr

OTHERS = 3  # so many other failures are told one by one; of the rest only how many
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

    The innermost place notes the whole way, from the inside out. The places around it find that done,
    and so do the siblings, if they raise the same exception. What earlier calls have noted on it goes.
    """

    def __init__(self, where=None):
        self.where, self.outer = where, under_way.get()

    def __enter__(self):
        under_way.set(self)
        return self

    def __exit__(self, kind, error, traceback):
        if under_way.get() is self:  # a generator may be closed in a context that is not its own
            under_way.set(self.outer)
        if error is not None and kind is not GeneratorExit:
            call = self.outer if self.where and self.outer else self
            notes = call.notes_on(error)
            if not any(isinstance(note, Note) and note.is_way for note in notes):
                way = [Note(place.where, self, is_way=True) for place in self.outwards() if place.where]
                call.put_on(error, notes + way)

    def outwards(self):
        """Yield this place and those around it, from the inside out."""
        place: noting | None = self
        while place is not None:
            yield place
            place = place.outer

    def notes_on(self, error):
        """Return the notes on `error`, without those that were made outside of this place."""
        notes = getattr(error, "__notes__", [])
        return [note for note in notes if not isinstance(note, Note) or self in note.place.outwards()]

    def put_on(self, error, notes):
        """Replace the notes on `error`."""
        if notes or hasattr(error, "__notes__"):
            with suppress(AttributeError):  # an exception may refuse: a frozen dataclass does
                error.__notes__ = notes

    def note_others(self, errors):
        """Note on the first of `errors`, a list of exceptions, what the others are."""
        first, *others = {id(error): error for error in errors}.values()  # each instance once
        if not others:
            return
        told = [
            " ".join([f"another failure: {short.repr(error)}", *self.notes_on(error)])
            for error in others[:OTHERS]
        ]
        if len(others) > OTHERS:
            told.append(f"and {len(others) - OTHERS} more failures")
        self.put_on(first, self.notes_on(first) + [Note(text, self, is_way=False) for text in told])


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
