/**
 * Recent rows: what rows were before the last transactions of this node, so that an asynchronous transaction reads the
 * snapshot it began with. An ephemeral node keeps no log that could be undone.
 *
 * Invariants
 *   - while `readAt` reads, the rows stand as they did at that position; afterwards the tables are as before;
 *   - at most MAX_UNDO_ROWS are kept, and none when nobody reads at an earlier position.
 */
import { TendrilError } from '../../../errors.ts';
import {
  type EntityId,
  MAX_UNDO_ROWS,
  type Position,
  type Rows,
  type Snapshots,
  type SqliteDriver,
  type StoredRow,
} from '../../../storage/index.ts';
import { rowKey } from '../../row-key.ts';
import type { Journal } from '../../write/journal.ts';

interface Replaced {
  readonly position: Position;
  readonly collection: string;
  readonly id: EntityId;
  readonly before: StoredRow | null;
}

export class RecentRows implements Snapshots {
  readonly #driver: SqliteDriver;
  readonly #rows: Rows;
  readonly #journal: Journal;
  #replaced: Replaced[] = [];
  /** Positions below it can no longer be read at. */
  #floor = 0 as Position;
  #groupEnd = 0 as Position;

  constructor(driver: SqliteDriver, rows: Rows, journal: Journal) {
    this.#driver = driver;
    this.#rows = rows;
    this.#journal = journal;
  }

  /** `before`: null if the tables had no such row. */
  note(position: Position, collection: string, id: EntityId, before: StoredRow | null): void {
    const { length } = this.#replaced;
    if (this.#replaced.at(-1)?.position !== position) {
      // A position is one transaction's: all it replaced is taken back together.
      this.#journal.record(() => {
        this.#replaced.length = length;
      });
    }
    this.#replaced.push({ position, collection, id, before });
  }

  /** After a group's commit: forgets what nobody needs. A transaction that began in this very group is not counted yet. */
  trim(isNeeded: boolean, position: Position): void {
    if (position === this.#groupEnd) return;
    const before = this.#groupEnd;
    this.#groupEnd = position;
    if (!isNeeded) {
      this.#replaced = this.#replaced.filter((replaced) => replaced.position > before);
      this.#floor = before;
    } else if (this.#replaced.length > MAX_UNDO_ROWS) {
      const dropped = this.#replaced.splice(0, this.#replaced.length - MAX_UNDO_ROWS);
      this.#floor = dropped.at(-1)!.position;
    }
  }

  readonly readAt: Snapshots['readAt'] = (position, collections, read) => {
    const then = this.#rowsAt(position);
    if (then.size === 0) return read();
    this.#driver.run('SAVEPOINT tendril_recent');
    try {
      for (const { collection, id, before } of then.values()) {
        if (!collections.includes(collection)) continue;
        const now = this.#rows.read(collection, id);
        if (before !== null) this.#rows.write(collection, id, now, before);
        else if (now !== null) this.#rows.erase(collection, id);
      }
      return read();
    } finally {
      this.#driver.run('ROLLBACK TO tendril_recent');
      this.#driver.run('RELEASE tendril_recent');
    }
  };

  readonly rowAt: Snapshots['rowAt'] = (position, collection, id) => {
    const then = this.#rowsAt(position).get(rowKey(collection, id));
    return then === undefined ? this.#rows.read(collection, id) : then.before;
  };

  /** What has changed since, each row as it was. */
  #rowsAt(position: Position): ReadonlyMap<string, Replaced> {
    if (position < this.#floor) throw tooLongAgo(position);
    const then = new Map<string, Replaced>();
    for (let at = this.#replaced.length - 1; at >= 0; at -= 1) {
      const replaced = this.#replaced[at]!;
      if (replaced.position <= position) break;
      then.set(rowKey(replaced.collection, replaced.id), replaced);
    }
    return then;
  }
}

function tooLongAgo(position: Position): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `More than ${MAX_UNDO_ROWS} rows were changed since this transaction began to read.`,
    remedy: 'Do less between the begin of a transaction and its reads.',
    facts: { position, limit: MAX_UNDO_ROWS },
  });
}
