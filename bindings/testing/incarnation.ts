/**
 * Incarnation: one life of a simulated node, from its opening to its end.
 *
 * Invariant: when it has ended, nothing that it asked to be done later is done.
 */
import { type Ports, type Random, systemScheduler } from '../../engine/index.ts';
import { type Lane, VirtualTime } from './virtual-time.ts';

export interface IncarnationParts {
  readonly name: string;
  readonly time: VirtualTime;
  readonly random: Random;
  /** What the node's own clock shows. */
  readonly clockMs: () => number;
  /** How long it is until its next turn. */
  readonly turnMs: () => number;
}

export class Incarnation {
  readonly ports: Ports;
  /** Its node was closed: its process goes on, and nothing of it should. */
  isClosed = false;
  #isAlive = true;
  #awaited = 0;
  readonly #turns: Lane = VirtualTime.lane();

  constructor({ name, time, random, clockMs, turnMs }: IncarnationParts) {
    const alive = (task: () => void) => () => {
      if (this.#isAlive) task();
    };
    this.ports = {
      clock: { now: clockMs },
      random,
      scheduler: {
        soon: (task) => systemScheduler.soon(alive(task)),
        next: (task) => {
          this.#awaited += 1;
          const turn = alive(task);
          time.inLane(this.#turns, turnMs(), `turn ${name}`, () => {
            this.#awaited -= 1;
            turn();
          });
        },
        after: (delayMs, task) => time.after(delayMs, `timer ${name}`, alive(task)),
      },
    };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Whether it has something to do next. */
  get isAwaitingTurn(): boolean {
    return this.#awaited > 0;
  }

  end(): void {
    this.#isAlive = false;
  }
}
