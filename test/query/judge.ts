/** Compares every way of answering one selection over one world of rows. */
import { expect } from 'vitest';
import { TendrilError } from '../../errors.ts';
import {
  type Cell,
  compileMatcher,
  compileOrder,
  type IndexKey,
  indexKeysOf,
  matcherTier,
  type RawRow,
  rowKey,
  type Selection,
  type SqlValue,
} from '../../query/index.ts';
import { compareKeys } from '../../query/keys/row-key.ts';
import { exactValues } from '../../query/selection.ts';
import { createSelector, type Selector } from '../../query/selector.ts';
import { exactOf } from '../../query/value.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import type { Written } from './spelling.ts';
import { tableStatements, type World } from './worlds.ts';

/** What became of the cases. */
export interface Answers {
  agreed: number;
  /** Valid in SQLite, refused by us with a typed error. */
  refused: number;
  /** Not valid in SQLite; we refuse it too. */
  invalid: number;
  /** Valid, but its rows make SQLite fail. */
  failed: number;
  /** Rows found in all, so that empty answers are seen. */
  matched: number;
  /** Selections that an index can find. */
  keyed: number;
  readonly tiers: Record<string, number>;
  readonly reasons: Record<string, number>;
}

export class Judge {
  readonly #drivers: readonly SqliteDriver[];
  readonly #answers: Answers;
  #world!: World;
  #select!: Selector;
  #heard = 0;

  constructor(drivers: readonly SqliteDriver[], answers: Answers) {
    this.#drivers = drivers;
    this.#answers = answers;
  }

  load(world: World): void {
    this.#world = world;
    this.#heard = 0;
    for (const driver of this.#drivers) {
      fill(driver, world);
      expect(driver.all('SELECT * FROM flight ORDER BY id'), `${driver.name} keeps rows`).toEqual(world.rows);
    }
    this.#select = createSelector(world.table, this.#drivers[0]!.all);
  }

