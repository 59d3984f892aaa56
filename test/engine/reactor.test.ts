/** The reactor and its views over one bare table, where groups, drains and failures are in the test's hands. */
import { beforeEach, describe, expect, test } from 'vitest';
import { applied, type ChangeSet } from '../../engine/live/change-set.ts';
import type { LiveQuery } from '../../engine/live/live-query.ts';
import { type Item, type LiveTable, openLiveTable, put, remove } from '../support/live-table.ts';

let table: LiveTable;

beforeEach(async () => {
  table = await openLiveTable();
});

describe('sharing', () => {
  test('identical selections share one view, however they are written, and one more costs no read', () => {
    table.write(put('a', { kind: 'x' }));
    const first = table.open('kind = ?', ['x']);
    const { hydrated } = table.reactor.report().work;
    const second = table.open("kind='x'");
    expect(table.reactor.report()).toMatchObject({ liveQueries: 2, views: 1, work: { hydrated } });
    expect(second.rows).toBe(first.rows);
    expect(first.explain().sharedBy).toBe(2);
  });

  test('the views of one changed row share its decoded object', () => {
    const [all, some] = [table.open(''), table.open('rank > 1 ORDER BY weight')];
    table.write(put('a', { rank: 2 }));
    expect(all.rows[0]).toBe(some.rows[0]);
  });

  test('so do those whose order is computed', () => {
    const [all, some] = [table.open(''), table.open('rank > 1 ORDER BY rank % 2, length(name)')];
    table.write(put('a', { rank: 2 }), put('b', { rank: 4, name: 'b' }), put('c', { rank: 3 }));
    expect(some.rows.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    for (const row of some.rows) expect(all.rows).toContain(row);
  });

  test('what was closed leaves no entry anywhere', () => {
    const texts = [
      '',
      "kind = 'x'",
      'rank BETWEEN 1 AND 5 LIMIT 3',
      "name LIKE 'a%'",
      'rank IS NULL',
      'rank IN (1, 2)',
    ];
    const open = [...texts, ...texts].map((text) => table.open(text));
    expect(table.reactor.report()).toMatchObject({
      liveQueries: 12,
      views: 6,
      index: { every: 1, intervals: 1, prefixes: 1 },
    });
    for (const live of open) live.close();
    expect(table.reactor.report()).toMatchObject({
      liveQueries: 0,
      views: 0,
      index: { columns: 0, equal: 0, intervals: 0, prefixes: 0, nulls: 0, every: 0 },
    });
  });
});

describe('work', () => {
  test('a change is shown to the selections it may concern, and to no other', () => {
    for (let kind = 0; kind < 100; kind += 1) table.open('kind = ?', [`kind ${kind}`]);
    table.write(put('a', { kind: 'kind 7' }));
    expect(table.reactor.report().work).toMatchObject({ visited: 1, evaluated: 1, concerned: 1 });
    table.write(put('a', { kind: 'kind 8' }));
    expect(table.reactor.report().work).toMatchObject({ visited: 3, evaluated: 5, concerned: 3 });
    table.write(put('b', { kind: 'another' }));
    expect(table.reactor.report().work).toMatchObject({ visited: 3, evaluated: 5 });
  });

  test('without listeners no change set is made, and without a look nothing is decoded again', () => {
    const live = table.open('');
    table.write(put('a'));
    expect(table.reactor.report().work.changeSets).toBe(0);
    live.onChange(() => {});
    table.write(put('b'));
    expect(table.reactor.report().work.changeSets).toBe(1);
  });

  test('LIMIT 0 is never concerned', () => {
    const live = table.open('rank > 0 LIMIT 0');
    table.write(put('a', { rank: 1 }));
    expect(live.rows).toEqual([]);
    expect(table.reactor.report().work).toMatchObject({ visited: 0, hydrated: 0 });
  });
});

describe('groups', () => {
  test('every live query shows the same transaction when its callbacks run', () => {
    const [all, some] = [table.open(''), table.open('rank > 1')];
    const seen: (readonly number[])[] = [];
    some.onChange(() => seen.push([all.rows.length, some.rows.length]));
    all.onChange(() => seen.push([all.rows.length, some.rows.length]));
    table.writeGroup([[put('a', { rank: 2 })], [put('b', { rank: 2 }), put('c')], [remove('a')]]);
    expect(seen.flatMap((pair) => pair.join())).toEqual(['1,1', '1,1', '3,2', '3,2', '2,1', '2,1']);
  });

  test('a window that must be read again shows the rows as they stood at its transaction, not later', () => {
    const ids = Array.from({ length: 40 }, (_, at) => `row ${String(at).padStart(2, '0')}`);
    table.write(...ids.map((id, rank) => put(id, { rank })));
    const live = table.open('rank >= 0 ORDER BY rank LIMIT 5');
    const changes = changesOf(live);
    const before = live.rows;
    table.writeGroup([
      ids.slice(0, 12).map(remove),
      [put('row 12', { rank: 99 }), put('row 13', { rank: -1 }), put('new', { rank: 13 }), remove('row 14')],
      [put('row 15', { rank: 15, name: 'renamed' })],
    ]);
    expect(changes).toHaveLength(3);
    expect(changes[0]!.rows.map(({ id }) => id)).toEqual(ids.slice(12, 17));
    expect(changes[0]!.rows.map(({ name }) => name)).toEqual([null, null, null, null, null]);
    expect(changes.reduce<readonly Item[]>((rows, change) => applied(rows, change), before)).toEqual(live.rows);
    expect(live.rows).toEqual(table.fresh('rank >= 0 ORDER BY rank LIMIT 5'));
    expect(table.reactor.report().work.refills).toBeGreaterThan(0);
  });

  test('a live query opened by a callback, while later transactions of the group wait, sees each commit once', () => {
    const first = table.open('');
    const opened: LiveQuery<Item>[] = [];
    const changes: ChangeSet<Item>[] = [];
    const stop = first.onChange(() => {
      stop();
      const live = table.open('rank > 0');
      opened.push(live);
      live.onChange((change) => changes.push(change));
    });
    table.writeGroup([[put('a', { rank: 1 })], [put('b', { rank: 1 })], [remove('a')]]);
    expect(opened[0]!.rows.map(({ id }) => id)).toEqual(['b']);
    expect(changes).toEqual([]);
    table.write(put('c', { rank: 1 }));
    expect(opened[0]!.rows.map(({ id }) => id)).toEqual(['b', 'c']);
    expect(changes).toHaveLength(1);
  });

  test('one opened by a callback on a view that is open already goes on from its rows', () => {
    const first = table.open('');
    const rows: (readonly Item[])[] = [];
    const stop = first.onChange(() => {
      stop();
      table.open('').subscribe((now) => rows.push(now));
    });
    table.writeGroup([[put('a')], [put('b')]]);
    expect(rows.map((each) => each.length)).toEqual([1, 2]);
  });
});

describe('net effect', () => {
  test('a row that one transaction writes twice is told of once; one that it leaves as it was, not at all', () => {
    table.write(put('a', { rank: 1 }));
    const changes = changesOf(table.open(''));
    table.write(put('a', { rank: 2 }), put('a', { rank: 3 }), put('b'), remove('b'));
    table.write(put('a', { rank: 4 }), put('a', { rank: 3 }));
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({ removed: [], added: [], updated: [{ before: { rank: 1 }, row: { rank: 3 } }] });
  });
});

describe('failures', () => {
  test('a window that cannot be read again says so, harms no other, and is read anew with the next change', () => {
    table.write(...Array.from({ length: 30 }, (_, at) => put(`${10 + at}`, { rank: at })));
    const [live, other] = [table.open('rank >= 0 ORDER BY rank LIMIT 2'), table.open('')];
    const changes = changesOf(live);
    const before = live.rows;
    table.failNextRead(new Error('the disk is gone'));
    table.write(...Array.from({ length: 10 }, (_, at) => remove(`${10 + at}`)));
    expect(table.errors).toEqual([new Error('the disk is gone')]);
    expect(live.error).toMatchObject({ code: 'storage-failed', cause: new Error('the disk is gone') });
    expect(live.status).toBe('local');
    expect(other.rows).toHaveLength(20);
    table.write(remove('20'));
    expect(live.error).toBeNull();
    expect(live.rows).toEqual(table.fresh('rank >= 0 ORDER BY rank LIMIT 2'));
    expect(changes.reduce<readonly Item[]>((rows, change) => applied(rows, change), before)).toEqual(live.rows);
  });

  test('a live query that cannot be read is not opened', () => {
    table.failNextRead(new Error('the disk is gone'));
    expect(() => table.open('')).toThrow('the disk is gone');
    expect(table.reactor.report()).toMatchObject({ liveQueries: 0, views: 0, index: { every: 0 } });
  });

  test('a predicate that fails on a row fails for its own live query only', () => {
    const [live, other] = [table.open('abs(rank) > 1'), table.open('')];
    table.driver.exec("INSERT INTO item (id, rank) VALUES ('least', -9223372036854775808)");
    const row = table.driver.get('SELECT id, kind, rank, weight, name FROM item')!;
    table.reactor.commit([
      {
        transaction: 'by hand' as never,
        position: 1_000 as never,
        changes: [{ collection: 'item', id: 'least' as never, before: null, after: row }],
        touched: [],
      },
    ]);
    expect(other.rows).toHaveLength(1);
    expect(live.error).not.toBeNull();
    expect(table.errors).not.toEqual([]);
  });
});

describe('drains', () => {
  test('a live query asked for inside a drain is read at its end', async () => {
    const drain = table.beginDrain();
    const live = table.open('');
    const seen: number[] = [];
    live.subscribe((rows) => seen.push(rows.length));
    const { ready } = live;
    expect([live.status, live.rows]).toEqual(['syncing', []]);
    table.write(put('a'));
    expect(live.rows).toEqual([]);
    drain.end();
    await ready;
    expect([live.status, live.rows.length]).toEqual(['complete', 1]);
    expect(seen).toEqual([0, 1]);
  });

  test('one that cannot be read then is told so by `ready` and `error`', async () => {
    const drain = table.beginDrain();
    const live = table.open('');
    const { ready } = live;
    table.failNextRead(new Error('the disk is gone'));
    drain.end();
    const told = { code: 'storage-failed', cause: new Error('the disk is gone') };
    await expect(ready).rejects.toMatchObject(told);
    await expect(live.ready).rejects.toMatchObject(told);
    expect(live.status).toBe('local');
  });

  test('one that was closed before is never read', async () => {
    const drain = table.beginDrain();
    const live = table.open('');
    const { ready } = live;
    live.close();
    drain.end();
    await expect(ready).rejects.toMatchObject({ code: 'closed' });
    expect(table.reactor.report()).toMatchObject({ liveQueries: 0, views: 0, work: { hydrated: 0 } });
  });
});

test.each(['rank > ?1 ORDER BY rank LIMIT ?1', 'rank > 1 ORDER BY rank LIMIT ?1', 'rank > ?1 ORDER BY rank LIMIT 1'])(
  'a LIMIT is told from the same parameter elsewhere: %s',
  (text) => {
    table.write(...Array.from({ length: 20 }, (_, rank) => put(`${10 + rank}`, { rank })));
    const live = table.open(text, [1]);
    for (let gone = 0; gone < 18; gone += 1) {
      expect(live.rows).toEqual(table.fresh(text, [1]));
      expect(live.rows).toHaveLength(1);
      table.write(remove(live.rows[0]!.id));
    }
    expect(live.rows).toEqual([]);
  },
);

test('OFFSET is refused at its place', () => {
  expect(() => table.open('rank > 1 LIMIT 5 OFFSET 2')).toThrow(
    expect.objectContaining({ code: 'query-unsupported', facts: expect.objectContaining({ offset: 24 }) }),
  );
});

function changesOf(live: LiveQuery<Item>): ChangeSet<Item>[] {
  const changes: ChangeSet<Item>[] = [];
  live.onChange((change) => changes.push(change));
  return changes;
}
