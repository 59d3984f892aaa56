/** What an ephemeral node keeps in memory beside its tables: its journal, its outbox, and what rows were lately. */
import { beforeEach, describe, expect, test } from 'vitest';
import { openEphemeral } from '../../engine/open-ephemeral.ts';
import { rowKey } from '../../engine/row-key.ts';
import { Outbox } from '../../engine/upstream/outbox/outbox.ts';
import { RecentRows } from '../../engine/upstream/overlay/recent-rows.ts';
import { Journal } from '../../engine/write/journal.ts';
import { idFrom } from '../../index.ts';
import {
  type EntityId,
  MAX_UNDO_ROWS,
  memory,
  type OperationId,
  openStore,
  type Position,
  type Rows,
  type SqliteDriver,
  type StoredRow,
  type TransactionId,
} from '../../storage/index.ts';
import { failureOf } from '../support/failure.ts';
import { pendingOf } from './pending.ts';
import { createWorld, Note, refusal, refusing } from './world.ts';

const at = (position: number) => position as Position;
const transaction = (number: number) => idFrom('transaction', number) as string as TransactionId;
const [A, B] = [idFrom('note', 'a'), idFrom('note', 'b')];

describe('a journal', () => {
  test('takes back what was recorded since the mark, last first, and forgets what was committed', () => {
    const journal = new Journal();
    const map = new Map([['kept', 1]]);
    journal.set(map, 'kept', 2);
    const mark = journal.mark();
    journal.set(map, 'kept', 3);
    journal.set(map, 'new', 1);
    journal.set(map, 'kept', undefined);
    const order: string[] = [];
    journal.record(() => order.push('first'));
    journal.record(() => order.push('second'));
    expect([...map]).toEqual([['new', 1]]);
    journal.rewind(mark);
    expect(order).toEqual(['second', 'first']);
    expect([...map]).toEqual([['kept', 2]]);
    journal.rewind(0);
    expect([...map]).toEqual([['kept', 1]]);
    journal.set(map, 'kept', 9);
    journal.clear();
    journal.rewind(0);
    expect([map.get('kept'), journal.mark()]).toEqual([9, 0]);
  });

  test('tells an entry that holds undefined from none', () => {
    const journal = new Journal();
    const map = new Map<string, undefined | number>([['held', undefined]]);
    journal.set(map, 'held', 1);
    journal.rewind(0);
    expect(map.has('held')).toBe(true);
  });

  test('and the rows kept of late do not grow while nothing is written, and nobody sees a difference', async () => {
    const world = await createWorld();
    const ana = await world.follow();
    const parts = await openEphemeral({ collections: [Note] }, ana.upstream);
    await world.quiet();
    for (let turn = 0; turn < 5; turn += 1) await parts.transactor.transact(() => undefined);
    expect(parts.replica.journal.mark()).toBe(0);
    await parts.transactor.transact((tx) => tx.create(Note, { title: 'x' }), { until: 'settled' });
    await world.quiet();
    expect(parts.replica.journal.mark()).toBe(0);
    await parts.replica.close(refusal());
    parts.core.driver.close();
  });
});

