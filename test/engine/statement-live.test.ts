/** Whole statements kept live, by the general rule: run again for what touches them, told as differences. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { applied, type ChangeSet } from '../../engine/live/change-set.ts';
import type { LiveQuery } from '../../engine/live/live-query.ts';
import { createPrepareStatement } from '../../engine/live/statement-live.ts';
import { type DurableParts, openDurable } from '../../engine/open-durable.ts';
import type { SqlRow } from '../../engine/sql-result.ts';
import type { SqlParameters } from '../../query/index.ts';
import { collection, idFrom, integer, MAX_UNDO_ROWS, text } from '../../storage/index.ts';
import { randomThing, Thing } from '../support/live-selections.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const seed = seedFor('live statements');
const Owner = collection('owner', { kind: text(), name: text() });
const Tick = collection('tick', { count: integer() });
const IDS = Array.from({ length: 30 }, (_, at) => idFrom('thing', at));

let node: DurableParts;
let errors: unknown[];

beforeEach(async () => {
  errors = [];
  node = await openDurable({ collections: [Thing, Owner, Tick], onError: (error) => errors.push(error) });
});

afterEach(() => {
  node.reactor.close();
  node.core.driver.close();
  expect(errors).toEqual([]);
});

function open(statement: string, parameters?: SqlParameters): LiveQuery<SqlRow> {
  const prepare = createPrepareStatement(node.statements.analyse, node.core.catalog);
  return node.reactor.openStatement(prepare, statement, parameters);
}

const STATEMENTS = [
  'SELECT kind, count(*) AS n, sum(rank) AS total FROM thing GROUP BY kind ORDER BY n DESC, kind',
  'SELECT t.name, o.name AS owner FROM thing t JOIN owner o ON o.kind = t.kind ORDER BY t.id, o.id',
  'SELECT o.name, t.rank FROM owner o LEFT JOIN thing t ON t.kind = o.kind AND t.rank > 3 ORDER BY o.id, t.id',
  'SELECT rank FROM thing ORDER BY rank LIMIT 5 OFFSET 2',
  'SELECT name FROM owner',
  'WITH best AS (SELECT kind, max(rank) AS rank FROM thing GROUP BY kind) SELECT * FROM best ORDER BY kind',
  'SELECT count(*) AS n FROM tick',
] as const;

test('they show what their SQL gives after every transaction of every group, and their change sets lead there', async () => {
  const random = createRandom(seed);
  const watched = STATEMENTS.map((statement) => {
    const live = open(statement);
    const query = { live, folded: live.rows };
    live.onChange((change) => {
      query.folded = applied(query.folded, change);
      expect(query.folded).toEqual(change.rows);
    });
    return query;
  });
  const fresh: (readonly SqlRow[])[][] = [];
  const ticks = node.live(node.core.catalog.entryOf(Tick), '');
  ticks.onChange(({ rows }) => {
    const wanted = fresh[rows[0]!.count]!;
    for (const [at, { live }] of watched.entries()) expect(live.rows, STATEMENTS[at]).toEqual(wanted[at]);
  });
  let count = 0;
  for (let step = 0; step < runs(3_000); step += 1) {
    const group = Array.from({ length: random.pick([1, 1, 3]) }, () => {
      const own = count++;
      return node.transactor.transact((tx) => {
        const id = random.pick(IDS);
        if (tx.get(Thing, id) !== null && random.chance(0.4)) tx.delete(Thing, id);
        else if (random.chance(0.8)) tx.create(Thing, randomThing(random), { id });
        else
          tx.create(
            Owner,
            { kind: 'red', name: `owner ${random.integer(3)}` },
            { id: idFrom('owner', random.integer(4)) },
          );
        tx.create(Tick, { count: own }, { id: idFrom('tick') });
        fresh[own] = STATEMENTS.map((statement) => [...tx.sql(statement)]);
      });
    });
    await Promise.all(group);
  }
  for (const { live, folded } of watched) expect(folded).toEqual(live.rows);
});

test('one is run again only for a transaction that touched what it reads, and told only if that changed it', async () => {
  const live = open('SELECT count(*) AS n FROM owner WHERE kind = ?', ['red']);
  const changes = changesOf(live);
  const work = () => node.reactor.report().work.reruns;
  await node.transactor.transact((tx) => tx.create(Tick, { count: 1 }));
  expect(work()).toBe(0);
  await node.transactor.transact((tx) => tx.create(Owner, { kind: 'blue', name: 'ann' }));
  expect([work(), changes.length]).toEqual([1, 0]);
  await node.transactor.transact((tx) => ['ann', 'bob'].map((name) => tx.create(Owner, { kind: 'red', name })));
  expect([work(), changes.length]).toEqual([2, 1]);
  expect(live.rows).toEqual([{ n: 2 }]);
});

test('equal rows are told apart by number only, and those that stay keep their objects', async () => {
  const create = (name: string) => node.transactor.transact((tx) => tx.create(Owner, { kind: 'x', name }));
  for (const name of ['ann', 'ann', 'bob']) await create(name);
  const live = open('SELECT name FROM owner ORDER BY name');
  const changes = changesOf(live);
  const { rows } = live;
  await create('ann');
  expect(changes[0]).toMatchObject({ removed: [], added: [{ row: { name: 'ann' } }], updated: [] });
  for (const row of rows) expect(live.rows).toContain(row);
});

test('plain properties are decoded, and the same statement with the same values is run once for all', async () => {
  const due = new Date(5_000);
  await node.transactor.transact((tx) => tx.create(Thing, { due, done: true }));
  const [live, same, other] = [2, 2, 3].map((n) => open('SELECT due, done, ? AS n FROM thing', [n]));
  expect(live!.rows).toEqual([{ due, done: true, n: 2 }]);
  expect(same!.rows).toBe(live!.rows);
  expect(other!.rows).toEqual([{ due, done: true, n: 3 }]);
  expect(node.reactor.report()).toMatchObject({ liveQueries: 3, views: 2 });
  for (const each of [live!, same!, other!]) each.close();
  expect(node.reactor.report()).toMatchObject({ liveQueries: 0, views: 0 });
});

test('explain says that it is run again, and for what', () => {
  expect(open(STATEMENTS[1]).explain()).toMatchObject({
    matched: 'rerun',
    index: ['every change of thing', 'every change of owner'],
    sharedBy: 1,
  });
});

test('reselect gives the differences', async () => {
  await node.transactor.transact((tx) => ['ann', 'bob', 'cid'].map((name) => tx.create(Owner, { kind: 'x', name })));
  const live = open('SELECT name FROM owner WHERE name < ? ORDER BY name', ['c']);
  const changes = changesOf(live);
  await live.reselect('SELECT name FROM owner WHERE name > ? ORDER BY name', ['b']);
  expect(changes).toHaveLength(1);
  expect(changes[0]).toMatchObject({
    removed: [{ row: { name: 'ann' }, index: 0 }],
    added: [{ row: { name: 'cid' }, index: 1 }],
    updated: [],
  });
});

describe('refused are', () => {
  test.each([
    ["INSERT INTO owner (kind, name) VALUES ('a', 'b')", 'query-unsupported'],
    ['SELECT random() AS r FROM owner', 'query-unsupported'],
    ["SELECT date('now') AS today FROM owner", 'query-unsupported'],
    ['SELECT nope FROM owner', 'unknown-property'],
    ['SELECT name FROM owner WHERE', 'query-syntax'],
  ])('%s', (statement, code) => {
    expect(() => open(statement)).toThrow(expect.objectContaining({ code }));
    expect(node.reactor.report().liveQueries).toBe(0);
  });
});

test('each transaction of a group is told by itself, however much came after it', async () => {
  const changes = changesOf(open('SELECT count(*) AS n FROM tick'));
  const some = (count: number) =>
    node.transactor.transact((tx) => {
      for (let at = 0; at < count; at += 1) tx.create(Tick, { count: at });
    });
  await Promise.all([some(1), some(MAX_UNDO_ROWS - 2), some(3)]);
  expect(changes.map(({ rows }) => rows[0]!.n)).toEqual([1, MAX_UNDO_ROWS - 1, MAX_UNDO_ROWS + 2]);
});

function changesOf(live: LiveQuery<SqlRow>): ChangeSet<SqlRow>[] {
  const changes: ChangeSet<SqlRow>[] = [];
  live.onChange((change) => changes.push(change));
  return changes;
}
