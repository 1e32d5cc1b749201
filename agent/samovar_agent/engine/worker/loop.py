"""The worker's step loop: look at the commands, compute one step for all who run, say what came of it.

    Loop(context, cache, inbox, send, keeper).run()

What a step contains is decided in `scheduler`, what stays in memory in `prefix_cache`; here is the order of events.
A reply is a `Branch`. It waits in the queue with its job, or suspended, and runs while it has a sequence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from samovar_agent.engine.wire import Answer, Began, CacheChanged, Cancel, Command, Failed, Unload
from samovar_agent.engine.worker import costs
from samovar_agent.engine.worker.context import STEP_TOKENS, Context, NoRoomError, Part
from samovar_agent.engine.worker.inbox import Inbox, as_failure
from samovar_agent.engine.worker.job import Branch, Job
from samovar_agent.engine.worker.prefix_cache import CacheCounts, PrefixCache
from samovar_agent.engine.worker.pulse import Pulse
from samovar_agent.engine.worker.queue import FairQueue
from samovar_agent.engine.worker.scheduler import (
    WORTH_KEEPING,
    Leader,
    Share,
    Work,
    crowded,
    leader,
    plan,
    to_give_way,
)

_IDLE_SECONDS = 15.0
"""After so long without work, what is in memory is saved."""
_WRITING_SECONDS = 2.0
"""After so long most of that is written, and what was is told."""
_UNLOAD_SECONDS = 2.5
"""So long may saving take when the model is unloaded."""
_PATIENCE_SECONDS = 0.25
"""So long may measuring delay the first request after a load that comes while it is on."""
_RESERVE_TOKENS = 16
"""Room that each running reply is left to grow, before another request may begin."""


class Saver(Protocol):
    """Keeps prefixes elsewhere; see `keeper.Keeper`."""

    def park(self) -> None:
        """Empty the model's memory of what nobody uses."""

    def bring(self, tokens: Sequence[int], known: int) -> bool:
        """Restore the one that fits best; whether there was one."""

    def save(self) -> None:
        """Begin to write what is not on disk."""

    def save_now(self, seconds: float) -> None:
        """Write what is not on disk."""


