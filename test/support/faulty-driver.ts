/**
 * A driver whose call n fails as SQLite fails when a disk is full or broken. For the same below SQLite, at each of its
 * writes and syncs, see test/durability/failing-disk.ts.
 */
import { assert, type TendrilError } from '../../errors.ts';
import type { SqliteDriver } from '../../storage/driver.ts';
import { sqliteFailure } from '../../storage/drivers/failure.ts';

export interface DriverFault {
  /** The number of the call that fails, counted over run, all, get, iterate, exec, and BEGIN and COMMIT of `transaction`. */
  readonly at: number;
  readonly code: 'SQLITE_IOERR' | 'SQLITE_FULL';
  /** SQLite may end the whole transaction with the statement that failed, as it does for most of these errors. */
  readonly rollsBack: boolean;
}

export interface FaultyDriver {
  readonly driver: SqliteDriver;
  /** Calls so far, with the failed one. */
  readonly calls: () => number;
}

export function faultyDriver(sound: SqliteDriver, { at, code, rollsBack }: DriverFault): FaultyDriver {
  let calls = 0;
  let inTransaction = false;
  /** What ended the transaction that is running: the rest of its body is refused alike (see `SqliteDriver.transaction`). */
  let ended: TendrilError | null = null;
  const count = (statement: string): void => {
    if (ended !== null) throw ended;
    calls += 1;
    if (calls !== at) return;
    // A driver leaves nothing under a savepoint that it could not leave.
    if (rollsBack || (!inTransaction && /^(?:ROLLBACK TO|RELEASE) /.test(statement))) rollBack(sound);
    const message = code === 'SQLITE_FULL' ? 'database or disk is full' : 'disk I/O error';
    const failure = sqliteFailure({ code, message }, statement);
    if (inTransaction) ended = failure;
    throw failure;
  };
  const counted = <Rest extends unknown[], Result>(call: (sql: string, ...rest: Rest) => Result) => {
    return (sql: string, ...rest: Rest): Result => {
      count(sql);
      return call(sql, ...rest);
    };
  };
  const run = counted(sound.run);
  const driver: SqliteDriver = {
    ...sound,
    run,
    all: counted(sound.all),
    get: counted(sound.get),
    iterate: counted(sound.iterate),
    exec: counted(sound.exec),
    transaction: (body) => {
      assert(!inTransaction, 'a transaction of the driver was begun inside another');
      run('BEGIN IMMEDIATE');
      inTransaction = true;
      try {
        const result = body();
        if (ended !== null) throw ended;
        run('COMMIT');
        return result;
      } catch (error) {
        rollBack(sound);
        throw error;
      } finally {
        inTransaction = false;
        ended = null;
      }
    },
  };
  return { driver, calls: () => calls };
}

function rollBack(driver: SqliteDriver): void {
  try {
    driver.run('ROLLBACK');
  } catch {
    // There is no transaction, or it is over.
  }
}
