/** Live queries: listeners, iteration, reselecting and closing, over one bare table. */
import { beforeEach, describe, expect, test } from 'vitest';
import { applied, type ChangeSet } from '../../engine/live/change-set.ts';
import type { LiveQuery } from '../../engine/live/live-query.ts';
import { type Item, type LiveTable, openLiveTable, put, remove } from '../support/live-table.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const seed = seedFor('live query');
let table: LiveTable;

beforeEach(async () => {
  table = await openLiveTable();
  table.write(put('a', { rank: 1 }), put('b', { rank: 2 }), put('c', { rank: 3 }));
});

describe('rows', () => {
  test('are the same array until something changes, and unchanged rows the same objects after', () => {
    const live = table.open('rank < 10');
    const { rows } = live;
    table.write(put('x', { rank: 99 }));
    expect(live.rows).toBe(rows);
    table.write(put('b', { rank: 5 }));
    expect(live.rows).not.toBe(rows);
    expect([live.rows[0], live.rows[2]]).toEqual([rows[0], rows[2]]);
    expect(live.rows[0]).toBe(rows[0]);
    expect(live.rows[2]).toBe(rows[2]);
    expect(rows[1]).toMatchObject({ rank: 2 });
  });

  test('of a change set are those after it, however late they are looked at', () => {
    const live = table.open('');
    const changes = changesOf(live);
    for (const id of ['d', 'e', 'f']) table.write(put(id));
    table.write(remove('a'));
    expect(changes.map((change) => idsOf(change.rows))).toEqual(['abcd', 'abcde', 'abcdef', 'bcdef']);
    expect(changes[3]!.rows).toBe(live.rows);
    expect({ ...changes[0] }).toHaveProperty('rows');
  });
});

describe('subscribe', () => {
  test('calls at once, then after each change, until stopped', () => {
    const live = table.open('rank < 10');
    const seen: string[] = [];
    const stop = live.subscribe((rows) => seen.push(idsOf(rows)));
    table.write(put('d', { rank: 4 }));
    table.write(put('x', { rank: 99 }));
    stop();
    table.write(remove('a'));
    expect(seen).toEqual(['abc', 'abcd']);
  });

  test('inside a callback, is called with the rows of now and told only what comes after', () => {
    const live = table.open('');
    const seen: string[] = [];
    const stop = live.onChange(() => {
      stop();
      live.subscribe((rows) => seen.push(idsOf(rows)));
    });
    table.writeGroup([[put('d')], [put('e')]]);
    expect(seen).toEqual(['abcd', 'abcde']);
  });
});

test('a listener added while a change set waits for delivery starts from the rows after it, and is not told of it', () => {
  const [first, second] = [table.open('rank > 0'), table.open('')];
  let folded: readonly Item[] = [];
  second.onChange(() => {});
  const stop = first.onChange(() => {
    stop();
    folded = second.rows;
    second.onChange((change) => {
      folded = applied(folded, change);
    });
  });
  table.write(put('d', { rank: 4 }));
  expect(folded).toEqual(second.rows);
  table.write(put('e', { rank: 5 }));
  expect(folded).toEqual(second.rows);
  expect(idsOf(folded)).toBe('abcde');
});

