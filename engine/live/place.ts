/** Place: where one committed transaction stands in its group, on its way through the live queries. */
import type { RawRow } from '../../query/index.ts';
import type { Change, Commit } from '../change.ts';
import { Member } from './member.ts';

export interface Place {
  /** Committed already, all of them, in order. */
  readonly commits: readonly Commit[];
  /** Which of them is taken now: what SQL reads must be taken back to it. */
  readonly at: number;
}

/** A view that a transaction concerns. */
export interface Due {
  /** Of two views, the one that was made first is maintained, and tells its listeners, first. */
  readonly number: number;
  readonly maintain: (place: Place) => void;
}

/** The rows of one collection that later commits changed, as they stood at the place; null where there was none. */
export function rowsAt({ commits, at }: Place, collection: string): ReadonlyMap<string, RawRow | null> {
  const rows = new Map<string, RawRow | null>();
  for (let later = at + 1; later < commits.length; later += 1) {
    for (const change of commits[later]!.changes) {
      if (change.collection === collection && !rows.has(change.id)) rows.set(change.id, change.before);
    }
  }
  return rows;
}

/** One changed row: made a member at most once, for all views whose order is by plain columns. */
export class RowChange<Row> {
  readonly before: RawRow | null;
  readonly after: RawRow | null;
  #memberBefore: Member<Row> | null = null;
  #memberAfter: Member<Row> | null = null;

  constructor({ before, after }: Change) {
    this.before = before;
    this.after = after;
  }

  memberBefore(raw: RawRow): Member<Row> {
    this.#memberBefore ??= new Member(raw);
    return this.#memberBefore;
  }

  memberAfter(raw: RawRow): Member<Row> {
    this.#memberAfter ??= new Member(raw);
    return this.#memberAfter;
  }
}
