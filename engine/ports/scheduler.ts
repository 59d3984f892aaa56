/** The port for "later", and the only file that touches the system's timers. */
export interface Scheduler {
  /** Runs `task` when the code that runs now has ended, before anything else of the outside world. */
  readonly soon: (task: () => void) => void;
  /** Runs `task` after what is already waiting to run, so that it can gather what many callers asked for. */
  readonly next: (task: () => void) => void;
  /** Runs `task` once, in `delayMs` or later. Returns what cancels it. Never keeps the process alive by itself. */
  readonly after: (delayMs: number, task: () => void) => () => void;
}

export const systemScheduler: Scheduler = {
  soon: (task) => queueMicrotask(task),
  next: typeof setImmediate === 'function' ? (task) => void setImmediate(task) : (task) => void setTimeout(task, 0),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    if (typeof timer === 'object') timer.unref();
    return () => clearTimeout(timer);
  },
};
