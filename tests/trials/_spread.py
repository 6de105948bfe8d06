"""Many independent cases over a few processes, each with a limit of time that nothing can outwait."""

import json
import mmap
import os
import signal
import traceback
from collections import Counter

JOBS = os.cpu_count() or 1


def spread(check, cases, *, jobs=JOBS, seconds=60):
    """How often ``check(case)`` returned which word, over all cases.

    Each process is forked and takes every ``jobs``-th case. A case that raises, kills its process or takes longer than
    ``seconds`` is an AssertionError that names it; the others stop soon after.
    """
    cases = list(cases)
    shared = mmap.mmap(-1, 8 * jobs + 1)  # where each process is; at the end, whether one failed
    workers = [_Worker(check, cases, number, jobs, seconds, shared) for number in range(jobs)]
    said = [worker.said() for worker in workers]
    failures = [failure for _, failure in said if failure]
    assert not failures, failures[0]
    return sum((Counter(words) for words, _ in said), Counter())


class _Worker:
    def __init__(self, check, cases, number, jobs, seconds, shared):
        self._cases, self._number, self._jobs, self._seconds, self._shared = cases, number, jobs, seconds, shared
        self._pipe, ours = os.pipe()
        self.id = os.fork()
        if self.id == 0:
            os.close(self._pipe)
            os.write(ours, json.dumps(self._work(check)).encode())
            os._exit(0)
        os.close(ours)

    def _work(self, check):
        words = Counter()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the end, also inside a library that does not return
        for index in range(self._number, len(self._cases), self._jobs):
            if self._shared[-1]:
                break
            self._shared[8 * self._number : 8 * self._number + 8] = index.to_bytes(8)
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
            try:
                words[check(self._cases[index])] += 1
            except Exception as error:
                self._shared[-1] = 1
                if not isinstance(error, AssertionError):
                    traceback.print_exc()
                return words, f"{_name(self._cases[index])}: {error or type(error).__name__}"
        return words, ""

    def said(self):
        """(how often which word, the failure or nothing)."""
        with os.fdopen(self._pipe, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(self.id, 0)
        if status == 0:
            return json.loads(said)
        self._shared[-1] = 1
        case = self._cases[int.from_bytes(self._shared[8 * self._number : 8 * self._number + 8])]
        code = os.waitstatus_to_exitcode(status)
        late = code == -signal.SIGALRM
        return {}, f"{_name(case)}: " + (f"took over {self._seconds} s" if late else f"ended its process with {code}")


def _name(case):
    return " ".join(map(str, case)) if isinstance(case, tuple) else str(case)
