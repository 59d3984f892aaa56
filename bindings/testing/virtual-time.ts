/**
 * Virtual time: one queue of what is to happen, for all nodes of a world.
 *
 * Invariants
 *   - time moves only from one event to the next, and never back;
 *   - events of one moment come in an order that the seed decides; those of one lane in the order in which they were asked for.
 */
import type { Seeded } from './seeded.ts';

export interface SimulatedEvent {
  readonly dueMs: number;
  /** For the trace. */
  readonly what: string;
  readonly run: () => void;
}

interface Entry extends SimulatedEvent {
  readonly tie: number;
  readonly number: number;
  isCancelled: boolean;
}

/** Keeps the order of what is asked for through it. */
export interface Lane {
  lastMs: number;
}

/** Between two events of one lane that were asked for together: less than any clock shows. */
const LANE_STEP_MS = 1e-6;
/** What is due within it needs no time to pass. */
export const IMMEDIATE_MS = 1e-3;

export class VirtualTime {
  readonly #random: Seeded;
  /** A binary heap. */
  readonly #heap: Entry[] = [];
  #now = 0;
  #pushed = 0;
  /** Called when something is to happen without any time passing. */
  onImmediate: () => void = () => {};

  constructor(random: Seeded) {
    this.#random = random;
  }

  /** Milliseconds since the world began; not whole. */
  get now(): number {
    return this.#now;
  }

  static lane(): Lane {
    return { lastMs: 0 };
  }

  /** Returns what cancels it. */
  after(delayMs: number, what: string, run: () => void): () => void {
    return this.#at(this.#now + Math.max(0, delayMs), what, run);
  }

  /** After all that was asked for through `lane`, and not before `delayMs` have passed. */
  inLane(lane: Lane, delayMs: number, what: string, run: () => void): () => void {
    lane.lastMs = Math.max(this.#now + Math.max(0, delayMs), lane.lastMs + LANE_STEP_MS);
    return this.#at(lane.lastMs, what, run);
  }

  /** When the next event is due; null if there is none. */
  nextMs(): number | null {
    this.#dropCancelled();
    return this.#heap[0]?.dueMs ?? null;
  }

  /** Takes out the next event; it is now. */
  take(): SimulatedEvent | null {
    this.#dropCancelled();
    const first = this.#heap[0];
    if (first === undefined) return null;
    this.#removeFirst();
    this.#now = Math.max(this.#now, first.dueMs);
    return first;
  }

  /** Nothing happens until then. */
  skipTo(ms: number): void {
    this.#now = Math.max(this.#now, ms);
  }

  #at(dueMs: number, what: string, run: () => void): () => void {
    const entry: Entry = { dueMs, what, run, tie: this.#random.bits32(), number: this.#pushed, isCancelled: false };
    this.#pushed += 1;
    this.#insert(entry);
    if (dueMs <= this.#now + IMMEDIATE_MS) this.onImmediate();
    return () => {
      entry.isCancelled = true;
    };
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.isCancelled === true) this.#removeFirst();
  }

  #insert(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  if (left.dueMs !== right.dueMs) return left.dueMs < right.dueMs;
  return left.tie !== right.tie ? left.tie < right.tie : left.number < right.number;
}
