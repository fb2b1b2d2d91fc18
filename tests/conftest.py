import helpers  # noqa: F401  switches LangSmith tracing off, for the kernels of the notebooks too
