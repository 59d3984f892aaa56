/**
 * Live query: one caller's hold on a view: its listeners, its `ready`, its end.
 *
 * Invariants
 *   - a listener is told every change set from the one after its subscription on, each once, in order, and nothing more
 *     once it was stopped or the live query closed;
 *   - folding what a listener was told over the rows it started from gives the rows, also across `reselect`;
 *   - who subscribed is called for each change of rows, and for changes of status, error or progress without one at most
 *     once a turn. While nobody has subscribed, nobody watches for these.
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
import { asFailure, type View, type Watcher } from './view.ts';

export type LiveStatus = 'local' | 'syncing' | 'complete' | 'offline' | 'denied';

/** One kept-current result. See `Node.live`. */
export interface LiveQuery<Row> {
  /** Settles with the first complete answer; rejects when there will be none. */
  readonly ready: Promise<void>;
  /**
   * In order: before `ready` what is held of it already, and what was written here; none where nothing is. A new array when anything
   * changed, the same one otherwise; unchanged rows are the same objects.
   */
  readonly rows: readonly Row[];
  readonly status: LiveStatus;
  /** Why there is no answer, or why it may be behind; null when all is well. */
  readonly error: TendrilError | null;
  /** While rows are coming from the upstream: how many have, and of how many if that was counted. Null otherwise. */
  readonly progress: Progress | null;
  /**
   * Calls `listener` at once with the rows, then after each change of the rows, and with the same rows after a change of
   * `status`, `error` or `progress` alone. Returns what stops it.
   */
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
  /** Runs `task` after the present synchronous work. */
  readonly soon: (task: () => void) => void;
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

type Told = Pick<LiveQuery<unknown>, 'status' | 'error' | 'progress'>;

function isSame(left: Told, right: Told): boolean {
  const [from, to] = [left.progress, right.progress];
  const isProgressSame = from?.received === to?.received && from?.total === to?.total;
  return left.status === right.status && left.error === right.error && isProgressSame;
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
  #error: TendrilError | null = null;
  /** The first answer has come, or it was known that none would for now. */
  #isAnswered = false;
  /** Selections asked for so far, and which of them is shown: one that had to wait must not displace a later one. */
  #asked = 0;
  #shown = 0;
  #listeners: Bucket<Listener<Row>> = undefined;
  #outgoing: Outgoing<Row>[] = [];
  /** What they know who subscribed; null while nobody has. */
  #told: Told | null = null;
  #unwatch: (() => void) | null = null;
  #isStirred = false;
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
        this.#error = asFailure(error);
        this.#settleReady();
        this.stirred();
      }
    });
    isLate = true;
    if (!this.#isAnswered) this.#showHeld(prepared);
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

  get error(): TendrilError | null {
    return this.#error ?? this.#view?.error ?? this.#cover.error;
  }

  get progress(): Progress | null {
    return this.#cover.progress;
  }

  get isListening(): boolean {
    return this.#listeners !== undefined;
  }

  subscribe(listener: (rows: readonly Row[]) => unknown): () => void {
    const callback = new Callback<Row>(({ rows }) => listener(rows), listener);
    this.#listen(callback);
    this.#watch();
    this.#opener.deliveries.guard(() => listener(this.rows));
    return () => {
      callback.end();
      this.#forget(callback);
      if (!itemsOf(this.#listeners).some(({ restate }) => restate !== null)) this.#stopWatching();
    };
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
    this.#stopWatching();
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
      this.#isStirred = false;
      if (this.#told !== null) this.#told = this.#present();
      for (const listener of listeners) {
        if (!listener.isStopped) this.#opener.deliveries.guard(() => listener.notify(change));
      }
    }
    this.#restate();
  }

  /** Status, error or progress may have changed. */
  stirred(): void {
    if (this.#told === null || this.#isStirred) return;
    this.#isStirred = true;
    this.#opener.soon(() => {
      if (!this.#isStirred) return;
      this.#opener.deliveries.add(this);
      this.#opener.deliveries.run();
    });
  }

  #restate(): void {
    if (!this.#isStirred) return;
    this.#isStirred = false;
    const present = this.#present();
    if (this.#told === null || isSame(this.#told, present)) return;
    this.#told = present;
    for (const listener of itemsOf(this.#listeners)) {
      const { restate, isStopped } = listener;
      if (restate !== null && !isStopped) this.#opener.deliveries.guard(() => restate(this.rows));
    }
  }

  #present(): Told {
    const { status, error, progress } = this;
    return { status, error, progress };
  }

  #watch(): void {
    if (this.#isClosed) return;
    this.#told ??= this.#present();
    this.#unwatch ??= this.#cover.watch(() => this.stirred());
  }

  #stopWatching(): void {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#told = null;
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

  /** Until the answer has come. */
  #showHeld({ cover, view }: Prepared<Row>): void {
    const task = () => {
      if (this.#isClosed || this.#isAnswered || this.#error !== null) return;
      this.#show(view());
    };
    cover.whenHeld(() => this.#opener.whenReadable(() => this.#opener.deliveries.guard(task)));
  }

  #take(turn: number, { cover, view: makeView }: Prepared<Row>): void {
    if (turn < this.#shown) {
      cover.leave();
      return;
    }
    if (cover.status === 'denied') throw cover.error;
    const view = makeView();
    this.#shown = turn;
    const isOther = cover !== this.#cover;
    if (isOther) this.#cover.leave();
    this.#cover = cover;
    if (isOther && this.#unwatch !== null) {
      this.#unwatch();
      this.#unwatch = cover.watch(() => this.stirred());
      this.stirred();
    }
    this.#isAnswered = true;
    this.#error = null;
    this.#show(view);
    this.#settleReady();
  }

  #show(view: View<Row>): void {
    const old = this.#view;
    if (view === old) return;
    const differences = diff(old?.shown() ?? [], view.shown(), (member) => view.identityOf(member));
    view.join(this);
    old?.leave(this);
    this.#view = view;
    this.stirred();
    if (!this.isListening || isEmpty(differences)) return;
    this.enqueue(view.changeSet(differences));
    this.#opener.deliveries.run();
  }

  #settleReady(): void {
    if (this.#settle === null) return;
    if (this.#isAnswered) this.#settle.resolve();
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
