/**
 * Confirmed rows: the tables of a relay as its upstream has them, without what is pending here.
 *
 * Invariants
 *   - while `all`, `get` and `iterate` read, every row stands as its base; afterwards the tables are as before;
 *   - what this node keeps of a row that it is not told of any more is no row.
 * Cost: two writes for each row with something pending, of the collections that are read.
 */
import type { EntityId, Log, SqliteDriver, StoredRow } from '../../storage/index.ts';
import type { Core } from '../core.ts';
import { rowKey } from '../row-key.ts';
import type { Overlay } from '../upstream/overlay/overlay.ts';
import type { Replica } from '../upstream/replica.ts';

/** What the feed of a relay takes for the node. */
export function confirmedCore(core: Core, replica: Replica): Core {
  const { overlay, standing } = replica;
  const { system } = replica;
  const log: Log = {
    ...core.log,
    epoch: () => standing.kept!.epoch,
    // No undo is kept: who stood somewhere is compared, or begins anew.
    covers: () => false,
    greatestId: () => replica.greatest,
  };
  return {
    ...core,
    system: system ?? core.system,
    driver: confirmedDriver(core, overlay),
    rows: { ...core.rows, read: (collection, id) => confirmedRow(core, overlay, collection, id) },
    log,
  };
}

function confirmedRow({ rows }: Core, overlay: Overlay, collection: string, id: EntityId): StoredRow | null {
  const base = overlay.baseOf(rowKey(collection, id));
  if (base === undefined) return rows.read(collection, id);
  return base.hasLeft ? null : base.row;
}

function confirmedDriver(core: Core, overlay: Overlay): SqliteDriver {
  const { driver } = core;
  return {
    ...driver,
    all: (sql, parameters) => withBases(core, overlay, sql, () => driver.all(sql, parameters)),
    get: (sql, parameters) => withBases(core, overlay, sql, () => driver.get(sql, parameters)),
    // Read whole: the tables must be as before when anybody else looks.
    iterate: (sql, parameters) => withBases(core, overlay, sql, () => driver.all(sql, parameters)).values(),
  };
}

function withBases<Result>(core: Core, overlay: Overlay, sql: string, read: () => Result): Result {
  const { driver, catalog, rows } = core;
  const concerned = catalog.entries
    .map(({ collection: { name } }) => ({ name, ids: overlay.idsPending(name) }))
    .filter(({ name, ids }) => ids.length > 0 && sql.includes(name));
  if (concerned.length === 0) return read();
  driver.run('SAVEPOINT tendril_confirmed');
  try {
    for (const { name, ids } of concerned) {
      for (const id of ids) {
        const shown = rows.read(name, id);
        const row = confirmedRow(core, overlay, name, id);
        if (row !== null) rows.write(name, id, shown, row);
        else if (shown !== null) rows.erase(name, id);
      }
    }
    return read();
  } finally {
    driver.run('ROLLBACK TO tendril_confirmed');
    driver.run('RELEASE tendril_confirmed');
  }
}
