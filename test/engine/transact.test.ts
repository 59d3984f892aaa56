import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MAX_OPEN_TRANSACTIONS, MAX_RETRIES, MAX_TRANSACTION_MS } from '../../engine/write/transact.ts';
import { collection, integer, memory, Node, type Transaction, text } from '../../index.ts';
import {
  MAX_PRECURSORS,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  MAX_VALUE_BYTES,
  type SqliteDriver,
} from '../../storage/index.ts';
import { bytesOf, createAuthor } from '../support/author.ts';
import { createTestScheduler, type TestScheduler } from '../support/ports.ts';

const Note = collection('note', { title: text().optional(), stars: integer().default(3) });

let node: Node;
let driver: SqliteDriver;
let scheduler: TestScheduler;
/** Transactions of the database begun so far. */
let begun: number;
/** Thrown instead of the next COMMIT, if not null. */
let failure: Error | null;
beforeEach(async () => {
  const real = await memory().open();
  begun = 0;
  failure = null;
  driver = {
    ...real,
    transaction: (body) => {
      begun += 1;
      return real.transaction(() => {
        const result = body();
        if (failure !== null) throw failure;
        return result;
      });
    },
  };
  scheduler = createTestScheduler();
  node = await Node.open({ collections: [Note], storage: { open: async () => driver }, ports: { scheduler } });
  begun = 0;
});
afterEach(() => node.close());

/** A promise that is resolved by hand. */
function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
const titles = async () => (await node.query(Note, 'true ORDER BY title')).map(({ title }) => title);

describe('groups', () => {
  test('a callback that returns what is only like a promise, and throws, harms no other', async () => {
    const like = {
      // biome-ignore lint/suspicious/noThenProperty: on purpose
      then: () => {
        throw new Error('no promise');
      },
    };
    const [bad, good] = await Promise.allSettled([
      node.transact(() => like as never),
      node.transact((tx) => tx.create(Note, { title: 'good' })),
    ]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { message: 'no promise' } });
    expect(good.status).toBe('fulfilled');
  });

  test('what is asked for at once is one transaction of the database, and each its own position', async () => {
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => node.transact((tx) => tx.create(Note, { title: `${index}` }))),
    );
    expect([begun, node.report().position]).toEqual([1, 50]);
  });

  test('in a file what is asked for until the next turn shares an fsync; in memory there is nothing to wait for', async () => {
    const twoInOneTurn = async (asked: Node) => {
      const first = asked.transact((tx) => tx.create(Note, {}));
      for (let microtask = 0; microtask < 10; microtask += 1) await null;
      await Promise.all([first, asked.transact((tx) => tx.create(Note, {}))]);
    };
    await twoInOneTurn(node);
    expect(begun).toBe(2);
    const real = await memory().open();
    let groups = 0;
    const file: SqliteDriver = {
      ...real,
      kind: 'file',
      transaction: (body) => {
        groups += 1;
        return real.transaction(body);
      },
    };
    const inFile = await Node.open({ collections: [Note], storage: { open: async () => file } });
    groups = 0;
    await twoInOneTurn(inFile);
    expect(groups).toBe(1);
    await inFile.close();
  });

  test('later members see earlier ones, also where one between them fails', async () => {
    const [id, , seen] = await Promise.allSettled([
      node.transact((tx) => tx.create(Note, { title: 'first' })),
      node.transact((tx) => {
        tx.create(Note, { title: 'failed' });
        throw new Error('on purpose');
      }),
      node.transact((tx) => tx.query(Note).map(({ title }) => title)),
    ]);
    expect([begun, id.status, seen]).toEqual([1, 'fulfilled', { status: 'fulfilled', value: ['first'] }]);
  });

  test('reads asked for from inside a callback wait for the end of the group', async () => {
    const reads: Promise<unknown>[] = [];
    await node.transact((tx) => {
      tx.create(Note, { title: 'committed' });
      reads.push(node.query(Note), node.sql('SELECT count(*) AS n FROM note'), node.operations());
    });
    await node
      .transact((tx) => {
        tx.create(Note, { title: 'rolled back' });
        reads.push(node.query(Note));
        throw new Error('on purpose');
      })
      .catch(() => undefined);
    const [rows, counted, operations, later] = await Promise.all(reads);
    expect(rows).toMatchObject([{ title: 'committed' }]);
    expect([counted, operations]).toMatchObject([[{ n: 1 }], [{ position: 1 }]]);
    expect(later).toEqual(rows);
  });

  test('a transaction begun inside a callback is one of its own', async () => {
    let inner: Promise<string> | undefined;
    await node.transact((tx) => {
      inner = node.transact((other) => other.create(Note, { title: `after ${other.query(Note).length}` }));
      tx.create(Note, { title: 'outer' });
    });
    await inner;
    expect(await titles()).toEqual(['after 1', 'outer']);
  });

  test('a COMMIT that fails fails all of them, and leaves memory and tables as before', async () => {
    const id = await node.transact((tx) => tx.create(Note, { title: 'before' }));
    failure = new Error('the disk is gone');
    const attempts = await Promise.allSettled([
      node.transact((tx) => tx.update(Note, id, { title: 'lost' })),
      node.transact(async (tx) => {
        tx.get(Note, id);
        await null;
      }),
      node.transact(() => {
        throw new Error('on purpose');
      }),
    ]);
    expect(attempts.map((attempt) => attempt.status === 'rejected' && attempt.reason.code)).toEqual([
      'storage-failed',
      'storage-failed',
      undefined,
    ]);
    expect([node.report().position, node.report().openTransactions, await titles()]).toEqual([1, 0, ['before']]);
    failure = null;
    await node.transact((tx) => tx.update(Note, id, { title: 'after' }));
    expect([node.report().position, await titles()]).toEqual([2, ['after']]);
    expect(await node.history(Note, id)).toMatchObject([{ position: 1 }, { position: 2 }]);
  });
});

