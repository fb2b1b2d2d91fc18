"""Right and wrong answers to the exercises of lesson 2."""

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, as_completed, wait
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Semaphore, Thread, get_ident

from answers import Right, Wrong, prediction, row
from lessons.lesson2_thread_pools.thread_pool import Future, ThreadPool
from lessons.lesson2_thread_pools.threads import run_on_threads

# --- FUTURE_RUN


def in_an_else(self, function, *args):
    try:
        value = function(*args)
    except BaseException as error:
        self.error = error
    else:
        self.value = value
    self.done.set()


def in_a_finally(self, function, *args):
    try:
        self.value = function(*args)
    except BaseException as error:
        self.error = error
    finally:
        self.done.set()


def letting_errors_out(self, function, *args):
    self.value = function(*args)
    self.done.set()


def done_on_success_only(self, function, *args):
    try:
        self.value = function(*args)
        self.done.set()
    except BaseException as error:
        self.error = error


def only_exceptions(self, function, *args):
    try:
        self.value = function(*args)
    except Exception as error:
        self.error = error
    self.done.set()


def errors_as_values(self, function, *args):
    try:
        self.value = function(*args)
    except BaseException as error:
        self.value = error
    self.done.set()


def done_too_early(self, function, *args):
    self.done.set()
    in_an_else(self, function, *args)


def with_a_tuple(self, function, *args):
    in_an_else(self, function, args)


def with_two_at_least(self, function, first, second, *rest):
    in_an_else(self, function, first, second, *rest)


def dropping_false_values(self, function, *args):
    in_an_else(self, lambda: function(*args) or "nothing")


def called_twice(self, function, *args):
    in_an_else(self, lambda: (function(*args), function(*args))[1])


def on_one_more_thread(self, function, *args):
    thread = Thread(target=in_an_else, args=(self, function, *args))
    thread.start()
    thread.join()


# --- WORK


def in_a_loop(self):
    while True:
        item = self.queue.get()
        if item is None:
            return
        future, function, args = item
        future.run(function, *args)


def by_iter(self):
    for future, function, args in iter(self.queue.get, None):
        future.run(function, *args)


def by_recursion(self):
    if (item := self.queue.get()) is not None:
        item[0].run(item[1], *item[2])
        by_recursion(self)


def one_item_only(self):
    if (item := self.queue.get()) is not None:
        item[0].run(item[1], *item[2])


def without_an_end(self):
    while True:
        if (item := self.queue.get()) is not None:
            item[0].run(item[1], *item[2])


def last_first(self):
    items = list(iter(self.queue.get, None))
    for future, function, args in reversed(items):
        future.run(function, *args)


def taking_all_signs(self):
    in_a_loop(self)
    while not self.queue.empty():
        self.queue.get()


def calling_it_itself(self):
    while (item := self.queue.get()) is not None:
        future, function, args = item
        future.value = function(*args)
        future.done.set()


def ending_at_a_failure(self):
    while (item := self.queue.get()) is not None:
        item[0].run(item[1], *item[2])
        if item[0].error:
            return


def while_there_is_something(self):
    while not self.queue.empty():
        if (item := self.queue.get()) is None:
            return
        item[0].run(item[1], *item[2])


def without_waiting(self):
    try:
        while (item := self.queue.get_nowait()) is not None:
            item[0].run(item[1], *item[2])
    except Empty:
        pass


def on_new_threads(self):
    while (item := self.queue.get()) is not None:
        Thread(target=item[0].run, args=(item[1], *item[2])).start()


ONE, TWO = Lock(), Semaphore(2)


def one_at_a_time(self):
    while (item := self.queue.get()) is not None:
        with ONE:
            item[0].run(item[1], *item[2])


def two_at_a_time(self):
    while (item := self.queue.get()) is not None:
        with TWO:
            item[0].run(item[1], *item[2])


def ending_at_a_false_result(self):
    in_turn = iter(self.queue.get, None)
    for future, function, args in in_turn:
        future.run(function, *args)
        if future.value is None and future.error is None:
            return


# --- RUN_ON_THREADS


