import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Commit } from '../../engine/change.ts';
import {
  type CommitQueue,
  createCommitQueue,
  MAX_GROUP_BYTES,
  MAX_GROUP_MEMBERS,
  MAX_GROUP_OPERATIONS,
  MAX_WAITING_MEMBERS,
  type Outcome,
} from '../../engine/write/commit-queue.ts';
import { memory, type Position, type SqliteDriver, type TransactionId } from '../../storage/index.ts';

let driver: SqliteDriver;
let queue: CommitQueue;
/** The drain that was asked for and not yet run. */
let drain: (() => void) | null;
/** What happened, in order. */
let events: string[];

beforeEach(async () => {
  driver = await memory().open();
  driver.exec('CREATE TABLE written (name TEXT)');
  ({ queue, events } = queueOver(driver));
});
afterEach(() => driver.close());

function queueOver(over: SqliteDriver) {
  drain = null;
  const told: string[] = [];
  const made = createCommitQueue({
    driver: over,
    schedule: (task) => {
      expect(drain).toBeNull();
      drain = task;
    },
    publish: (commits) => told.push(`published ${commits.map(({ transaction }) => transaction)}`),
    mark: () => 0,
    rewind: () => told.push('rewind'),
  });
  return { queue: made, events: told };
}

const done = (name: string, operations = 1, bytes = 1): Outcome => {
  const commit: Commit = { transaction: name as TransactionId, position: 0 as Position, changes: [], touched: [] };
  return { kind: 'done', commits: [commit], operations, bytes };
};
function add(name: string, run: () => Outcome = () => done(name)): void {
  queue.add({
    run: () => {
      driver.run('INSERT INTO written VALUES (?)', [name]);
      return run();
    },
    committed: () => events.push(`committed ${name}`),
    failed: (error) => events.push(`failed ${name}: ${(error as { code?: string }).code ?? (error as Error).message}`),
  });
}
function runDrain(): void {
  const task = drain;
  drain = null;
  task?.();
}
const written = () => driver.all('SELECT name FROM written ORDER BY rowid').flat();

describe('the commit queue', () => {
  test('commits what was added before one turn together, publishes in order, then tells in order', () => {
    add('one');
    add('two');
    expect(written()).toEqual([]);
    runDrain();
    expect(written()).toEqual(['one', 'two']);
    expect(events).toEqual(['published one,two', 'committed one', 'committed two']);
    expect(drain).toBeNull();
  });

  test('a member that throws takes back its own work only', () => {
    add('one');
    add('bad', () => {
      throw new Error('on purpose');
    });
    add('two', () => {
      expect(written()).toEqual(['one', 'two']);
      return done('two');
    });
    runDrain();
    expect(written()).toEqual(['one', 'two']);
    expect(events).toEqual(['rewind', 'published one,two', 'committed one', 'failed bad: on purpose', 'committed two']);
  });

  test('a member that leaves has its work taken back and is told that the group was committed', () => {
    add('leaver', () => ({ kind: 'left' }));
    add('one');
    runDrain();
    expect(written()).toEqual(['one']);
    expect(events).toEqual(['rewind', 'published one', 'committed leaver', 'committed one']);
  });

  test('nobody is draining outside a group, and everybody inside', () => {
    add('one', () => {
      expect(queue.isDraining()).toBe(true);
      return done('one');
    });
    expect(queue.isDraining()).toBe(false);
    runDrain();
    expect(queue.isDraining()).toBe(false);
    expect(events).toContain('committed one');
  });

  test('a member may add members: they join the group', () => {
    add('outer', () => {
      add('inner');
      return done('outer');
    });
    runDrain();
    expect(events).toEqual(['published outer,inner', 'committed outer', 'committed inner']);
  });

  test('a failed COMMIT fails all its members with storage-failed, last first, and publishes nothing', () => {
    driver.exec('PRAGMA foreign_keys = ON; CREATE TABLE parent (id INTEGER PRIMARY KEY)');
    driver.exec('CREATE TABLE child (parent REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)');
    add('one');
    add('bad', () => {
      throw new Error('on purpose');
    });
    add('breaker', () => {
      driver.run('INSERT INTO child VALUES (1)');
      return done('breaker');
    });
    runDrain();
    expect(written()).toEqual([]);
    expect(events).toEqual([
      'rewind',
      'rewind',
      'failed breaker: storage-failed',
      'failed bad: on purpose',
      'failed one: storage-failed',
    ]);
    events.length = 0;
    add('after');
    runDrain();
    expect([written(), events]).toEqual([['after'], ['published after', 'committed after']]);
  });

  test('a failed BEGIN fails all that waits, and the next group is tried again', () => {
    const broken: SqliteDriver = {
      ...driver,
      transaction: () => {
        throw new Error('no BEGIN');
      },
    };
    ({ queue, events } = queueOver(broken));
    add('one');
    add('two');
    runDrain();
    expect(events).toEqual(['rewind', 'failed two: storage-failed', 'failed one: storage-failed']);
    add('three');
    expect(drain).not.toBeNull();
  });

  test('a savepoint that cannot be rolled back fails what had begun; what had not begins again', () => {
    const broken: SqliteDriver = {
      ...driver,
      run: (sql, parameters) => {
        if (sql.startsWith('ROLLBACK TO')) throw new Error('the disk is full');
        return driver.run(sql, parameters);
      },
    };
    ({ queue, events } = queueOver(broken));
    add('one');
    add('bad', () => {
      throw new Error('on purpose');
    });
    add('two');
    runDrain();
    expect(events).toEqual(['rewind', 'failed bad: storage-failed', 'failed one: storage-failed']);
    runDrain();
    expect([written(), events.slice(3)]).toEqual([['two'], ['published two', 'committed two']]);
  });

  test('a storage that cannot be read after a failure is read again before the next group', () => {
    let readable = false;
    queue = createCommitQueue({
      driver: {
        ...driver,
        transaction: (body) => {
          if (!readable) throw new Error('gone');
          return driver.transaction(body);
        },
      },
      schedule: (task) => {
        drain = task;
      },
      publish: () => undefined,
      mark: () => 0,
      rewind: () => {
        events.push('rewind');
        if (!readable) throw new Error('gone');
      },
    });
    add('one');
    runDrain();
    expect(events).toEqual(['rewind', 'failed one: storage-failed']);
    add('two');
    runDrain();
    expect(events.slice(2)).toEqual(['rewind', 'rewind', 'failed two: storage-failed']);
    readable = true;
    add('three');
    runDrain();
    expect(events.slice(5)).toEqual(['rewind', 'committed three']);
  });

  test('members are told even where a publication fails', () => {
    queue = createCommitQueue({
      driver,
      schedule: (task) => {
        drain = task;
      },
      publish: () => {
        throw new Error('a bug');
      },
      mark: () => 0,
      rewind: () => undefined,
    });
    add('one');
    expect(runDrain).toThrow('a bug');
    expect(events).toEqual(['committed one']);
  });
});

