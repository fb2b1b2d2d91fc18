"""Right and wrong answers to the exercises of lesson 2."""

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, as_completed, wait
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread

from answers import Right, Wrong, prediction, row
from lessons.lesson2_thread_pools.thread_pool import Future, ThreadPool
from lessons.lesson2_thread_pools.threads import run_on_threads

# --- WRITE_MAP


def by_a_loop(pool, function, inputs):
    futures, results = [], []
    for each in inputs:
        futures.append(pool.submit(function, each))
    for future in futures:
        results.append(future.result())
    return results


def by_map(pool, function, inputs):
    futures = list(map(lambda each: pool.submit(function, each), inputs))
    return list(map(Future.result, futures))


def by_places(pool, function, inputs):
    futures = {place: pool.submit(function, each) for place, each in enumerate(inputs)}
    return [futures[place].result() for place in sorted(futures)]


def on_the_queue(pool, function, inputs):
    futures = []
    for each in inputs:
        futures.append(Future())
        pool.queue.put((futures[-1], function, (each,)))
    return [future.result() for future in futures]


def as_they_end(pool, function, inputs):
    ended, inputs = SimpleQueue(), list(inputs)

    def call(each):
        try:
            ended.put((function(each), None))
        except Exception as error:
            ended.put((None, error))

    for each in inputs:
        pool.submit(call, each)
    results = []
    for _ in inputs:
        result, error = ended.get()
        if error:
            raise error
        results.append(result)
    return results


def one_after_another(pool, function, inputs):
    return [pool.submit(function, each).result() for each in inputs]


def pairs(pool, function, inputs):
    inputs, results = list(inputs), []
    for first in range(0, len(inputs), 2):
        results += by_a_loop(pool, function, inputs[first : first + 2])
    return results


def swallowing(pool, function, inputs):
    futures = [pool.submit(function, each) for each in inputs]
    for future in futures:
        future.done.wait()
    return [future.value for future in futures]


def with_errors_as_results(pool, function, inputs):
    futures = [pool.submit(function, each) for each in inputs]
    for future in futures:
        future.done.wait()
    return [future.error or future.value for future in futures]


def only_true_ones(pool, function, inputs):
    return [result for result in by_a_loop(pool, function, inputs) if result]


def raising_on_nothing(pool, function, inputs):
    first, *rest = [pool.submit(function, each) for each in inputs]
    return [first.result(), *(future.result() for future in rest)]


def none_for_nothing(pool, function, inputs):
    return by_a_loop(pool, function, inputs) or None


def on_own_threads(pool, function, inputs):
    futures = [Future() for _ in inputs]
    for future, each in zip(futures, inputs):
        Thread(target=future.run, args=(function, each)).start()
    return [future.result() for future in futures]


def on_own_pool(pool, function, inputs):
    with ThreadPool(len(pool.workers)) as own:
        return by_a_loop(own, function, inputs)


def two_at_most(pool, function, inputs):
    with ThreadPool(2) as own:
        return by_a_loop(own, function, inputs)


def closing(pool, function, inputs):
    with pool:
        return by_a_loop(pool, function, inputs)


def first_by_the_caller(pool, function, inputs):
    inputs = list(inputs)
    futures = [pool.submit(function, each) for each in inputs[1:]]
    return [function(each) for each in inputs[:1]] + [future.result() for future in futures]


# --- REPAIR_INVOKE


def submitted(pool, branches, value):
    return {name: pool.submit(copy_context().run, branch, value) for name, branch in branches.items()}


def results_of(futures):
    return {name: future.result() for name, future in futures.items()}


def shut_down_at_last(branches, value):
    pool = ThreadPoolExecutor()
    try:
        return results_of(submitted(pool, branches, value))
    finally:
        pool.shutdown()


def a_worker_a_branch(branches, value):
    with ThreadPoolExecutor(max(1, len(branches))) as pool:
        return results_of(submitted(pool, branches, value))


def waited_for(branches, value):
    with ThreadPoolExecutor() as pool:
        futures = submitted(pool, branches, value)
        wait(futures.values(), return_when=FIRST_EXCEPTION)
        return results_of(futures)


def sorted_afterwards(branches, value):
    with ThreadPoolExecutor() as pool:
        names = {future: name for name, future in submitted(pool, branches, value).items()}
        found = {names[future]: future.result() for future in as_completed(names)}
    return {name: found[name] for name in branches}


def mapped(branches, value):
    contexts = [copy_context() for _ in branches]
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda context, branch: context.run(branch, value), contexts, branches.values())
        return dict(zip(branches, results))


def on_run_on_threads(branches, value):
    calls = {name: lambda branch=branch: branch(value) for name, branch in branches.items()}
    return dict(zip(branches, run_on_threads(calls)))


def in_order_of_completion(branches, value):
    with ThreadPoolExecutor() as pool:
        names = {future: name for name, future in submitted(pool, branches, value).items()}
        return {names[future]: future.result() for future in as_completed(names)}


def names_by_completion(branches, value):
    with ThreadPoolExecutor() as pool:
        done = as_completed(submitted(pool, branches, value).values())
        return dict(zip(branches, [future.result() for future in done]))


def two_workers(branches, value):
    with ThreadPoolExecutor(2) as pool:
        return results_of(submitted(pool, branches, value))


def three_workers(branches, value):
    with ThreadPoolExecutor(3) as pool:
        return results_of(submitted(pool, branches, value))


def in_turn(branches, value):
    return {name: copy_context().run(branch, value) for name, branch in branches.items()}