describe('an outbox', () => {
  let journal: Journal;
  let outbox: Outbox;
  const [first, second, third] = [transaction(1), transaction(2), transaction(3)];
  const one = pendingOf(first, 1, 10, A);
  const two = [pendingOf(second, 2, 20, A), pendingOf(second, 3, 30, B)] as const;
  const three = pendingOf(third, 4, 40, A);

  beforeEach(() => {
    journal = new Journal();
    outbox = new Outbox(journal);
    outbox.add(first, [one]);
    outbox.add(second, two);
    outbox.add(third, [three]);
    journal.clear();
  });

  const state = () => [
    outbox.inOrder(),
    outbox.bytes,
    outbox.operationsOf(rowKey('note', A)),
    outbox.operationsOf(rowKey('note', B)),
  ];

  test('keeps the transactions in the order they were made, and the operations of each row in theirs', () => {
    expect(outbox.inOrder().map(({ transaction, attempt }) => [transaction, attempt])).toEqual([
      [first, 1],
      [second, 1],
      [third, 1],
    ]);
    expect(outbox.operationsOf(rowKey('note', A))).toEqual([one, two[0], three]);
    expect([outbox.size, outbox.bytes]).toEqual([3, 100]);
  });

  test('forgets one that is removed, and leaves nothing of the last of a row', () => {
    outbox.remove(outbox.get(second)!);
    expect(outbox.operationsOf(rowKey('note', A))).toEqual([one, three]);
    expect(outbox.operationsOf(rowKey('note', B))).toEqual([]);
    expect([outbox.size, outbox.bytes, outbox.get(second)]).toEqual([2, 50, undefined]);
  });

  test('keeps the place of one that is made anew, and takes the new operations for the old, one for one', () => {
    const anew = [pendingOf(second, 5, 25, A), pendingOf(second, 6, 35, B)];
    outbox.renew(outbox.get(second)!, anew, 1);
    expect(outbox.inOrder().map(({ transaction }) => transaction)).toEqual([first, second, third]);
    expect(outbox.get(second)).toMatchObject({ attempt: 2, rebases: 1, operations: anew });
    expect(outbox.operationsOf(rowKey('note', A))).toEqual([one, anew[0], three]);
    expect(outbox.bytes).toBe(110);
    expect(() => outbox.renew(outbox.get(first)!, anew, 0)).toThrow();
  });

  test('is as it was when a group is not committed, and in the same order', () => {
    const before = state();
    outbox.remove(outbox.get(first)!);
    outbox.renew(outbox.get(second)!, [pendingOf(second, 5, 25, A), pendingOf(second, 6, 35, B)], 1);
    outbox.remove(outbox.get(second)!);
    outbox.add(transaction(4), [pendingOf(transaction(4), 7, 70, A)]);
    expect(state()).not.toEqual(before);
    journal.rewind(0);
    expect(state()).toEqual(before);
  });
});

describe('the rows of late', () => {
  let driver: SqliteDriver;
  let rows: Rows;
  let recent: RecentRows;
  let journal: Journal;
  let position = 0;

  beforeEach(async () => {
    driver = await memory().open();
    let ids = 0;
    const store = openStore(driver, [Note], () => {
      ids += 1;
      return idFrom('node', ids);
    });
    rows = store.rows;
    journal = new Journal();
    recent = new RecentRows(driver, rows, journal);
    position = 0;
    return () => driver.close();
  });

  function row(id: EntityId, title: string): StoredRow {
    const operation = idFrom('operation', title) as string as OperationId;
    const rest = { versions: { base: operation, listed: [] }, deleted: null, asOf: at(0), extra: [] };
    return { values: [id, title, null, 0], head: [operation], ...rest };
  }

  /** A commit of one row. */
  function write(id: EntityId, title: string | null): void {
    position += 1;
    const before = rows.read('note', id);
    recent.note(at(position), 'note', id, before);
    if (title !== null) rows.write('note', id, before, row(id, title));
    else rows.erase('note', id);
  }

  const titlesAt = (then: number, collections = ['note']) =>
    recent.readAt(at(then), collections, () =>
      driver.all('SELECT title FROM note ORDER BY title').map(([title]) => title),
    );
  const titleAt = (then: number, id: EntityId) => recent.rowAt(at(then), 'note', id)?.values[1] ?? null;

  test('stand as they did at a position while they are read, and as they are afterwards', () => {
    write(A, 'a1');
    write(B, 'b1');
    write(A, 'a2');
    write(B, null);
    write(A, 'a3');
    expect([0, 1, 2, 3, 4, 5].map((then) => titlesAt(then))).toEqual([
      [],
      ['a1'],
      ['a1', 'b1'],
      ['a2', 'b1'],
      ['a2'],
      ['a3'],
    ]);
    expect([0, 1, 2, 3, 4, 5].map((then) => [titleAt(then, A), titleAt(then, B)])).toEqual([
      [null, null],
      ['a1', null],
      ['a1', 'b1'],
      ['a2', 'b1'],
      ['a2', null],
      ['a3', null],
    ]);
    expect(driver.all('SELECT title FROM note')).toEqual([['a3']]);
    expect(titlesAt(2, [])).toEqual(['a3']);
  });

  test('are back also when the read throws', () => {
    write(A, 'a1');
    write(A, 'a2');
    const fail = () => {
      throw new Error('no');
    };
    expect(() => recent.readAt(at(1), ['note'], fail)).toThrow('no');
    expect(driver.all('SELECT title FROM note')).toEqual([['a2']]);
  });

  test('forget what a rollback has taken back', () => {
    write(A, 'a1');
    const mark = journal.mark();
    driver.run('SAVEPOINT one');
    write(A, 'a2');
    driver.run('ROLLBACK TO one');
    driver.run('RELEASE one');
    journal.rewind(mark);
    position -= 1;
    expect(titlesAt(1)).toEqual(['a1']);
    expect(titlesAt(0)).toEqual([]);
  });

  test('are forgotten when nobody reads, but for those of the group that was just committed', () => {
    write(A, 'a1');
    recent.trim(false, at(1));
    write(A, 'a2');
    write(A, 'a3');
    recent.trim(false, at(3));
    expect(titlesAt(1)).toEqual(['a1']);
    expect(failureOf(() => titlesAt(0)).code).toBe('limit-exceeded');
    // Told twice of one group, it forgets no more.
    recent.trim(false, at(3));
    expect(titlesAt(2)).toEqual(['a2']);
    write(A, 'a4');
    recent.trim(false, at(4));
    expect(failureOf(() => titleAt(2, A)).code).toBe('limit-exceeded');
    expect(titlesAt(3)).toEqual(['a3']);
  });

  test('reach back over MAX_UNDO_ROWS rows while somebody reads, and no further', () => {
    for (let turn = 0; turn <= MAX_UNDO_ROWS; turn += 1) write(A, `${turn}`);
    recent.trim(true, at(position));
    expect(titlesAt(1)).toEqual(['0']);
    expect(failureOf(() => titlesAt(0)).code).toBe('limit-exceeded');
  });
});