describe('callbacks', () => {
  test('that throw, or reject, are told to onError and harm no other', async () => {
    const live = table.open('');
    const seen: string[] = [];
    live.onChange(() => {
      throw new Error('thrown');
    });
    live.onChange(() => Promise.reject(new Error('rejected')));
    live.subscribe(() => {
      throw new Error('at once');
    });
    live.onChange(({ rows }) => seen.push(idsOf(rows)));
    table.open('rank > 0').onChange(({ rows }) => seen.push(idsOf(rows)));
    table.write(put('d', { rank: 4 }));
    await Promise.resolve();
    expect(seen).toEqual(['abcd', 'abcd']);
    const messages = table.errors.map((error) => (error as Error).message);
    expect(messages).toEqual(['at once', 'thrown', 'at once', 'rejected']);
  });

  test('may close any live query, which then is told nothing more', () => {
    const [first, second] = [table.open(''), table.open('rank > 0')];
    const seen: string[] = [];
    first.onChange(() => {
      first.close();
      second.close();
    });
    first.onChange(() => seen.push('first'));
    second.onChange(() => seen.push('second'));
    table.writeGroup([[put('d', { rank: 4 })], [put('e', { rank: 5 })]]);
    expect(seen).toEqual([]);
    expect(table.reactor.report()).toMatchObject({ liveQueries: 0, views: 0 });
  });

  test('may stop another, which is not called even for the present change', () => {
    const live = table.open('');
    const seen: string[] = [];
    live.onChange(() => stop());
    const stop = live.onChange(() => seen.push('stopped'));
    table.write(put('d'));
    expect(seen).toEqual([]);
  });

  test('never run inside one another', () => {
    const [live, other] = [table.open(''), table.open('rank > 0')];
    const log: string[] = [];
    live.onChange(() => {
      log.push('begin');
      void other.reselect('rank > 2');
      table.write(remove('a'));
      log.push('end');
    });
    other.onChange(({ removed }) => log.push(`other lost ${removed.map(({ row }) => row.id)}`));
    table.write(put('d', { rank: 4 }));
    expect(log).toEqual(['begin', 'end', 'other lost ', 'other lost a,b', 'begin', 'end']);
  });
});

describe('iteration', () => {
  test('gives the change sets from the next one on, and ends when the live query is closed', async () => {
    const live = table.open('');
    const stream = live[Symbol.asyncIterator]();
    const next = stream.next();
    table.write(put('d'));
    expect((await next).value).toMatchObject({ added: [{ row: { id: 'd' }, index: 3 }] });
    const [after, last] = [stream.next(), stream.next()];
    live.close();
    expect(await after).toEqual({ value: undefined, done: true });
    expect(await last).toEqual({ value: undefined, done: true });
    expect(await live[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true });
  });

  test('leaves nothing behind when the loop is left', async () => {
    const live = table.open('');
    const loop = (async () => {
      for await (const { rows } of live) return idsOf(rows);
      return 'nothing';
    })();
    table.write(put('d'));
    expect(await loop).toBe('abcd');
    const { changeSets } = table.reactor.report().work;
    table.write(put('e'));
    expect(table.reactor.report().work.changeSets).toBe(changeSets);
  });

  test('a slow reader gets what it missed as one change set that leads to the same rows', async () => {
    const random = createRandom(seed);
    const live = table.open('rank IS NOT NULL ORDER BY rank LIMIT 6');
    let folded = live.rows;
    const stream = live[Symbol.asyncIterator]();
    for (let step = 0; step < runs(2_000); step += 1) {
      const id = random.pick([...'abcdefghijklmnop']);
      table.write(random.chance(0.3) ? remove(id) : put(id, { rank: random.integer(8) }));
      if (random.chance(0.7)) continue;
      const ahead = live.rows;
      table.write(put('marker', { rank: -1 - step }));
      const { value } = await stream.next();
      folded = applied(folded, value as ChangeSet<Item>);
      expect(folded).toEqual(live.rows);
      expect((value as ChangeSet<Item>).rows).toBe(live.rows);
      expect(ahead).not.toBe(live.rows);
    }
  });

  test('a reader that takes nothing for a long time holds no more than the rows', async () => {
    const live = table.open('');
    const stream = live[Symbol.asyncIterator]();
    for (let step = 0; step < 500; step += 1) table.write(put('a', { rank: step + 10 }));
    table.write(put('gone'));
    table.write(remove('gone'));
    const { value } = await stream.next();
    expect(value).toMatchObject({ removed: [], added: [], updated: [{ before: { rank: 1 }, row: { rank: 509 } }] });
  });
});

