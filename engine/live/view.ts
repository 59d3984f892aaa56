/**
 * View: one maintained result, shared by all live queries that ask for it.
 *
 * Invariants
 *   - the members shown are altered only between `publish`es, which tell of it in one change set each;
 *   - rows are decoded, and arrays put together, only if somebody looks or listens;
 *   - a version of the rows that somebody may still look at learns how it ended.
 */
import { TendrilError } from '../../errors.ts';
import type { RawRow } from '../../query/index.ts';
import type { Explanation } from '../explain.ts';
import { type Bucket, itemsOf, sizeOf, withItem, withoutItem } from './bucket.ts';
import { type ChangeSet, changeSetOf, type Differences } from './change-set.ts';
import type { Member } from './member.ts';
import { RowsVersion } from './rows-version.ts';

/** A live query, as its view knows it. */
export interface Watcher<Row> {
  readonly isListening: boolean;
  readonly enqueue: (change: ChangeSet<Row>) => void;
  /** The view's `error` has changed. */
  readonly stirred: () => void;
}

export abstract class View<Row> {
  #watchers: Bucket<Watcher<Row>> = undefined;
  /** Null until somebody looks or listens, and again after a change that nobody has looked at. */
  #version: RowsVersion<Row> | null = null;
  /** True if the version is in hands other than the view's. */
  #held = false;
  #error: TendrilError | null = null;

  /** In order. Good until the next change. */
  abstract shown(): readonly Member<Row>[];
  abstract decode(raw: RawRow): Row;
  abstract identityOf(member: Member<Row>): unknown;
  abstract explain(): Explanation;
  /** Nobody watches any more. */
  protected abstract drop(): void;

  get watchers(): number {
    return sizeOf(this.#watchers);
  }

  /** Why the rows may be behind; null when they are not. */
  get error(): TendrilError | null {
    return this.#error;
  }

  protected setError(error: TendrilError | null): void {
    if (error === this.#error) return;
    this.#error = error;
    for (const watcher of itemsOf(this.#watchers)) watcher.stirred();
  }

  get rows(): readonly Row[] {
    this.#version ??= new RowsVersion(this);
    return this.#version.rows;
  }

  /** The present rows, to be looked at whenever. */
  hold(): RowsVersion<Row> {
    this.#version ??= new RowsVersion(this);
    this.#held = true;
    return this.#version;
  }

  /** For the present version only. */
  presentRows(): readonly Row[] {
    return this.shown().map((member) => member.row((raw) => this.decode(raw)));
  }

  join(watcher: Watcher<Row>): void {
    this.#watchers = withItem(this.#watchers, watcher);
  }

  leave(watcher: Watcher<Row>): void {
    if (this.#watchers === undefined) return;
    this.#watchers = withoutItem(this.#watchers, watcher);
    if (this.#watchers === undefined) this.drop();
  }

  /** A change set that leads to the present rows. */
  changeSet(differences: Differences<Member<Row>>): ChangeSet<Row> {
    return changeSetOf(this.#decoded(differences), this.hold());
  }

  /** The members shown have just changed by `differences`. True if there was anybody to tell. */
  protected publish(differences: Differences<Member<Row>>): boolean {
    const listeners = itemsOf(this.#watchers).filter((watcher) => watcher.isListening);
    const ended = this.#held && this.#version?.isLookedAt === false ? this.#version : null;
    this.#version = null;
    this.#held = false;
    if (listeners.length === 0 && ended === null) return false;
    const step = this.#decoded(differences);
    const version = this.hold();
    ended?.end(step, version);
    if (listeners.length === 0) return false;
    const change = changeSetOf(step, version);
    for (const listener of listeners) listener.enqueue(change);
    return true;
  }

  #decoded({ removed, added, updated }: Differences<Member<Row>>): Differences<Row> {
    const rowOf = (member: Member<Row>) => member.row((raw) => this.decode(raw));
    return {
      removed: removed.map(({ row, index }) => ({ row: rowOf(row), index })),
      added: added.map(({ row, index }) => ({ row: rowOf(row), index })),
      updated: updated.map(({ row, before, index, from }) => ({
        row: rowOf(row),
        before: rowOf(before),
        index,
        from,
      })),
    };
  }
}

/** Of what a view, or whoever makes one, has caught. */
export function asFailure(error: unknown): TendrilError {
  if (error instanceof TendrilError) return error;
  return new TendrilError({
    code: 'storage-failed',
    problem: 'The rows could not be computed.',
    remedy: 'Look at the cause. They are read anew with the next transaction that concerns them.',
    cause: error,
  });
}
