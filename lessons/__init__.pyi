# Made from the table in __init__.py by `python3 course.py build`, for editors and type checkers.

from lessons.lesson5_synchronization.passthrough import RunnableAssign as RunnableAssign
from lessons.lesson5_synchronization.passthrough import RunnablePassthrough as RunnablePassthrough
from lessons.lesson5_synchronization.passthrough import RunnablePick as RunnablePick
from lessons.lesson5_synchronization.runnable import Runnable as Runnable
from lessons.lesson5_synchronization.runnable import RunnableLambda as RunnableLambda
from lessons.lesson5_synchronization.runnable_parallel import RunnableMap as RunnableMap
from lessons.lesson5_synchronization.runnable_parallel import RunnableParallel as RunnableParallel
from lessons.lesson5_synchronization.runnable_parallel import coerce_to_runnable as coerce_to_runnable
from lessons.lesson5_synchronization.sequence import RunnableSequence as RunnableSequence
