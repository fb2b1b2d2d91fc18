"""Both libraries, as the playground gets them: name -> (RunnableParallel, RunnableLambda)."""

from langchain_core import runnables as theirs

import lessons as ours

LIBRARIES = {
    "ours": (ours.RunnableParallel, ours.RunnableLambda),
    "langchain-core": (theirs.RunnableParallel, theirs.RunnableLambda),
}