def fives(branches, value):
    names, found = list(branches), {}
    for first in range(0, len(names), 5):
        with ThreadPoolExecutor() as pool:
            group = {name: branches[name] for name in names[first : first + 5]}
            found |= results_of(submitted(pool, group, value))
    return found


def without_context(branches, value):
    with ThreadPoolExecutor() as pool:
        return results_of({name: pool.submit(branch, value) for name, branch in branches.items()})


def copied_too_late(branches, value):
    with ThreadPoolExecutor() as pool:
        return results_of(
            {
                name: pool.submit(lambda branch=branch: copy_context().run(branch, value))
                for name, branch in branches.items()
            }
        )


def one_copy(branches, value):
    context = copy_context()
    with ThreadPoolExecutor() as pool:
        return results_of(
            {name: pool.submit(context.run, branch, value) for name, branch in branches.items()}
        )


def once_a_worker(branches, value):
    seen = copy_context()

    def begin():
        for variable, of_caller in seen.items():
            variable.set(of_caller)

    with ThreadPoolExecutor(initializer=begin) as pool:
        return results_of({name: pool.submit(branch, value) for name, branch in branches.items()})


def a_single_one_by_the_caller(branches, value):
    if len(branches) == 1:
        return {name: branch(value) for name, branch in branches.items()}
    return shut_down_at_last(branches, value)


def without_failed_ones(branches, value):
    with ThreadPoolExecutor() as pool:
        futures = submitted(pool, branches, value)
    return {name: future.result() for name, future in futures.items() if not future.exception()}


def never_shut_down(branches, value):
    return results_of(submitted(ThreadPoolExecutor(), branches, value))


def shut_down_on_success(branches, value):
    pool = ThreadPoolExecutor()
    results = results_of(submitted(pool, branches, value))
    pool.shutdown()
    return results


def shut_down_without_waiting(branches, value):
    pool = ThreadPoolExecutor()
    try:
        return results_of(submitted(pool, branches, value))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def without_false_ones(branches, value):
    return {name: result for name, result in shut_down_at_last(branches, value).items() if result}


def no_worker_without_a_branch(branches, value):
    with ThreadPoolExecutor(len(branches)) as pool:
        return results_of(submitted(pool, branches, value))


FROM_OUTSIDE = (
    "nobody can stop a thread from outside, and Ctrl-C reaches only the main thread, where no check runs"
)
SOON = 0.05  # seconds of patience for answers that never end

ANSWERS = {
    "WHO_TAKES_WHAT": prediction("AE", "ae", "a, e", "a\ne", ["a", "e"]),
    "FIND_THE_RACE": prediction("count", " Count ", "count()", ["count"]),
    "WRITE_MAP": row(
        {
            "other right shapes": [Right(by_a_loop), Right(by_map), Right(by_places), Right(on_the_queue)],
            "order": [Wrong(as_they_end, "the first ends last")],
            "failure": [Wrong(swallowing, "a call that fails"), Wrong(with_errors_as_results, "that fails")],
            "empty input": [
                Wrong(raising_on_nothing, "no inputs at all"),
                Wrong(none_for_nothing, "no inputs at all"),
            ],
            "falsy results": [Wrong(only_true_ones, "count as false")],
            "one straggler": [
                Wrong(pairs, "the first ends last", SOON),
                Wrong(one_after_another, "the first ends last", SOON),
            ],
            "the limit at three values": [Wrong(two_at_most, "pools of 1, 2 and 3", SOON)],
            "the resource really used": [
                Wrong(on_own_threads, "the pool's workers make"),
                Wrong(on_own_pool, "the pool's workers make"),
                Wrong(first_by_the_caller, "the pool's workers make"),
            ],
            "clean-up": [Wrong(closing, "same pool after a failed map")],
        },
        cancellation_from_outside=FROM_OUTSIDE,
    ),
    "REPAIR_INVOKE": row(
        {
            "other right shapes": [
                Right(shut_down_at_last),
                Right(a_worker_a_branch),
                Right(waited_for),
                Right(sorted_afterwards),
                Right(mapped),
                Right(on_run_on_threads),
            ],
            "order": [
                Wrong(in_order_of_completion, "the first ends last"),
                Wrong(names_by_completion, "the first ends last"),
            ],
            "failure": [Wrong(without_failed_ones, "the error of a branch")],
            "empty input": [Wrong(no_worker_without_a_branch, "no branches at all")],
            "falsy results": [Wrong(without_false_ones, "count as false")],
            "one straggler": [Wrong(fives, "the first ends last", SOON)],
            "the limit at three values": [
                Wrong(two_workers, "2, 3 and 5 branches", SOON),
                Wrong(three_workers, "2, 3 and 5 branches", SOON),
                Wrong(in_turn, "2, 3 and 5 branches", SOON),
            ],
            "the resource really used": [
                Wrong(a_single_one_by_the_caller, "a single branch"),
                Wrong(without_context, "40 branches"),
                Wrong(copied_too_late, "40 branches"),
                Wrong(once_a_worker, "40 branches"),
                Wrong(one_copy, "2, 3 and 5 branches", SOON),
            ],
            "clean-up": [
                Wrong(never_shut_down, "threads left after an error"),
                Wrong(shut_down_on_success, "threads left after an error"),
                Wrong(shut_down_without_waiting, "threads left after an error"),
            ],
        },
        cancellation_from_outside=FROM_OUTSIDE,
    ),
}