describe('asynchronous transactions', () => {
  test('hold no lock: others commit while they are open', async () => {
    const { open, opened } = gate();
    const slow = node.transact(async (tx) => {
      tx.create(Note, { title: 'slow' });
      await opened;
    });
    await node.transact((tx) => tx.create(Note, { title: 'quick' }));
    expect([await titles(), node.report().openTransactions]).toEqual([['quick'], 1]);
    open();
    await slow;
    expect([await titles(), node.report().openTransactions]).toEqual([['quick', 'slow'], 0]);
  });

  test('conflict where an entity that they wrote has moved, and only there', async () => {
    const [one, two] = await node.transact((tx) => [tx.create(Note, { title: '1' }), tx.create(Note, { title: '2' })]);
    const { open, opened } = gate();
    const open2 = async (tx: Transaction, id: string) => {
      tx.get(Note, one!);
      await opened;
      tx.update(Note, id, { stars: 5 });
    };
    const attempts = [node.transact((tx) => open2(tx, one!)), node.transact((tx) => open2(tx, two!))];
    await node.transact((tx) => tx.update(Note, one!, { title: 'moved' }));
    open();
    await expect(attempts[0]).rejects.toMatchObject({ code: 'conflict', facts: { id: one, since: 1 } });
    await attempts[1];
    expect(await node.query(Note, 'stars = 5')).toMatchObject([{ id: two }]);
  });

  test('two that create one given id conflict, and so does one that began before it was created', async () => {
    const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
    const create = async (tx: Transaction) => {
      await null;
      tx.create(Note, { title: 'same' }, { id });
    };
    const attempts = await Promise.allSettled([node.transact(create), node.transact(create)]);
    expect(attempts.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(await node.history(Note, id)).toHaveLength(1);
  });

  test(`are retried up to ${MAX_RETRIES} times, and only after a conflict`, async () => {
    const id = await node.transact((tx) => tx.create(Note, { stars: 0 }));
    let runs = 0;
    const always = async (tx: Transaction) => {
      runs += 1;
      tx.get(Note, id);
      await node.transact((other) => other.update(Note, id, { stars: runs }));
      tx.update(Note, id, { title: 'never' });
    };
    await expect(node.transact(always, { retries: 2 })).rejects.toMatchObject({ code: 'conflict' });
    expect(runs).toBe(3);
    await expect(node.transact(always, { retries: MAX_RETRIES })).rejects.toMatchObject({ code: 'conflict' });
    expect(runs).toBe(3 + 1 + MAX_RETRIES);
    for (const retries of [MAX_RETRIES + 1, -1, 0.5, Number.NaN]) {
      await expect(node.transact(always, { retries })).rejects.toMatchObject({ code: 'limit-exceeded' });
    }
    for (const until of ['never', null] as unknown as 'local'[]) {
      const refused = { code: 'invalid-option', facts: { option: 'until' } };
      await expect(node.transact(always, { until })).rejects.toMatchObject(refused);
    }
    runs = 0;
    const throwing = async () => {
      runs += 1;
      await null;
      throw new Error('on purpose');
    };
    await expect(node.transact(throwing, { retries: 5 })).rejects.toThrow('on purpose');
    expect(runs).toBe(1);
  });

  test(`are ended after ${MAX_TRANSACTION_MS} ms, and not before`, async () => {
    const { open, opened } = gate();
    let tooLate: unknown;
    const slow = async (tx: Transaction) => {
      tx.create(Note, { title: 'slow' });
      await opened;
      try {
        tx.query(Note);
      } catch (error) {
        tooLate = error;
      }
    };
    const inTime = node.transact(slow);
    await node.transact(() => undefined);
    scheduler.pass(MAX_TRANSACTION_MS - 1);
    const late = node.transact(slow);
    await node.transact(() => undefined);
    expect(node.report().openTransactions).toBe(2);
    scheduler.pass(1);
    await expect(inTime).rejects.toMatchObject({ code: 'limit-exceeded' });
    open();
    await late;
    expect(tooLate).toMatchObject({ code: 'limit-exceeded' });
    expect([await titles(), scheduler.waiting()]).toEqual([['slow'], 0]);
  });

  test(`up to ${MAX_OPEN_TRANSACTIONS} may be open, and not one more`, async () => {
    const { open, opened } = gate();
    const waiting = Array.from({ length: MAX_OPEN_TRANSACTIONS }, () => node.transact(() => opened));
    const extra = node.transact(() => opened);
    await expect(extra).rejects.toMatchObject({ code: 'limit-exceeded' });
    expect(node.report().openTransactions).toBe(MAX_OPEN_TRANSACTIONS);
    open();
    await Promise.all(waiting);
  });

  test('cannot be used from inside the callback of another', async () => {
    const { open, opened } = gate();
    let leaked: Transaction | undefined;
    const outer = node.transact(async (tx) => {
      leaked = tx;
      await opened;
      return tx.query(Note).length;
    });
    await node.transact((tx) => {
      tx.create(Note, {});
      expect(() => leaked?.query(Note)).toThrow(expect.objectContaining({ code: 'conflict' }));
    });
    open();
    expect(await outer).toBe(0);
  });
});

describe('the bounds of a transaction', () => {
  const createMany = (count: number) => (tx: Transaction) => {
    for (let created = 0; created < count; created += 1) tx.create(Note, {});
  };

  test(`${MAX_TRANSACTION_OPERATIONS} operations, and not one more`, async () => {
    await node.transact(createMany(MAX_TRANSACTION_OPERATIONS));
    const tooMany = node.transact(createMany(MAX_TRANSACTION_OPERATIONS + 1));
    await expect(tooMany).rejects.toMatchObject({ code: 'limit-exceeded' });
    expect(node.report().position).toBe(1);
  });

  test('operations that narrow a head count as well', async () => {
    const ana = createAuthor('note');
    const root = ana.operation({});
    const tips = Array.from({ length: MAX_PRECURSORS + 1 }, () =>
      ana.operation({ entity: root.entity, precursors: [root.id], values: { stars: 1n } }),
    );
    await node.ingest(bytesOf(root, ...tips));
    const with9Tips = (others: number) => (tx: Transaction) => {
      createMany(others)(tx);
      tx.update(Note, root.entity, { stars: 2 });
    };
    await expect(node.transact(with9Tips(MAX_TRANSACTION_OPERATIONS - 1))).rejects.toMatchObject({
      code: 'limit-exceeded',
    });
    await node.transact(with9Tips(MAX_TRANSACTION_OPERATIONS - 2));
    expect(await node.history(Note, root.entity)).toHaveLength(tips.length + 3);
  });

  test(`${MAX_TRANSACTION_BYTES} bytes of operations, and not one more`, async () => {
    const full = 'x'.repeat(MAX_VALUE_BYTES);
    const create = (last: number) => (tx: Transaction) => {
      for (let count = 0; count < 15; count += 1) tx.create(Note, { title: full });
      return tx.create(Note, { title: 'x'.repeat(last) });
    };
    await node.transact(create(MAX_VALUE_BYTES - 10_000));
    const bytes = (await node.operations(0, 100)).reduce((sum, { bytes: each }) => sum + each.length, 0);
    const most = MAX_VALUE_BYTES - 10_000 + MAX_TRANSACTION_BYTES - bytes;
    await expect(node.transact(create(most + 1))).rejects.toMatchObject({ code: 'limit-exceeded' });
    await node.transact(create(most));
    const all = (await node.operations(1, 100)).reduce((sum, { bytes: each }) => sum + each.length, 0);
    expect([node.report().position, all]).toEqual([2, MAX_TRANSACTION_BYTES]);
  });

  test('a callback that writes without end is stopped before memory is', async () => {
    const full = 'x'.repeat(MAX_VALUE_BYTES);
    let written = 0;
    const endless = node.transact((tx) => {
      for (;;) {
        tx.create(Note, { title: full });
        written += 1;
      }
    });
    await expect(endless).rejects.toMatchObject({ code: 'limit-exceeded' });
    expect(written).toBe(MAX_TRANSACTION_BYTES / MAX_VALUE_BYTES);
  });

  test(`${MAX_VALUE_BYTES} bytes of one value, and not one more`, async () => {
    const id = await node.transact((tx) => tx.create(Note, { title: 'ä'.repeat(MAX_VALUE_BYTES / 2) }));
    const larger = node.transact((tx) => tx.update(Note, id, { title: `${'ä'.repeat(MAX_VALUE_BYTES / 2)}x` }));
    await expect(larger).rejects.toMatchObject({ code: 'limit-exceeded' });
  });
});
