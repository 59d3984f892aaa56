/**
 * Live query: one caller's hold on a view: its listeners, its `ready`, its end.
 *
 * Invariants
 *   - a listener is told every change set from the one after its subscription on, each once, in order, and nothing more
 *     once it was stopped or the live query closed;
 *   - folding what a listener was told over the rows it started from gives the rows, also across `reselect`.
 */
/// <reference lib="esnext.disposable" preserve="true" />
import { TendrilError } from '../../errors.ts';
import type { SqlParameters, Where } from '../../query/index.ts';
import type { Explanation } from '../explain.ts';
import { type Bucket, itemsOf, withItem, withoutItem } from './bucket.ts';
import { type ChangeSet, isEmpty } from './change-set.ts';
import { ChangeStream } from './change-stream.ts';
import type { Cover, Progress } from './cover.ts';
import type { Deliveries, Sender } from './deliveries.ts';
import { diff } from './diff.ts';
import { Callback, type Listener } from './listener.ts';
import type { RowsVersion } from './rows-version.ts';
import type { View, Watcher } from './view.ts';

export type LiveStatus = 'local' | 'syncing' | 'complete' | 'offline' | 'denied';

/** One kept-current result. See `Node.live`. */
export interface LiveQuery<Row> {
  /** Settles with the first complete answer; rejects when there will be none. */
  readonly ready: Promise<void>;
  /** In order; a new array when anything changed, the same one otherwise; unchanged rows are the same objects. */
  readonly rows: readonly Row[];
  readonly status: LiveStatus;
  /** Why there is no answer, or why it may be behind; null when all is well. */
  readonly error: unknown;
  /** While rows are coming from the upstream: how many have, and of how many if that was counted. Null otherwise. */
  readonly progress: Progress | null;
  /** Calls `listener` at once with the rows (none until ready), then after each change. Returns what stops it. */
  subscribe(listener: (rows: readonly Row[]) => unknown): () => void;
  /** Calls `listener` with each change set to come. Returns what stops it. */
  onChange(listener: (change: ChangeSet<Row>) => unknown): () => void;
  /** The change sets to come; those that a slow reader has not taken are merged into one. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChangeSet<Row>>;
  /**
   * Asks for something else from now on. Listeners stay, and are told exactly what differs, as one change set.
   *
   * @throws {TendrilError} (rejects) what `live` throws, `closed`; the live query then stays as it was.
   */
  reselect(text: string | Where, parameters?: SqlParameters): Promise<void>;
  explain(): Explanation;
  /** Stops at once: no listener is called any more. `rows` stay as they are. */
  close(): void;
  [Symbol.dispose](): void;
}

/** What live queries are opened from: one for each collection, and one for whole statements. */
export interface Opener<Row> {
  readonly deliveries: Deliveries;
  /** Checks the text now. @throws {TendrilError} what is wrong with it. */
  readonly prepare: (text: string | Where, parameters?: SqlParameters) => Prepared<Row>;
  /** Runs `task` when the committed rows may be read: at once, mostly. */
  readonly whenReadable: (task: () => void) => void;
  /** Null where rows have no identity. */
  readonly identityOf: ((row: Row) => unknown) | null;
  readonly onOpen: (live: LiveQuery<Row>) => void;
  readonly onClose: (live: LiveQuery<Row>) => void;
}

/** What was asked for, understood. */
export interface Prepared<Row> {
  readonly cover: Cover;
  /** Finds the view, or reads it. */
  readonly view: () => View<Row>;
}

interface Outgoing<Row> {
  readonly change: ChangeSet<Row>;
  /** Those that were there when it happened: later ones started from its rows. */
  readonly listeners: readonly Listener<Row>[];
}

const NO_ROWS: readonly never[] = Object.freeze([]);

/** Lean, because a node may hold a hundred thousand: what few use is made when it is used. */
export class OpenLiveQuery<Row> implements LiveQuery<Row>, Watcher<Row>, Sender {
  declare readonly [Symbol.dispose]: () => void;
  readonly #opener: Opener<Row>;
  /** Null before it could be read, and after it was closed. */
  #view: View<Row> | null = null;
  /** After it was closed. */
  #lastRows: RowsVersion<Row> | null = null;
  /** Of what is shown; of what was asked for first until anything is. */
  #cover: Cover;
  #isClosed = false;
  #error: unknown = null;
  /** Selections asked for so far, and which of them is shown: one that had to wait must not displace a later one. */
  #asked = 0;
  #shown = 0;
  #listeners: Bucket<Listener<Row>> = undefined;
  #outgoing: Outgoing<Row>[] = [];
  #ready: Promise<void> | null = null;
  #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | null = null;

