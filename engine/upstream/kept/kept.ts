/**
 * Kept: how much of what this node holds of its upstream's is in the file, so that it is there after a restart.
 *
 * Invariants
 *   - what the file says is held stands, in the tables of the same file, at the file's cursor or later, in whole sessions'
 *     steps: nothing of a session that is not whole is in it but what was settled of this node's own;
 *   - it is brought up to date at the end of each frame, in the frame's group, and nothing is written that has not changed;
 *   - the cursor moves with whatever else the frame wrote; alone, which would cost a commit, only where it is MAX_CURSOR_LAG
 *     behind, and as the node is closed: between, nothing came that concerns what is held;
 *   - while a selection is being told for the first time, rows may stand on its word alone, of which the file says nothing:
 *     what is written then stands nowhere in the file until the selection is here;
 *   - memory may be ahead: what was given up while there was no session goes from the file with the next frame.
 * Pending transactions and their bases are not here: whoever changes them writes them (outbox/outbox.ts, overlay/overlay.ts).
 */
import type { Cursor, EntityId, ReplicaStore, SystemId } from '../../../storage/index.ts';
import { partsOf, type RowKey } from '../../row-key.ts';
import type { Journal } from '../../write/journal.ts';
import type { Followed } from '../following/followed.ts';
import { MAX_CURSOR_LAG } from '../limits.ts';

export interface KeptParts {
  readonly store: ReplicaStore;
  readonly journal: Journal;
  /** Selections whose rows are in the tables. */
  readonly selections: () => Iterable<Followed>;
  /** Of a whole session: a selection is asked for, and not all of it is here. */
  readonly isPartial: () => boolean;
  readonly isHere: (key: RowKey) => boolean;
  readonly isInTables: (key: RowKey) => boolean;
  /** Where the tables stand; null where that says nothing of what they lack. */
  readonly cursor: () => Cursor | null;
  /** Rows that were written to the file since it was opened. */
  readonly written: () => number;
}

/** How the file has a selection. */
interface KeptAs {
  readonly number: number;
  readonly edge: EntityId | null;
}

export class Kept {
  readonly #parts: KeptParts;
  readonly #selections = new Map<Followed, KeptAs>();
  #numbers = 0;
  /** Ids of which the file may say what is not so. */
  #ids = new Set<RowKey>();
  #cursor: Cursor | null = null;
  /** As of the last frame of a whole session. */
  #isPartial = false;
  /** As the frame begins. */
  #writtenBefore = 0;
  #system: SystemId | null;

  /** - `system`: the one that the node belonged to when an earlier process ended. */
  constructor(parts: KeptParts, system: SystemId | null) {
    this.#parts = parts;
    this.#system = system;
  }

  /** The one that the node belongs to, as the file says; null before it has met one. */
  get system(): SystemId | null {
    return this.#system;
  }

  /** Whether the file says that the node belongs to this system, or nothing is kept. */
  hasAdopted(system: SystemId): boolean {
    return !this.#parts.store.isKept || this.#system === system;
  }

  /** Inside a group. */
  adopt(system: SystemId): void {
    const before = this.#system;
    this.#parts.journal.record(() => {
      this.#system = before;
    });
    this.#system = system;
    this.#parts.store.adopt(system);
  }

  /** The file has it under this number. */
  restored(followed: Followed, number: number): void {
    this.#selections.set(followed, { number, edge: followed.shownEdge });
    this.#numbers = Math.max(this.#numbers, number);
  }

  /** The file has this cursor. */
  restoredAt(cursor: Cursor | null): void {
    this.#cursor = cursor;
  }

  /** An id is here now, or is not any more. */
  readonly changed = (key: RowKey): void => {
    if (this.#parts.store.isKept) this.#ids.add(key);
  };

  /** Inside a group, before anything of a frame is done. */
  begin(): void {
    if (this.#parts.store.isKept) this.#writtenBefore = this.#parts.written();
  }

  /** Inside a group, when all of it has been done. */
  flush(isWhole: boolean): void {
    if (!this.#parts.store.isKept) return;
    if (this.#ids.size > 0) this.#flushIds(isWhole);
    if (!isWhole) return;
    this.#flushSelections();
    this.#setPartial(this.#parts.isPartial());
    if (this.#parts.written() !== this.#writtenBefore || this.#isFarBehind) this.keepCursor();
  }

  #flushIds(isWhole: boolean): void {
    const { store, journal, isHere, isInTables } = this.#parts;
    const before = this.#ids;
    journal.record(() => {
      for (const key of before) this.#ids.add(key);
    });
    this.#ids = new Set();
    const put = new Map<string, EntityId[]>();
    const remove = new Map<string, EntityId[]>();
    for (const key of before) {
      // The tables have what was settled at once, and all else when the session is whole.
      if (!isWhole && !isInTables(key)) this.#ids.add(key);
      else group(isHere(key) ? put : remove, key);
    }
    for (const [collection, ids] of put) store.putIds(collection, ids);
    for (const [collection, ids] of remove) store.removeIds(collection, ids);
  }

  #flushSelections(): void {
    const { store, selections } = this.#parts;
    let present = 0;
    for (const followed of selections()) {
      present += 1;
      const edge = followed.shownEdge;
      const kept = this.#selections.get(followed);
      if (kept?.edge === edge) continue;
      if (kept !== undefined) {
        store.moveEdge(kept.number, edge);
        this.#set(followed, { number: kept.number, edge });
        continue;
      }
      this.#numbers += 1;
      const { text, parameters } = followed.asked;
      store.putSelection(this.#numbers, { collection: followed.entry.collection.name, text, parameters, edge });
      this.#set(followed, { number: this.#numbers, edge });
    }
    if (this.#selections.size === present) return;
    const left = new Set(selections());
    for (const [followed, { number }] of [...this.#selections]) {
      if (left.has(followed)) continue;
      store.removeSelection(number);
      this.#set(followed, undefined);
    }
  }

  get #isFarBehind(): boolean {
    // Where nothing was written, what the file says still holds.
    if (this.#isPartial) return false;
    const [cursor, kept] = [this.#parts.cursor(), this.#cursor];
    if (cursor === null || kept === null) return cursor !== kept;
    return cursor.epoch !== kept.epoch || cursor.position - kept.position >= MAX_CURSOR_LAG;
  }

  /** Inside a group. */
  keepCursor(): void {
    if (!this.#parts.store.isKept) return;
    const cursor = this.#isPartial ? null : this.#parts.cursor();
    const before = this.#cursor;
    if (cursor?.epoch === before?.epoch && cursor?.position === before?.position) return;
    this.#parts.journal.record(() => {
      this.#cursor = before;
    });
    this.#cursor = cursor;
    this.#parts.store.setCursor(cursor);
  }

  #setPartial(isPartial: boolean): void {
    const before = this.#isPartial;
    if (isPartial === before) return;
    this.#parts.journal.record(() => {
      this.#isPartial = before;
    });
    this.#isPartial = isPartial;
  }

  #set(followed: Followed, as: KeptAs | undefined): void {
    this.#parts.journal.set(this.#selections, followed, as);
  }
}

function group(into: Map<string, EntityId[]>, key: RowKey): void {
  const { collection, id } = partsOf(key);
  const ids = into.get(collection);
  if (ids === undefined) into.set(collection, [id]);
  else ids.push(id);
}