describe('reselect', () => {
  test('gives exactly the differences as one change set, keeps listeners, and rows that stay the same objects', async () => {
    const live = table.open('rank <= 2 ORDER BY rank');
    const changes = changesOf(live);
    const kept = live.rows[1];
    await live.reselect('rank >= 2 ORDER BY rank DESC');
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({
      removed: [{ row: { id: 'a' }, index: 0 }],
      added: [{ row: { id: 'c' }, index: 0 }],
      updated: [],
    });
    expect(live.rows[1]).toBe(kept);
    table.write(put('d', { rank: 9 }));
    expect(changes).toHaveLength(2);
    expect(idsOf(live.rows)).toBe('dcb');
  });

  test('to the same selection, or to one with the same rows, is no change', async () => {
    const live = table.open('rank <= 2');
    const changes = changesOf(live);
    await live.reselect('rank <= ?', [2]);
    await live.reselect('rank < 3');
    expect(changes).toEqual([]);
    expect(table.reactor.report()).toMatchObject({ liveQueries: 1, views: 1 });
  });

  test('in another order moves as few rows as possible', async () => {
    const live = table.open('ORDER BY rank');
    const changes = changesOf(live);
    await live.reselect('ORDER BY rank = 1, rank');
    expect(changes).toMatchObject([
      { removed: [], added: [], updated: [{ row: { id: 'a' }, before: { id: 'a' }, from: 0, index: 2 }] },
    ]);
  });

  test('to what is refused rejects and changes nothing', async () => {
    const live = table.open('rank <= 2');
    await expect(live.reselect('rank <=')).rejects.toMatchObject({ code: 'query-syntax' });
    await expect(live.reselect('', [])).resolves.toBeUndefined();
    await expect(live.reselect('rank < 1 LIMIT 1 OFFSET 1')).rejects.toMatchObject({ code: 'query-unsupported' });
    expect(idsOf(live.rows)).toBe('abc');
    live.close();
    await expect(live.reselect('')).rejects.toMatchObject({ code: 'closed' });
  });

  test('by a callback, before a change set of the same transaction was delivered: both come, in order, and fold', async () => {
    const [first, second] = [table.open('rank > 0'), table.open('')];
    let folded = second.rows;
    second.onChange((change) => {
      folded = applied(folded, change);
      expect(change.rows).toEqual(folded);
    });
    first.onChange(() => second.reselect('rank >= 3'));
    table.writeGroup([[put('d', { rank: 4 }), remove('a')], [put('e', { rank: 5 })]]);
    await Promise.resolve();
    expect(folded).toEqual(second.rows);
    expect(idsOf(folded)).toBe('cde');
    expect(table.errors).toEqual([]);
  });
});

describe('close', () => {
  test('keeps the rows as they were, also where others share the view and it goes on', () => {
    const [live, other] = [table.open(''), table.open('')];
    live.close();
    live.close();
    table.write(put('d'));
    expect(idsOf(live.rows)).toBe('abc');
    expect(idsOf(other.rows)).toBe('abcd');
    expect(() => live.explain()).toThrow(expect.objectContaining({ code: 'closed' }));
  });

  test('stops `using`, where the platform has it', () => {
    const live = table.open('');
    live[Symbol.dispose]();
    expect(table.reactor.report().liveQueries).toBe(0);
  });

  test('`ready` of what was open before stays settled', async () => {
    const live = table.open('');
    const { ready } = live;
    live.close();
    await expect(ready).resolves.toBeUndefined();
  });
});

test('explain names how rows are matched, by what they are found, and how SQLite reads them', () => {
  const live = table.open("rank BETWEEN 1 AND 2 AND name LIKE 'a%'");
  expect(live.explain()).toMatchObject({ matched: 'generic', sharedBy: 1, index: ['"rank" >= 1 AND "rank" <= 2'] });
  expect(live.explain().plan.join()).toContain('item');
  expect(table.open('length(name) > 2').explain()).toMatchObject({ index: ['every change of item'] });
  expect(table.open("kind = 'x' OR rank IS NULL").explain().index).toEqual(['"kind" = x', '"rank" IS NULL']);
});

function changesOf(live: LiveQuery<Item>): ChangeSet<Item>[] {
  const changes: ChangeSet<Item>[] = [];
  live.onChange((change) => changes.push(change));
  return changes;
}

function idsOf(rows: readonly Item[]): string {
  return rows.map(({ id }) => id).join('');
}