class Loop:
    """Runs requests until a command says `Unload`.

    - cache: of `context`. - keeper: None where nothing is kept elsewhere.
    """

    def __init__(
        self,
        context: Context,
        cache: PrefixCache,
        inbox: Inbox[Job],
        send: Callable[[Answer], None],
        keeper: Saver | None = None,
    ) -> None:
        self._context, self._cache, self._inbox, self._send, self._keeper = context, cache, inbox, send, keeper
        # Some sequences are left to what is remembered; the others may run at once.
        self._places = max(1, context.sequences // 2)
        self._queue: FairQueue[Branch] = FairQueue()
        self._following: list[tuple[Branch, Leader]] = []
        self._suspended: list[Branch] = []
        self._running: dict[int, Branch] = {}
        self._costs = costs.Measurement(context)
        self._patient_until: float | None = None
        self._may_guess = True
        self._saved = True
        self._told = CacheCounts()
        self._pulse = Pulse(send)
        self._answers: list[Answer] = []

    def run(self) -> None:
        """Until a command says `Unload`."""
        while self._obey():
            self._admit()
            if self._running:
                self._step()
            else:
                self._say()
            self._pulse.beat()
        for branch in [*self._queue.clear(), *self._begun()]:
            self._drop(branch)
        self._say()
        if self._keeper is not None:
            self._keeper.save_now(_UNLOAD_SECONDS)
            self._tell_cache()
            self._say()

    # Commands

    def _obey(self) -> bool:
        """Do what all waiting commands say; waits for one where there is nothing to compute. False to end."""
        item = self._inbox.get() if self._begun() or len(self._queue) else self._idle()
        while item is not None:
            match item:
                case Job():
                    self._enqueue(item)
                case Cancel(id_):
                    self._cancel(id_)
                case Unload():
                    return False
                case _:
                    raise RuntimeError(f"{type(item).__name__} does not come this way")
            item = self._inbox.get()
        return True

    def _idle(self) -> Command | Job | None:
        """The next command, using the time until it comes."""
        self._say()
        item = self._inbox.get()
        if item is None and not self._costs.finished and self._context.can_rewind and self._inbox.empty:
            self._measure()
            item = self._inbox.get()
        if item is None and self._keeper is not None and not self._saved:
            item = self._inbox.get(timeout=_IDLE_SECONDS)
            if item is None:
                self._keeper.save()
                self._saved = True
                item = self._inbox.get(timeout=_WRITING_SECONDS)
                self._tell_cache()
                self._say()
        return item if item is not None else self._inbox.get(timeout=None)

    def _measure(self) -> None:
        """Learn what steps cost while nobody waits; from the load on, and on after each request that comes."""
        begun = self._cache.begin(()) if self._cache.free >= costs.TOKENS else None
        if begun is None:
            return
        sequence, _ = begun
        if self._patient_until is None:
            self._patient_until = time.monotonic() + _PATIENCE_SECONDS
        patient_until = self._patient_until

        def may_compute(seconds: float) -> bool:
            patient = time.monotonic() + seconds < patient_until
            self._inbox.computing(() if patient else None)
            return patient or self._inbox.empty

        try:
            self._costs.go_on(sequence, may_compute)
        except NoRoomError:
            pass
        finally:
            self._inbox.computing(())
            self._cache.end(sequence, keep=False)

    def _enqueue(self, job: Job) -> None:
        for branch in job.branches:
            self._queue.put(job.generation.client, branch, background=job.background)

    def _cancel(self, id_: int) -> None:
        for branch in self._begun():
            if branch.job.id == id_:
                self._drop(branch)
        for branch in self._queue.remove(lambda branch: branch.job.id == id_):
            self._drop(branch)

    # Who runs

    def _begun(self) -> list[Branch]:
        """Who has left the queue."""
        return [*self._running.values(), *(branch for branch, _ in self._following), *self._suspended]

    def _admit(self) -> None:
        """Let begin who may; whoever followed one that is far enough, or gone, is next in the queue."""
        for entry in reversed(self._following):
            branch, followed = entry
            ahead = self._running.get(followed.key)
            if ahead is None or ahead.computed >= followed.until:
                self._following = [other for other in self._following if other is not entry]
                self._put_back(branch)
        while len(self._running) + len(self._following) < self._places:
            placed = [*self._running.values(), *(branch for branch, _ in self._following)]
            crowd = crowded([(one.job.generation.client, one.job.background) for one in placed], self._places)
            next_one = self._queue.take(without=crowd.clients, background=not crowd.background)
            if next_one is None:
                return
            ahead_of_it = self._leader(next_one)
            if ahead_of_it is not None:
                self._following.append((next_one, ahead_of_it))
            elif not self._begin(next_one):
                self._put_back(next_one)
                return

    def _leader(self, branch: Branch) -> Leader | None:
        if branch.unscored is not None:
            return None  # it has to compute all by itself
        reading = ((one.key, one.tokens, one.computed) for one in self._running.values() if one.pending > 1)
        return leader(branch.tokens, self._cache.known(branch.tokens), reading)

    def _put_back(self, branch: Branch) -> None:
        self._queue.put_back(branch.job.generation.client, branch, background=branch.job.background)

    def _begin(self, branch: Branch) -> bool:
        """Give a branch its place; False where memory is short of room for what it has to compute."""
        job = branch.job
        wanted = len(branch.tokens) + sum(one.pending + _RESERVE_TOKENS for one in self._running.values())
        if self._running and wanted - self._cache.shared(branch.tokens) > self._cache.room:
            return False
        if job.exact and not job.began and not self._running:
            # Where tokens lie in memory decides in which order attention sums them up, and so how it rounds.
            if self._keeper is not None:
                self._keeper.park()
            self._forget_all()
        elif self._keeper is not None and wanted <= self._cache.room:  # what it brings is shared with nobody who runs
            self._keeper.bring(branch.tokens, self._cache.known(branch.tokens))
        parting = self._cache.parting(branch.tokens)
        begun = self._cache.begin(branch.tokens if branch.unscored is None else ())
        if begun is None:
            return False
        sequence, known = begun
        branch.parting = parting if parting >= known + WORTH_KEEPING else 0
        branch.admit(sequence, known, time.monotonic())
        if known >= WORTH_KEEPING and not self._context.can_share_any_prefix:
            # What two prompts begin with, a third one may; after a restart there is no other place to go on from.
            self._cache.checkpoint(sequence)
        self._running[branch.key] = branch
        if self._keeper is not None:
            self._keeper.park()
        self._cache.make_room(wanted - known)
        if not job.began:
            job.begin(branch.admitted, known)
            self._answers.append(Began(job.id, len(branch.tokens), known))
        curve = self._costs.curve
        if curve is not None and job.generation.options.speculation and not job.exact:
            branch.speculate(curve)
        return True

    # A step

    def _step(self) -> None:
        # Who waits for another's beginning lends its priority.
        awaited = {followed.key for branch, followed in self._following if not branch.job.background}
        shares = plan(
            [
                Work(
                    one.key,
                    one.pending,
                    one.due,
                    background=one.job.background and one.key not in awaited,
                    most=min((place - one.computed for place in self._partings(one)), default=None),
                    scored=one.unscored is not None,
                )
                for one in self._running.values()
            ],
            step_tokens=STEP_TOKENS,
            outputs=self._context.step_outputs,
        )
        drafts = self._drafts(shares)
        parts = []
        for key, tokens in shares:
            branch = self._running[key]
            assert branch.sequence is not None  # it runs
            new = branch.tokens[branch.computed : branch.computed + tokens] + drafts.get(key, [])
            outputs = 1 + len(drafts.get(key, ())) if tokens == branch.pending else 0
            if branch.unscored is not None:
                outputs = len(new)
            parts.append(Part(branch.sequence, branch.computed, new, outputs))
        rows = self._compute(parts, guessed=bool(drafts))
        if rows is None:
            return
        # First what the memory holds of each now: where one fails, its siblings end with it, and are remembered.
        for key, tokens in shares:
            branch = self._running[key]
            partings = self._partings(branch)
            self._note_computed(branch, tokens)
            if branch.pending:
                self._answers += branch.job.reading(branch)
            if branch.sequence is not None and branch.computed in partings:
                self._cache.checkpoint(branch.sequence)
        for (key, tokens), row in zip(shares, rows, strict=True):
            one = self._running.get(key)
            if one is None or row < 0:  # it may have failed with a sibling
                continue
            next_row = row
            if one.unscored is not None:
                self._score(one, tokens, row)
                next_row += tokens - 1
            if not one.pending:
                self._advance(one, drafts.get(key, []), next_row)

    def _partings(self, branch: Branch) -> list[int]:
        """Where a prompt has to stop to be remembered, for memory that others can share at its end only."""
        if self._context.can_share_any_prefix:
            return []
        places = [branch.parting, *(followed.until for _, followed in self._following if followed.key == branch.key)]
        return [place for place in places if place > branch.computed]

    def _drafts(self, shares: Sequence[Share]) -> dict[int, list[int]]:
        """What is guessed ahead in this step."""
        if not self._may_guess:
            self._may_guess = True  # from the next step on
            return {}
        writing = [self._running[key] for key, _ in shares if self._running[key].pending == 1]
        step_tokens = sum(tokens for _, tokens in shares)
        outputs = self._context.step_outputs - len(shares)
        most = min(STEP_TOKENS, self._cache.room)  # nobody gives way to a guess
        drafts: dict[int, list[int]] = {}
        for branch in writing:
            if branch.drafter is None:
                continue
            draft = branch.drafter.draft(len(writing), step_tokens)
            draft = draft[: max(0, min(branch.left - 1, outputs, most - step_tokens))]
            if draft:
                drafts[branch.key] = draft
                step_tokens += len(draft)
                outputs -= len(draft)
        return drafts

    def _compute(self, parts: Sequence[Part], *, guessed: bool) -> list[int] | None:
        """Compute a step, making room for it; None where it did not happen and the next one has to be planned anew."""
        wanted = sum(len(part.tokens) for part in parts)
        if self._keeper is not None and self._cache.free < wanted:
            self._keeper.park()
        while not self._cache.make_room(wanted):
            if not self._suspend_one():
                return None
            if not all(self._holds(part) for part in parts):
                return None
        self._inbox.computing({branch.job.id for branch in self._running.values()})
        self._say()
        try:
            return self._context.compute(parts)
        except NoRoomError:  # windows and states have limits of their own
            if guessed:
                self._may_guess = False
            elif not self._cache.forget_one():
                self._suspend_one()
            return None
        except Exception as error:
            self._break_down(error)
            return None
        finally:
            self._inbox.computing(())

    def _note_computed(self, branch: Branch, count: int) -> None:
        assert branch.sequence is not None  # it runs
        new = branch.tokens[branch.computed : branch.computed + count]
        branch.computed += count
        self._cache.computed(branch.sequence, new)

    def _score(self, branch: Branch, tokens: int, row: int) -> None:
        """Tell how likely the prompt's tokens were; the outputs of those that were computed begin at `row`."""
        try:
            self._answers += branch.score(self._context.pointer, row, branch.computed - tokens)
        except Exception as error:  # one request's failure must not cost the others anything
            self._fail_job(branch.job, error)

    def _advance(self, branch: Branch, draft: Sequence[int], row: int) -> None:
        """Choose what follows a branch's newest token; the outputs of it and of the draft begin at `row`."""
        assert branch.sequence is not None  # it runs
        answers: list[Answer] = []
        try:
            accepted = self._choose(branch, draft, row, answers)
        except Exception as error:  # one request's failure must not cost the others anything
            self._fail_job(branch.job, error)
            return
        self._note_computed(branch, accepted)
        if draft:
            if branch.drafter is not None:
                branch.drafter.verified(len(draft), accepted)
            self._context.truncate(branch.sequence, branch.computed)
        if not self._context.can_share_any_prefix and branch.written == 1 and branch.ended is None:
            self._cache.checkpoint(branch.sequence)
        self._tell(branch, answers)

    def _choose(self, branch: Branch, draft: Sequence[int], row: int, answers: list[Answer]) -> int:
        """The tokens that follow what was computed; returns how many of `draft` they confirm."""
        options = branch.job.generation.options
        pointer = self._context.pointer
        for index in range(len(draft) + 1):
            token = branch.chooser.sample(pointer, row + index)
            logprob = None
            if options.logprobs:
                logprob = branch.chooser.logprobs(pointer, row + index, token, options.top_logprobs)
            branch.job.told()
            answers += branch.end("stop") if branch.chooser.exhausted else branch.take(token, logprob)
            if branch.ended is not None or index == len(draft) or token != draft[index]:
                return index
        raise AssertionError("the last index returns")

    def _tell(self, branch: Branch, answers: Sequence[Answer]) -> None:
        self._answers += answers
        if branch.ended is not None:
            self._leave(branch)
            if (done := branch.job.done()) is not None:
                self._answers.append(done)

    def _say(self) -> None:
        """Send what there is to say, before the loop computes or waits: that wakes the thread that writes, once."""
        answers, self._answers = self._answers, []
        for answer in answers:
            self._send(answer)

    def _tell_cache(self) -> None:
        """What happened to computed prefixes since it was last told; once a reply, and not in each step."""
        now, told = self._cache.counts, self._told
        if now != told:
            evictions, restored, saved = now.evictions, now.restored, now.saved
            change = CacheChanged(evictions - told.evictions, restored - told.restored, saved - told.saved)
            self._told = CacheCounts(evictions, restored, saved)
            self._answers.append(change)

    # Who stops

    def _leave(self, branch: Branch) -> None:
        """A branch is over, and those that had to stop may try again."""
        self._give_up_place(branch)
        for suspended in self._suspended:
            self._put_back(suspended)
        self._suspended = []
        self._tell_cache()

    def _give_up_place(self, branch: Branch) -> None:
        """What it has computed is remembered."""
        if self._running.pop(branch.key, None) is not None and branch.sequence is not None:
            self._cache.end(branch.sequence)
            self._saved = False

    def _suspend_one(self) -> bool:
        """Memory ran out: one stops and goes on when there is room again. False where it was the last one running."""
        key = to_give_way([(one.key, one.job.background, one.admitted) for one in self._running.values()])
        if key is None:
            for branch in list(self._running.values()):
                self._tell(branch, branch.end("length"))
            return False
        branch = self._running[key]
        self._give_up_place(branch)
        branch.suspend()
        # Only when another one is over; before, memory would run out again.
        self._suspended.append(branch)
        return True

    def _holds(self, part: Part) -> bool:
        return any(branch.sequence == part.sequence for branch in self._running.values())

    def _drop(self, branch: Branch) -> None:
        branch.drop()
        self._following = [entry for entry in self._following if entry[0] is not branch]
        self._suspended = [other for other in self._suspended if other is not branch]
        self._leave(branch)

    def _fail_job(self, job: Job, error: Exception) -> None:
        for branch in job.branches:
            if branch.key in self._running and branch.drafter is not None and branch.sequence is not None:
                self._context.truncate(branch.sequence, branch.computed)  # an unconfirmed draft is not remembered
            self._drop(branch)
        self._queue.remove(lambda branch: branch.job is job)
        self._fail(job.id, error)

    def _break_down(self, error: Exception) -> None:
        """A step failed in a way that leaves nothing to be trusted: everything that runs ends, and memory is empty."""
        for job in {branch.job for branch in self._running.values()}:
            self._fail_job(job, error)
        self._forget_all()

    def _forget_all(self) -> None:
        """Empty the memory; only while nobody runs."""
        while self._cache.forget_one():
            pass
        self._context.reset()

    def _fail(self, id_: int, error: Exception) -> None:
        self._answers.append(Failed(id_, as_failure(error).failure))