  constructor(opener: Opener<Row>, text: string | Where, parameters?: SqlParameters) {
    this.#opener = opener;
    const prepared = opener.prepare(text, parameters);
    this.#cover = prepared.cover;
    const turn = ++this.#asked;
    let isLate = false;
    this.#whenAnswered(prepared, () => {
      try {
        if (!this.#isClosed) this.#take(turn, prepared);
      } catch (error) {
        const { cover } = prepared;
        if (!isLate && cover.status !== 'denied') {
          cover.leave();
          throw error;
        }
        this.#error = error;
        this.#settleReady();
      }
    });
    isLate = true;
    opener.onOpen(this);
  }

  get ready(): Promise<void> {
    this.#ready ??= new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#settleReady();
    return this.#ready;
  }

  get rows(): readonly Row[] {
    return this.#view?.rows ?? this.#lastRows?.rows ?? NO_ROWS;
  }

  get status(): LiveStatus {
    const { status } = this.#cover;
    if (status === 'denied') return status;
    if (this.#error !== null || (this.#view?.error ?? null) !== null) return 'local';
    return this.#view === null && this.#lastRows === null ? 'syncing' : status;
  }

  get error(): unknown {
    return this.#error ?? this.#view?.error ?? this.#cover.error;
  }

  get progress(): Progress | null {
    return this.#cover.progress;
  }

  get isListening(): boolean {
    return this.#listeners !== undefined;
  }

  subscribe(listener: (rows: readonly Row[]) => unknown): () => void {
    const stop = this.onChange(({ rows }) => listener(rows));
    this.#opener.deliveries.guard(() => listener(this.rows));
    return stop;
  }

  onChange(listener: (change: ChangeSet<Row>) => unknown): () => void {
    const callback = new Callback(listener);
    this.#listen(callback);
    return () => {
      callback.end();
      this.#forget(callback);
    };
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ChangeSet<Row>> {
    const stream = new ChangeStream<Row>(this.#opener.identityOf, (stopped) => this.#forget(stopped));
    this.#listen(stream);
    return stream;
  }

  async reselect(text: string | Where, parameters?: SqlParameters): Promise<void> {
    if (this.#isClosed) throw closed();
    const prepared = this.#opener.prepare(text, parameters);
    const turn = ++this.#asked;
    await new Promise<void>((resolve, reject) => {
      this.#whenAnswered(prepared, () => {
        try {
          if (this.#isClosed) throw closed();
          this.#take(turn, prepared);
          resolve();
        } catch (error) {
          if (prepared.cover !== this.#cover) prepared.cover.leave();
          reject(error);
        }
      });
    });
  }

  explain(): Explanation {
    if (this.#view === null) throw this.#isClosed ? closed() : notOpenYet();
    return this.#view.explain();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of itemsOf(this.#listeners)) listener.end();
    this.#listeners = undefined;
    this.#outgoing = [];
    this.#lastRows = this.#view?.hold() ?? null;
    this.#view?.leave(this);
    this.#view = null;
    this.#cover.leave();
    this.#settleReady();
    this.#opener.onClose(this);
  }

  enqueue(change: ChangeSet<Row>): void {
    this.#outgoing.push({ change, listeners: itemsOf(this.#listeners) });
    this.#opener.deliveries.add(this);
  }

  deliver(): void {
    for (const { change, listeners } of this.#outgoing.splice(0)) {
      for (const listener of listeners) {
        if (!listener.isStopped) this.#opener.deliveries.guard(() => listener.notify(change));
      }
    }
  }

  #listen(listener: Listener<Row>): void {
    if (this.#isClosed) listener.end();
    else this.#listeners = withItem(this.#listeners, listener);
  }

  #forget(listener: Listener<Row>): void {
    this.#listeners = withoutItem(this.#listeners, listener);
  }

  #whenAnswered({ cover }: Prepared<Row>, task: () => void): void {
    cover.whenAnswered(() => this.#opener.whenReadable(task));
  }

  #take(turn: number, { cover, view: makeView }: Prepared<Row>): void {
    if (turn < this.#shown) {
      cover.leave();
      return;
    }
    if (cover.status === 'denied') throw cover.error;
    const view = makeView();
    this.#shown = turn;
    if (cover !== this.#cover) this.#cover.leave();
    this.#cover = cover;
    this.#show(view);
  }

  #show(view: View<Row>): void {
    const old = this.#view;
    if (view === old) return;
    const differences = diff(old?.shown() ?? [], view.shown(), (member) => view.identityOf(member));
    view.join(this);
    old?.leave(this);
    this.#view = view;
    this.#error = null;
    this.#settleReady();
    if (!this.isListening || isEmpty(differences)) return;
    this.enqueue(view.changeSet(differences));
    this.#opener.deliveries.run();
  }

  #settleReady(): void {
    if (this.#settle === null) return;
    if (this.#view !== null) this.#settle.resolve();
    else if (this.#error !== null) this.#settle.reject(this.#error);
    else if (this.#isClosed) this.#settle.reject(closed());
    else return;
    this.#settle = null;
  }
}

// `using` works where the platform has it; elsewhere nothing is defined under a name that does not exist.
if (typeof Symbol.dispose === 'symbol') {
  Object.defineProperty(OpenLiveQuery.prototype, Symbol.dispose, {
    value(this: OpenLiveQuery<unknown>) {
      this.close();
    },
  });
}

function closed(): TendrilError {
  return new TendrilError({
    code: 'closed',
    problem: 'This live query was closed.',
    remedy: 'Open another one.',
  });
}

function notOpenYet(): TendrilError {
  return new TendrilError({
    code: 'closed',
    problem: 'This live query is not open yet: it was asked for inside a transaction, and waits for its end.',
    remedy: 'Await live.ready first.',
  });
}