def run_by_map(calls, max_workers=None):
    with ThreadPoolExecutor(max_workers) as pool:
        return list(pool.map(lambda call: call(), calls.values()))


def run_and_shut_down(calls, max_workers=None):
    pool = ThreadPoolExecutor(max_workers)
    try:
        futures = {name: pool.submit(call) for name, call in calls.items()}
        return [futures[name].result() for name in calls]
    finally:
        pool.shutdown()


def run_as_they_end(calls, max_workers=None):
    with ThreadPoolExecutor(max_workers) as pool:
        return [future.result() for future in as_completed([pool.submit(call) for call in calls.values()])]


def run_in_turn(calls, max_workers=None):
    with ThreadPoolExecutor(max_workers) as pool:
        return [pool.submit(call).result() for call in calls.values()]


def run_in_pairs(calls, max_workers=None):
    every, results = list(calls.items()), []
    for first in range(0, len(every), 2):
        results += run_by_map(dict(every[first : first + 2]), max_workers)
    return results


def run_on_four(calls, max_workers=None):
    return run_by_map(calls, min(4, max_workers or 4))


def run_without_limit(calls, max_workers=None):
    return run_by_map(calls)


def run_one_by_the_caller(calls, max_workers=None):
    if len(calls) == 1:
        return [call() for call in calls.values()]
    return run_by_map(calls, max_workers)


def run_without_failed_ones(calls, max_workers=None):
    with ThreadPoolExecutor(max_workers) as pool:
        futures = [pool.submit(call) for call in calls.values()]
    return [future.result() for future in futures if not future.exception()]


def run_with_errors_as_results(calls, max_workers=None):
    with ThreadPoolExecutor(max_workers) as pool:
        futures = [pool.submit(call) for call in calls.values()]
    return [future.exception() or future.result() for future in futures]


def run_and_leave(calls, max_workers=None):
    pool = ThreadPoolExecutor(max_workers)
    futures = [pool.submit(call) for call in calls.values()]
    return [future.result() for future in futures]


def run_without_waiting(calls, max_workers=None):
    pool = ThreadPoolExecutor(max_workers)
    try:
        return [future.result() for future in [pool.submit(call) for call in calls.values()]]
    finally:
        pool.shutdown(wait=False)


def run_only_true_ones(calls, max_workers=None):
    return [result for result in run_by_map(calls, max_workers) if result]


def run_one_each(calls, max_workers=None):
    return run_by_map(calls, max_workers or len(calls))


# --- RESULT_WITHIN


def within_by_is_set(future, seconds):
    future.done.wait(seconds)
    if future.done.is_set():
        return future.result()
    raise TimeoutError


def within_by_hand(future, seconds):
    if not future.done.wait(seconds):
        raise TimeoutError(seconds)
    if future.error is not None:
        raise future.error
    return future.value


def within_without_errors(future, seconds):
    if not future.done.wait(seconds):
        raise TimeoutError
    return future.value


def within_all_as_timeouts(future, seconds):
    if not future.done.wait(seconds) or future.error:
        raise TimeoutError
    return future.value


def within_the_event(future, seconds):
    return future.done.wait(seconds)


def within_only_looking(future, seconds):
    if not future.done.is_set():
        raise TimeoutError
    return future.result()


def within_no_limit(future, seconds):
    return future.result()


def within_but_not_zero(future, seconds):
    return within_by_is_set(future, seconds or None)


def within_and_over(future, seconds):
    if not future.done.wait(seconds):
        future.error = TimeoutError()
        raise future.error
    return future.result()


def within_on_a_thread(future, seconds):
    waiter = Thread(target=future.done.wait, daemon=True)
    waiter.start()
    waiter.join(seconds)
    return within_only_looking(future, seconds)


def within_by_truth(future, seconds):
    future.done.wait(seconds)
    if future.error:
        raise future.error
    if not future.value:
        raise TimeoutError
    return future.value


# --- IN_CONTEXT


def wrapped_in_a_loop(calls):
    wrapped = {}
    for name, call in calls.items():
        context = copy_context()
        wrapped[name] = lambda context=context, call=call: context.run(call)
    return wrapped