describe('an asynchronous transaction', () => {
  test('reads its snapshot while the authority changes, deletes and takes away what it reads', async () => {
    const world = await createWorld();
    await world.authority.transact((tx) => {
      tx.create(Note, { title: 'a', stars: 1 }, { id: A });
      tx.create(Note, { title: 'b', stars: 1 }, { id: B });
    });
    const ana = await world.follow();
    const live = ana.node.live(Note, 'stars = 1 ORDER BY title');
    await live.ready;
    const read = await ana.node.transact(async (tx) => {
      const before = tx.query(Note, 'stars = 1 ORDER BY title');
      await world.authority.transact((other) => {
        other.update(Note, A, { title: 'changed' });
        other.update(Note, B, { stars: 2 });
        other.create(Note, { title: 'c', stars: 1 });
      });
      await world.quiet();
      await ana.node.transact((other) => other.update(Note, A, { body: 'mine' }));
      expect(tx.query(Note, 'stars = 1 ORDER BY title')).toEqual(before);
      expect(tx.get(Note, B)).toMatchObject({ title: 'b', stars: 1 });
      expect(tx.get(Note, A)).toMatchObject({ title: 'a', body: null });
      tx.create(Note, { title: 'own', stars: 1 });
      return tx.query(Note, 'stars = 1 ORDER BY title').map(({ title }) => title);
    });
    expect(read).toEqual(['a', 'b', 'own']);
    expect(live.rows.map(({ title }) => title)).toEqual(['c', 'changed', 'own']);
  });

  test('conflicts where the authority changed what it wrote, and where what it stands on was refused', async () => {
    const world = await createWorld();
    await world.authority.transact((tx) => void tx.create(Note, { title: 'a' }, { id: A }));
    const ana = await world.follow();
    await ana.node.live(Note).ready;
    let runs = 0;
    const write = ana.node.transact(
      async (tx) => {
        runs += 1;
        tx.update(Note, A, { stars: (tx.get(Note, A)?.stars ?? 0) + 1 });
        if (runs > 1) return;
        await world.authority.transact((other) => other.update(Note, A, { stars: 10 }));
        await world.quiet();
      },
      { retries: 1, until: 'settled' },
    );
    await write;
    expect(runs).toBe(2);
    expect(await world.authority.get(Note, A)).toMatchObject({ stars: 11 });
    ana.upstream.judge = refusing(() => true);
    ana.upstream.holdRequests = true;
    const id = await ana.node.transact((tx) => tx.create(Note, { title: 'no' }));
    const standing = ana.node.transact(async (tx) => {
      tx.update(Note, id, { stars: 1 });
      ana.upstream.holdRequests = false;
      await world.quiet();
    });
    await expect(standing).rejects.toMatchObject({ code: 'conflict' });
  });
});