describe('the bounds of a group', () => {
  const groupsOf = (count: number, outcome: (name: string) => Outcome): number[] => {
    for (let number = 0; number < count; number += 1) queue.add(quiet(`${number}`, outcome));
    const sizes: number[] = [];
    while (drain !== null) {
      events.length = 0;
      runDrain();
      sizes.push(events.length - 1);
    }
    return sizes;
  };
  const quiet = (name: string, outcome: (name: string) => Outcome) => ({
    run: () => outcome(name),
    committed: () => events.push(name),
    failed: () => events.push('failed'),
  });

  test(`${MAX_GROUP_MEMBERS} members are one group, one more begins another`, () => {
    expect(groupsOf(MAX_GROUP_MEMBERS, done)).toEqual([MAX_GROUP_MEMBERS]);
    expect(groupsOf(MAX_GROUP_MEMBERS + 1, done)).toEqual([MAX_GROUP_MEMBERS, 1]);
  });

  test(`a group that has ${MAX_GROUP_OPERATIONS} operations takes no further member`, () => {
    expect(groupsOf(3, (name) => done(name, MAX_GROUP_OPERATIONS / 2 - 1))).toEqual([3]);
    expect(groupsOf(3, (name) => done(name, MAX_GROUP_OPERATIONS / 2))).toEqual([2, 1]);
  });

  test(`a group that has ${MAX_GROUP_BYTES} bytes takes no further member`, () => {
    expect(groupsOf(3, (name) => done(name, 1, MAX_GROUP_BYTES / 2 - 1))).toEqual([3]);
    expect(groupsOf(3, (name) => done(name, 1, MAX_GROUP_BYTES / 2))).toEqual([2, 1]);
  });

  test(`${MAX_WAITING_MEMBERS} members may wait; one more fails at once`, () => {
    const errors: unknown[] = [];
    const member = { run: () => done(''), committed: () => undefined, failed: (error: unknown) => errors.push(error) };
    for (let number = 0; number < MAX_WAITING_MEMBERS; number += 1) queue.add(member);
    expect(errors).toEqual([]);
    queue.add(member);
    expect(errors).toMatchObject([{ code: 'limit-exceeded' }]);
  });
});