def wrapped_by_a_function(calls):
    def wrap(call):
        context = copy_context()

        def run():
            return context.run(call)

        return run

    return dict(zip(calls, map(wrap, calls.values())))


def wrapped_too_late(calls):
    return {name: lambda call=call: copy_context().run(call) for name, call in calls.items()}


def wrapped_in_one(calls):
    context = copy_context()
    return {name: partial(context.run, call) for name, call in calls.items()}


def wrapped_the_last(calls):
    wrapped = {}
    for name, call in calls.items():
        context = copy_context()
        wrapped[name] = lambda: context.run(call)  # noqa: B023
    return wrapped


def wrapped_and_sorted(calls):
    return {name: partial(copy_context().run, calls[name]) for name in sorted(calls)}


def called_at_once(calls):
    results = {name: copy_context().run(call) for name, call in calls.items()}
    return {name: lambda result=result: result for name, result in results.items()}


ONE_IN_CONTEXT = Lock()


def one_context_and_a_lock(calls):
    context = copy_context()

    def wrap(call):
        with ONE_IN_CONTEXT:
            return context.run(call)

    return {name: partial(wrap, call) for name, call in calls.items()}


def wrapped_in_turns(calls):
    """One context for calls on one thread, and others for calls on others."""
    contexts = {}

    def wrap(call, outer):
        context = contexts.setdefault(get_ident(), outer)
        return context.run(call)

    return {name: partial(wrap, call, copy_context()) for name, call in calls.items()}


def not_wrapped(calls):
    return dict(calls)


def without_a_context_for_errors(calls):
    def wrap(context, call):
        try:
            return context.run(call)
        except Exception:
            return None

    return {name: partial(wrap, copy_context(), call) for name, call in calls.items()}


def wrapped_only_true_ones(calls):
    return {name: lambda call=call: call() or "nothing" for name, call in wrapped_in_a_loop(calls).items()}


def wrapped_or_none(calls):
    return wrapped_in_a_loop(calls) or None


# --- RUN_ALL


def caught(call):
    try:
        return call()
    except Exception as error:
        return error


def all_by_futures(calls, max_workers=None):
    with ThreadPoolExecutor(max_workers) as pool:
        futures = [pool.submit(copy_context().run, call) for call in calls.values()]
    return [future.result() if future.exception() is None else future.exception() for future in futures]


def all_by_asking(calls, max_workers=None):
    with ThreadPoolExecutor(max_workers) as pool:
        futures = {name: pool.submit(call) for name, call in wrapped_in_a_loop(calls).items()}
        return [caught(futures[name].result) for name in calls]


def wrap_all(run, calls, max_workers=None):
    return run({name: partial(caught, call) for name, call in calls.items()}, max_workers)


def all_as_they_end(calls, max_workers=None):
    return wrap_all(run_as_they_end, wrapped_in_a_loop(calls), max_workers)


def all_raising(calls, max_workers=None):
    return run_on_threads(calls, max_workers)


def all_by_truth(calls, max_workers=None):
    with ThreadPoolExecutor(max_workers) as pool:
        futures = [pool.submit(call) for call in wrapped_in_a_loop(calls).values()]
    return [future.exception() or future.result() for future in futures]


def all_that_succeed(calls, max_workers=None):
    return [each for each in wrap_all(run_on_threads, calls, max_workers) if not isinstance(each, Exception)]


def all_in_turn(calls, max_workers=None):
    return wrap_all(run_in_turn, wrapped_in_a_loop(calls), max_workers)


def all_in_pairs(calls, max_workers=None):
    return wrap_all(run_in_pairs, wrapped_in_a_loop(calls), max_workers)


def all_on_four(calls, max_workers=None):
    return wrap_all(run_on_four, wrapped_in_a_loop(calls), max_workers)


def all_without_limit(calls, max_workers=None):
    return wrap_all(run_on_threads, calls)


def all_without_context(calls, max_workers=None):
    return wrap_all(run_by_map, calls, max_workers)


def all_and_leave(calls, max_workers=None):
    return wrap_all(run_and_leave, wrapped_in_a_loop(calls), max_workers)


def all_true_ones(calls, max_workers=None):
    return [each for each in all_by_futures(calls, max_workers) if each or isinstance(each, Exception)]


