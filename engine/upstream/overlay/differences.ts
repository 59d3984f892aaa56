/**
 * Differences: what one step of the overlay changes for whoever reads the rows.
 *
 * Invariant: a row stands in it once at most: as a change where its values changed, as a mark where only its pendency did.
 */
import type { EntityId, StoredRow } from '../../../storage/index.ts';
import type { Change, Commit, Pendency } from '../../change.ts';
import { changeOf } from '../../write/apply.ts';

export class Differences implements Pick<Commit, 'changes' | 'marks'> {
  readonly changes: Change[] = [];
  readonly marks: Change[] = [];

  get isEmpty(): boolean {
    return this.changes.length === 0 && this.marks.length === 0;
  }

  /** `before` and `after`: what the table held and holds. */
  add(collection: string, id: EntityId, before: StoredRow | null, after: StoredRow | null, pending: Pendency): void {
    const change = changeOf(collection, id, before, after);
    if (change !== null) {
      this.changes.push(pending.before || pending.after ? { ...change, pending } : change);
    } else if (pending.before !== pending.after && after !== null && after.deleted === null) {
      this.marks.push({ collection, id, before: after.values, after: after.values, pending });
    }
  }
}