  /** @throws where two ways differ, naming them. */
  hear(written: Written): void {
    const driver = this.#drivers[this.#heard++ % this.#drivers.length]!;
    const expected = attempt(() => ids(driver, written.clauses, written.bound));
    const selection = attempt(() => this.#select(written.text, written.parameters));
    if (selection instanceof TendrilError) {
      this.#refuse(driver, written, selection);
      return;
    }
    const outcome =
      expected instanceof TendrilError ? expected : attempt(() => this.#compare(selection, expected, driver, written));
    if (outcome instanceof TendrilError) this.#fail(written, outcome);
    else this.#agree(selection, expected as readonly Cell[]);
  }

  #compare(selection: Selection, expected: readonly Cell[], driver: SqliteDriver, written: Written): void {
    const { sql } = selection.shape;
    const where = sql.where === null ? '' : `WHERE ${sql.where} `;
    const limit = sql.limit === null ? '' : ` LIMIT ${sql.limit}${sql.offset === null ? '' : ` OFFSET ${sql.offset}`}`;
    const say = (who: string) => `${who}: ${JSON.stringify(written.text)} ${show(written.bound)}`;
    for (const each of this.#drivers) {
      const found = ids(each, `${where}ORDER BY ${sql.orderBy}${limit}`, exactValues(selection));
      expect(found, say(`${each.name}, as printed`)).toEqual(expected);
    }
    expect(inJavaScript(selection, this.#world.rows, driver), say('in JavaScript')).toEqual(expected);
  }

  #agree(selection: Selection, found: readonly Cell[]): void {
    this.#answers.agreed++;
    this.#answers.matched += found.length;
    if (indexKeysOf(selection)[0]?.kind !== 'every') this.#answers.keyed++;
    count(this.#answers.tiers, matcherTier(selection.shape));
  }

  /**
   * How much SQLite evaluates of a predicate is its own affair: whether it meets abs(-2^63), and whether it puts 'x' for
   * a JSON column where `column = 'x'` stands beside, and then finds that no JSON.
   */
  #fail(written: Written, failure: TendrilError): void {
    expect(failure.message, `only SQLite refuses ${JSON.stringify(written.text)}`).toMatch(
      /integer overflow|malformed JSON/,
    );
    this.#answers.failed++;
  }

  #refuse(driver: SqliteDriver, written: Written, refusal: TendrilError): void {
    const explained = attempt(() => ids(driver, written.clauses, written.bound, 'EXPLAIN '));
    if (explained instanceof TendrilError) {
      this.#answers.invalid++;
      return;
    }
    expect(refusal.code, written.text).not.toBe('storage-failed');
    this.#answers.refused++;
    const sentence = refusal.problem.split('\n')[0]!.replace(/"[^"]*"|'[^']*'|\d+/g, '…');
    count(this.#answers.reasons, `${refusal.code}: ${sentence}`);
  }
}

function count(counts: Record<string, number>, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

function ids(driver: SqliteDriver, clauses: string, values: readonly SqlValue[], explain = ''): readonly Cell[] {
  return driver.all(`${explain}SELECT * FROM flight ${clauses}`, values).map((row) => row[0]!);
}

function attempt<Result>(body: () => Result): Result | TendrilError {
  try {
    return body();
  } catch (error) {
    if (error instanceof TendrilError) return error;
    throw error;
  }
}

function fill(driver: SqliteDriver, world: World): void {
  driver.exec(['DROP TABLE IF EXISTS flight', ...tableStatements(world)].join(';'));
  const { columns } = world.table;
  const insert = `INSERT INTO flight VALUES (${columns.map(() => '?').join(', ')})`;
  driver.transaction(() => {
    for (const row of world.rows)
      driver.run(
        insert,
        columns.map(({ index, type }) => exactOf(row[index]!, type)),
      );
  });
}

/** The ids as the reactor would find and sort them; each row that matches is also checked to meet an index key. */
function inJavaScript(selection: Selection, rows: readonly RawRow[], driver: SqliteDriver): readonly Cell[] {
  const { shape, values } = selection;
  const matches = compileMatcher(shape, driver.all);
  const order = compileOrder(shape, driver.all);
  const keys = indexKeysOf(selection);
  const found = rows.filter((row) => matches(row, values));
  for (const row of found) {
    expect(
      keys.some((key) => meets(key, row)),
      `${show(row)} meets no key of ${show(keys)}`,
    ).toBe(true);
  }
  const sorted = found
    .map((row) => ({ id: row[0]!, keys: order.keysOf(row, values) }))
    .sort((a, b) => order.compare(a.keys, b.keys))
    .map(({ id }) => id);
  const count = (clause: 'limit' | 'offset') => {
    const slot = shape.tree[clause];
    return slot?.kind === 'slot' ? Number(values[slot.index]) : -1;
  };
  const start = Math.max(0, count('offset'));
  const limit = count('limit');
  return sorted.slice(start, limit < 0 ? undefined : start + limit);
}

/** Whether the row would be found under the key. */
export function meets(key: IndexKey, row: RawRow): boolean {
  if (key.kind === 'every') return true;
  const cell = row[key.column.index]!;
  if (key.kind === 'null') return cell === null;
  const own = rowKey(key.column, cell, key.fold);
  if (own === null) return false;
  if (key.kind === 'equal') return own === key.key;
  const { low, high } = key;
  const fromLow = low === null ? 1 : compareKeys(own, low.key);
  const fromHigh = high === null ? -1 : compareKeys(own, high.key);
  return (fromLow > 0 || (fromLow === 0 && low!.inclusive)) && (fromHigh < 0 || (fromHigh === 0 && high!.inclusive));
}

export function show(value: unknown): string {
  return JSON.stringify(value, (_name, part) => (typeof part === 'bigint' ? `${part}n` : part));
}
