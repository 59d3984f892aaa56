/** Listener: what is told each change set of one live query, until it stops. */
import type { ChangeSet } from './change-set.ts';

export interface Listener<Row> {
  isStopped: boolean;
  /** What it throws, or a promise it returns rejects with, harms no other. */
  readonly notify: (change: ChangeSet<Row>) => unknown;
  /** Called with the rows, as they were, where only status, error or progress changed. Null: it is told rows only. */
  readonly restate: ((rows: readonly Row[]) => unknown) | null;
  /** The live query is closed: nothing more will come. */
  readonly end: () => void;
}

export class Callback<Row> implements Listener<Row> {
  isStopped = false;
  readonly notify: (change: ChangeSet<Row>) => unknown;
  readonly restate: ((rows: readonly Row[]) => unknown) | null;

  constructor(notify: (change: ChangeSet<Row>) => unknown, restate: Callback<Row>['restate'] = null) {
    this.notify = notify;
    this.restate = restate;
  }

  end(): void {
    this.isStopped = true;
  }
}
