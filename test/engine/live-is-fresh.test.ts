/**
 * Live = fresh (law 6): after every transaction of a long random run each live query shows what its SQL gives there, its
 * change sets lead to that, and only the live queries that a change may concern were looked at.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { applied } from '../../engine/live/change-set.ts';
import type { LiveQuery } from '../../engine/live/live-query.ts';
import { type DurableParts, openDurable } from '../../engine/open-durable.ts';
import type { Transaction } from '../../engine/write/transaction.ts';
import { collection, idFrom, integer } from '../../storage/index.ts';
import { type Asked, randomThing, SELECTIONS, Thing } from '../support/live-selections.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const seed = seedFor('live is fresh');
const Tick = collection('tick', { count: integer() });
const IDS = Array.from({ length: 60 }, (_, at) => idFrom('thing', at));
const TICK = idFrom('tick', 0);

let node: DurableParts;
let errors: unknown[];

beforeEach(async () => {
  errors = [];
  node = await openDurable({ collections: [Thing, Tick], onError: (error) => errors.push(error) });
});

afterEach(() => {
  node.reactor.close();
  node.core.driver.close();
});

test('fifty live queries equal their SQL after every transaction of every group', async () => {
  expect(SELECTIONS).toHaveLength(50);
  const random = createRandom(seed);
  const ticks = node.live(node.core.catalog.entryOf(Tick), '');
  const watched = SELECTIONS.map(watch);
  /** By transaction: what SQL gave at its end, for each selection. */
  const fresh = new Map<number, readonly string[]>();
  let checked = 0;
  // Opened first, so it is told first; by then every live query has been brought to the same transaction.
  ticks.onChange(({ rows }) => {
    const wanted = fresh.get(rows[0]!.count)!;
    fresh.delete(rows[0]!.count);
    for (const [at, query] of watched.entries()) expectFresh(query, wanted[at]!);
    checked += 1;
  });
  const steps = runs(100_000);
  let transactions = 0;
  for (let done = 0; done < steps; ) {
    const group: Promise<unknown>[] = [];
    for (let members = random.chance(0.3) ? 2 + random.integer(4) : 1; members > 0; members -= 1) {
      const size = random.chance(0.02) ? 40 : 1 + random.integer(4);
      const count = ++transactions;
      done += size;
      group.push(
        node.transactor.transact((tx) => {
          for (let step = 0; step < size; step += 1) randomStep(tx, random);
          tx.create(Tick, { count }, { id: TICK });
          fresh.set(
            count,
            SELECTIONS.map(({ text, parameters }) => spell(tx.query(Thing, text, parameters))),
          );
        }),
      );
    }
    await Promise.all(group);
    expect(errors).toEqual([]);
    for (const query of watched) expect(query.folded).toEqual(query.live.rows);
  }
  expect(checked).toBe(transactions);
  expect(node.reactor.report().work.refills).toBeGreaterThan(0);
  for (const { live } of watched) live.close();
  ticks.close();
  expect(node.reactor.report()).toMatchObject({
    liveQueries: 0,
    views: 0,
    index: { columns: 0, equal: 0, intervals: 0, prefixes: 0, nulls: 0, every: 0 },
  });
});

test('only the live queries that a changed row meets, as it was or as it is, are looked at', async () => {
  const random = createRandom(seed);
  const entry = node.core.catalog.entryOf(Thing);
  for (const { text, parameters } of SELECTIONS) node.live(entry, text, parameters);
  let wanted = 0;
  for (let step = 0; step < runs(10_000); step += 1) {
    await node.transactor.transact((tx) => {
      const id = random.pick(IDS);
      const before = tx.get(Thing, id);
      randomStep(tx, random, id);
      const after = tx.get(Thing, id);
      if (spell([before]) === spell([after])) return;
      const meets = (row: Thing | null, { finds }: Asked) => row !== null && finds(row);
      wanted += SELECTIONS.filter((asked) => meets(before, asked) || meets(after, asked)).length;
    });
    const { visited, concerned, evaluated } = node.reactor.report().work;
    expect(visited).toBe(wanted);
    expect(concerned).toBeLessThanOrEqual(visited);
    expect(evaluated).toBeLessThanOrEqual(2 * visited);
  }
});

interface Watched {
  readonly live: LiveQuery<Thing>;
  readonly text: string;
  /** What its listener has put together from the change sets. */
  folded: readonly Thing[];
  /** The rows last spelled out: an array that is the same needs no second look. */
  spelled: { readonly rows: readonly Thing[]; readonly text: string };
}

function watch({ text, parameters }: Asked): Watched {
  const live = node.live(node.core.catalog.entryOf(Thing), text, parameters);
  const query: Watched = { live, text, folded: live.rows, spelled: { rows: live.rows, text: spell(live.rows) } };
  live.onChange((change) => {
    const before = query.folded;
    query.folded = applied(before, change);
    for (const { row, index } of change.removed) expect(before[index]).toBe(row);
    for (const { before: row, from } of change.updated) expect(before[from]).toBe(row);
    const told = [...change.removed, ...change.added, ...change.updated].map(({ row }) => row.id);
    expect(told.length, text).toBeGreaterThan(0);
    expect(new Set(told).size, text).toBe(told.length);
  });
  return query;
}

function expectFresh(query: Watched, wanted: string): void {
  const { rows } = query.live;
  if (query.spelled.rows !== rows) query.spelled = { rows, text: spell(rows) };
  if (query.spelled.text !== wanted) expect(query.spelled.text, query.text).toBe(wanted);
}

function spell(rows: readonly unknown[]): string {
  return JSON.stringify(rows);
}

function randomStep(tx: Transaction, random: Random, id = random.pick(IDS)): void {
  const chosen = random.next();
  const thing = randomThing(random);
  if (tx.get(Thing, id) === null) {
    if (chosen < 0.4) restoreIfKnown(tx, id);
    else if (chosen < 0.8) tx.create(Thing, thing, { id });
  } else if (chosen < 0.3) tx.delete(Thing, id);
  else if (chosen < 0.5) tx.update(Thing, id, thing);
  else {
    const { kind, rank, weight, name, done, due } = thing;
    tx.update(Thing, id, random.pick([{ kind }, { rank }, { weight, name }, { done }, { due }, { rank, weight }]));
  }
}

function restoreIfKnown(tx: Transaction, id: string): void {
  try {
    tx.restore(Thing, id);
  } catch (error) {
    if ((error as { code?: string }).code !== 'not-found') throw error;
  }
}
