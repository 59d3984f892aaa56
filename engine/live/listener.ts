/** Listener: what is told each change set of one live query, until it stops. */
import type { ChangeSet } from './change-set.ts';

export interface Listener<Row> {
  isStopped: boolean;
  /** What it throws, or a promise it returns rejects with, harms no other. */
  readonly notify: (change: ChangeSet<Row>) => unknown;
  /** The live query is closed: nothing more will come. */
  readonly end: () => void;
}

export class Callback<Row> implements Listener<Row> {
  isStopped = false;
  readonly notify: (change: ChangeSet<Row>) => unknown;

  constructor(notify: (change: ChangeSet<Row>) => unknown) {
    this.notify = notify;
  }

  end(): void {
    this.isStopped = true;
  }
}