def all_one_each(calls, max_workers=None):
    return wrap_all(run_one_each, wrapped_in_a_loop(calls), max_workers)


# --- ADD


def add_by_comparing(self, change):
    with self.lock:
        self.now += change
        if self.now > self.peak:
            self.peak = self.now


def add_by_hand(self, change):
    self.lock.acquire()
    try:
        self.now = self.now + change
        self.peak = max(self.now, self.peak)
    finally:
        self.lock.release()


def add_peak_first(self, change):
    with self.lock:
        self.peak = max(self.peak, self.now)
        self.now += change


def add_peak_as_now(self, change):
    with self.lock:
        self.now += change
        self.peak = self.now


def add_without_lock(self, change):
    self.now += change
    self.peak = max(self.peak, self.now)


def add_with_peak_outside(self, change):
    with self.lock:
        self.now += change
    self.peak = max(self.peak, self.now)


def add_in_two(self, change):
    with self.lock:
        self.now += change
    with self.lock:
        self.peak = max(self.peak, self.now)


def add_and_keep(self, change):
    if not self.lock.locked():
        self.lock.acquire()
    self.now += change
    self.peak = max(self.peak, self.now)


def add_without_finally(self, change):
    self.lock.acquire()
    self.now += change
    self.peak = max(self.peak, self.now)
    self.lock.release()


def add_one(self, change):
    with self.lock:
        self.now += 1 if change > 0 else -1
        self.peak = max(self.peak, self.now)


def add_one_for_nothing(self, change):
    add_by_comparing(self, change or 1)


# --- CANCEL_QUEUED


def cancel_unless(ended, futures):
    if ended.cancelled() or ended.exception() is None:
        return
    for future in futures:
        future.cancel()


def cancel_by_list(ended, futures):
    failed = not ended.cancelled() and ended.exception() is not None
    [future.cancel() for future in futures if failed]


def cancel_others(ended, futures):
    if not ended.cancelled() and ended.exception() is not None:
        for future in futures:
            if future is not ended:
                future.cancel()


def cancel_nothing(ended, futures):
    pass


def cancel_always(ended, futures):
    for future in futures:
        future.cancel()


def cancel_while_it_works(ended, futures):
    if not ended.cancelled() and ended.exception() is not None:
        for future in futures[1:]:
            if not future.cancel():
                return


def cancel_without_asking(ended, futures):
    if ended.exception() is not None:
        cancel_always(ended, futures)


def cancel_by_result(ended, futures):
    if not ended.cancelled():
        try:
            ended.result()
        except Exception:
            cancel_always(ended, futures)


def cancel_by_truth(ended, futures):
    if not ended.cancelled() and ended.exception():
        cancel_always(ended, futures)


def cancel_and_wait(ended, futures):
    cancel_unless(ended, futures)
    for future in futures:
        if not future.cancelled():
            future.exception()


def cancel_first_four(ended, futures):
    cancel_unless(ended, futures[:5])


def cancel_on_a_thread(ended, futures):
    if not ended.cancelled() and ended.exception() is not None:
        queued = [future for future in futures if not future.done() and not future.running()]
        if len(queued) < 5:
            cancel_always(ended, futures)
        else:
            Thread(target=lambda: (wait(futures), cancel_always(ended, futures))).start()


def cancel_and_count(ended, futures):
    cancel_unless(ended, futures)
    return len(futures)


def cancel_from_the_first(ended, futures):
    if not ended.cancelled() and ended.exception() is not None:
        first, *rest = futures
        for future in (first, *rest):
            future.cancel()


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

NO_LIMIT = "it has no limit"
ANSWERS = {
    "FUTURE_RUN": row(
        {
            "other right shapes": [Right(in_an_else), Right(in_a_finally)],
            "order": [Wrong(done_too_early, "at the moment when done is set")],
            "failure": [
                Wrong(letting_errors_out, "after a call that fails"),
                Wrong(errors_as_values, "after a call that fails"),
                Wrong(only_exceptions, "SystemExit"),
            ],
            "empty input": [
                Wrong(with_a_tuple, "run(divmod, 7, 2)"),
                Wrong(with_two_at_least, "without arguments"),
            ],
            "falsy results": [Wrong(dropping_false_values, "count as false")],
            "the resource really used": [
                Wrong(called_twice, "how often the call is made"),
                Wrong(on_one_more_thread, "how often the call is made"),
            ],
            "clean-up": [Wrong(done_on_success_only, "after a call that fails")],
        },
        cancellation_from_outside=FROM_OUTSIDE,
        one_straggler="it makes one call",
        the_limit_at_three_values=NO_LIMIT,
    ),
    "WORK": row(
        {
            "other right shapes": [Right(in_a_loop), Right(by_iter), Right(by_recursion)],
            "order": [Wrong(last_first, "the order in which")],
            "failure": [
                Wrong(calling_it_itself, "a call that fails"),
                Wrong(ending_at_a_failure, "a call that fails"),
            ],
            "empty input": [
                Wrong(while_there_is_something, "the queue has been empty"),
                Wrong(without_waiting, "the queue has been empty"),
            ],
            "falsy results": [Wrong(ending_at_a_false_result, "None, 0 and an empty text")],
            "one straggler": [Wrong(one_at_a_time, "ends last", SOON)],
            "the limit at three values": [Wrong(two_at_a_time, "pools of 1, 2 and 3", SOON)],
            "the resource really used": [Wrong(on_new_threads, "on the pool's workers")],
            "clean-up": [
                Wrong(one_item_only, "three calls and a stop sign", SOON),
                Wrong(without_an_end, "three calls and a stop sign", SOON),
                Wrong(taking_all_signs, "two stop signs"),
            ],
        },
        cancellation_from_outside=FROM_OUTSIDE,
    ),
    "RUN_ON_THREADS": row(
        {
            "other right shapes": [Right(run_by_map), Right(run_and_shut_down), Right(run_on_threads)],
            "order": [Wrong(run_as_they_end, "the first ends last")],
            "failure": [
                Wrong(run_without_failed_ones, "what a call raises"),
                Wrong(run_with_errors_as_results, "what a call raises"),
            ],
            "empty input": [Wrong(run_one_each, "no calls at all")],
            "falsy results": [Wrong(run_only_true_ones, "count as false")],
            "one straggler": [
                Wrong(run_in_turn, "the first ends last", SOON),
                Wrong(run_in_pairs, "the first ends last", SOON),
            ],
            "the limit at three values": [
                Wrong(run_on_four, "2, 3 and 5", SOON),
                Wrong(run_without_limit, "whether more than"),
            ],
            "the resource really used": [Wrong(run_one_by_the_caller, "the caller's thread")],
            "clean-up": [
                Wrong(run_and_leave, "threads left after an error"),
                Wrong(run_without_waiting, "threads left after an error"),
            ],
        },
        cancellation_from_outside=FROM_OUTSIDE,
    ),
    "HOW_MANY_WAVES": prediction([3, 2, 1, 11], "3, 2, 1, 11", "3 2 1 11"),
    "RESULT_WITHIN": row(
        {
            "other right shapes": [Right(within_by_is_set), Right(within_by_hand)],
            "failure": [
                Wrong(within_without_errors, "has failed"),
                Wrong(within_all_as_timeouts, "has failed"),
            ],
            "falsy results": [Wrong(within_by_truth, "count as false")],
            "one straggler": [Wrong(within_only_looking, "over while you wait")],
            "the limit at three values": [
                Wrong(within_no_limit, "0, 0.01 and 0.05", SOON),
                Wrong(within_but_not_zero, "0, 0.01 and 0.05", SOON),
            ],
            "the resource really used": [
                Wrong(within_the_event, "a call that is over"),
                Wrong(within_on_a_thread, "threads that there are more"),
            ],
            "clean-up": [Wrong(within_and_over, "over at last")],
        },
        order="there is one call",
        cancellation_from_outside=FROM_OUTSIDE,
        empty_input="there is always a call",
    ),
    "IN_CONTEXT": row(
        {
            "other right shapes": [Right(wrapped_in_a_loop), Right(wrapped_by_a_function)],
            "order": [
                Wrong(wrapped_the_last, "the names and the results"),
                Wrong(wrapped_and_sorted, "the names and the results"),
            ],
            "failure": [Wrong(without_a_context_for_errors, "what a call raises")],
            "empty input": [Wrong(wrapped_or_none, "no calls at all")],
            "falsy results": [Wrong(wrapped_only_true_ones, "count as false")],
            "one straggler": [
                Wrong(wrapped_in_one, "at the same time"),
                Wrong(one_context_and_a_lock, "at the same time", SOON),
            ],
            "the resource really used": [
                Wrong(called_at_once, "how many calls"),
                Wrong(wrapped_too_late, "what two calls on threads"),
                Wrong(not_wrapped, "what two calls on threads"),
            ],
            "clean-up": [Wrong(wrapped_in_turns, "that set the variable")],
        },
        cancellation_from_outside=FROM_OUTSIDE,
        the_limit_at_three_values=NO_LIMIT,
    ),
    "ADD": row(
        {
            "other right shapes": [Right(add_by_comparing), Right(add_by_hand)],
            "order": [Wrong(add_peak_first, "two came in")],
            "failure": [Wrong(add_without_finally, "a change that is a text")],
            "falsy results": [
                Wrong(add_one_for_nothing, "changes of 0"),
                Wrong(add_one, "changes of 0"),
                Wrong(add_peak_as_now, "two left"),
            ],
            "the resource really used": [
                Wrong(add_without_lock, "the lock is held at each"),
                Wrong(add_with_peak_outside, "the lock is held at each"),
                Wrong(add_in_two, "the lock is held at each"),
            ],
            "clean-up": [Wrong(add_and_keep, "still held after a change")],
        },
        cancellation_from_outside=FROM_OUTSIDE,
        empty_input="there is always a change",
        one_straggler="nobody waits in it for anything but the lock",
        the_limit_at_three_values=NO_LIMIT,
    ),
    "CANCEL_QUEUED": row(
        {
            "other right shapes": [Right(cancel_unless), Right(cancel_by_list), Right(cancel_others)],
            "order": [Wrong(cancel_while_it_works, "one that is over, one that runs")],
            "failure": [
                Wrong(cancel_nothing, "one that is over, one that runs"),
                Wrong(cancel_always, "no failure"),
                Wrong(cancel_by_result, "SystemExit"),
            ],
            "cancellation from outside": [Wrong(cancel_without_asking, "was itself cancelled")],
            "empty input": [Wrong(cancel_from_the_first, "no futures")],
            "falsy results": [Wrong(cancel_by_truth, "counts as false")],
            "one straggler": [Wrong(cancel_and_wait, "one that runs", SOON)],
            "the limit at three values": [Wrong(cancel_first_four, "pools of 1, 2 and 3")],
            "the resource really used": [Wrong(cancel_on_a_thread, "pools of 1, 2 and 3")],
            "clean-up": [Wrong(cancel_and_count, "no futures")],
        },
    ),
    "RUN_ALL": row(
        {
            "other right shapes": [Right(all_by_futures), Right(all_by_asking), Right(all_by_truth)],
            "order": [Wrong(all_as_they_end, "the first ends last")],
            "failure": [
                Wrong(all_raising, "two calls that fail"),
                Wrong(all_that_succeed, "two calls that fail"),
            ],
            "empty input": [Wrong(all_one_each, "no calls at all")],
            "falsy results": [Wrong(all_true_ones, "count as false")],
            "one straggler": [
                Wrong(all_in_turn, "the first ends last", SOON),
                Wrong(all_in_pairs, "the first ends last", SOON),
            ],
            "the limit at three values": [
                Wrong(all_on_four, "2, 3 and 5", SOON),
                Wrong(all_without_limit, "whether more than"),
            ],
            "the resource really used": [Wrong(all_without_context, "set a context variable")],
            "clean-up": [Wrong(all_and_leave, "threads that are left")],
        },
        cancellation_from_outside=FROM_OUTSIDE,
    ),
    "WHICH_OVERLAP": prediction("ACE", "ace", "a, c, e", ["a", "c", "e"]),
    "WHICH_BEGIN": prediction("ABC", "abc", "a b c", ["a", "b", "c"]),
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
