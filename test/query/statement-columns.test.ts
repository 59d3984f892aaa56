/** Which result columns are plain properties, against what the native driver's own metadata says of the same statement. */
import { expect, test } from 'vitest';
import { TendrilError } from '../../errors.ts';
import { createAnalyser, type SelectStatement } from '../../query/statement/statement.ts';
import type { Table } from '../../query/table.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';

const native = await import('better-sqlite3').then((module) => module.default).catch(() => null);

const table = (name: string, columns: readonly string[]): Table => ({
  name,
  columns: columns.map((column, index) => ({ name: column, type: 'text', index, json: false })),
});
const TABLES = [table('a', ['id', 'x', 'y']), table('b', ['id', 'y', 'z'])];

interface Written {
  readonly sql: string;
  /** The names that can be asked of it. */
  readonly names: readonly string[];
}

/** Writes SELECTs over `a` and `b`, many of them with sub-selects, joins and names of WITH. */
class Writer {
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  statement(): string {
    const { random } = this;
    if (random.chance(0.7)) return this.select(2).sql;
    const body = this.select(1);
    const alias = random.pick(['c', 'c AS s', 'c']);
    const from = { sql: alias, names: body.names.flatMap((name) => [name, `${alias.slice(-1)}.${name}`]) };
    return `WITH c AS (${body.sql}) ${this.selectFrom(from, 1).sql}`;
  }

  private select(depth: number): Written {
    const first = this.selectFrom(this.from(depth), depth);
    if (!this.random.chance(0.1)) return first;
    return { sql: `${first.sql} ${this.random.pick(['UNION', 'EXCEPT'])} ${first.sql}`, names: first.names };
  }

  private selectFrom(from: Written, depth: number): Written {
    const { random } = this;
    if (random.chance(0.3)) {
      const star = random.pick(['*', '*', `${(from.names.find((name) => name.includes('.')) ?? '').split('.')[0]}.*`]);
      const names = from.names.filter((name) => !name.includes('.'));
      return { sql: `SELECT ${star === '.*' ? '*' : star} FROM ${from.sql}${this.tail()}`, names };
    }
    const items = Array.from({ length: 1 + random.integer(3) }, (_, i) => this.item(from.names, depth, i));
    const sql = `SELECT ${items.map((item) => item.sql).join(', ')} FROM ${from.sql}${this.tail()}`;
    return { sql, names: items.flatMap((item) => item.names) };
  }

  private item(names: readonly string[], depth: number, nth: number): Written {
    const { random } = this;
    const plain = names.length > 0 ? random.pick(names) : '1';
    const nested = depth > 0 ? `(${this.select(0).sql} LIMIT 1)` : plain;
    const what = random.pick([
      plain,
      plain,
      plain,
      plain.toUpperCase(),
      `${plain} || 1`,
      `(${plain})`,
      nested,
      'count(*)',
    ]);
    const alias = random.pick([
      ['', ''],
      ['', ''],
      [' AS ', 'id'],
      [' AS ', '"x"'],
      [' ', 'y'],
      [' ', `n${nth}`],
      [' AS ', "'z'"],
    ]);
    const name = alias[1] === '' ? (plain.split('.').at(-1) as string) : (alias[1] as string).replace(/['"]/g, '');
    return { sql: what + alias.join(''), names: [name] };
  }

  private from(depth: number): Written {
    const { random } = this;
    const left = this.source('s', depth);
    if (random.chance(0.4)) return left;
    const right = this.source('t', depth);
    const join = random.pick([
      ', ',
      ' JOIN ',
      ' LEFT JOIN ',
      ' NATURAL JOIN ',
      ' RIGHT JOIN ',
      ' FULL JOIN ',
      ' NATURAL FULL JOIN ',
    ]);
    const isBare = join === ', ' || join.includes('NATURAL');
    const on = isBare
      ? ''
      : random.pick(['', ' ON 1', ' USING (id)', ' USING (id, y)', ' ON EXISTS (SELECT 1 FROM b)']);
    return { sql: `${left.sql}${join}${right.sql}${on}`, names: [...left.names, ...right.names] };
  }

  private source(alias: string, depth: number): Written {
    const { random } = this;
    const isTable = depth === 0 || random.chance(0.6);
    const from = random.pick(TABLES);
    const inner = isTable ? { sql: from.name, names: from.columns.map(({ name }) => name) } : this.select(depth - 1);
    const sql = isTable ? inner.sql : `(${inner.sql})`;
    return {
      sql: `${sql}${random.pick([' AS ', ' '])}${alias}`,
      names: inner.names.flatMap((name) => [name, `${alias}.${name}`]),
    };
  }

  private tail(): string {
    return this.random.pick(['', '', '', ' WHERE 1', ' GROUP BY 1', ' WHERE 1 IN (SELECT 1 FROM b)']);
  }
}

test.runIf(native)('a column said to be a property is that property', () => {
  const database = new native!(':memory:');
  for (const { name, columns } of TABLES) {
    const list = columns.map((column) => column.name).join(', ');
    database.exec(`CREATE TABLE _${name} (${list}, _head); CREATE VIEW ${name} AS SELECT ${list} FROM _${name}`);
  }
  const prepared = (sql: string) => database.prepare(sql).columns();
  const analyse = createAnalyser(TABLES, { columns: (sql) => prepared(sql).map(({ name }) => name) });
  const writer = new Writer(createRandom(seedFor('statement columns')));
  const counts = { properties: 0, expressions: 0, missed: 0 };
  for (let run = 0; run < runs(20_000); run++) {
    const sql = writer.statement();
    let columns: SelectStatement['columns'];
    try {
      ({ columns } = analyse(sql) as SelectStatement);
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      expect(isAmbiguous(sql, prepared), `${sql}: ${error.problem}`).toBe(true);
      continue;
    }
    prepared(sql).forEach((truth, i) => {
      const { name, property } = columns[i]!;
      expect(name, sql).toBe(truth.name);
      if (property === null) counts[truth.column === null ? 'expressions' : 'missed']++;
      else {
        counts.properties++;
        expect(`_${property.table.name}.${property.column.name}`, `${sql}: column ${i}`).toBe(
          `${truth.table}.${truth.column}`,
        );
      }
    });
  }
  database.close();
  console.log('statement columns:', counts);
  expect(counts.properties).toBeGreaterThan(runs(20_000) / 10);
  // A compound, a merged column or a parenthesised one is left as SQLite gives it: about 4 for 10 that are known.
  expect(counts.missed).toBeLessThan(counts.properties * 0.7);
});

/** Refused by SQLite, or by us because two result columns have one name. */
function isAmbiguous(sql: string, prepared: (sql: string) => readonly { readonly name: string }[]): boolean {
  try {
    const names = prepared(sql).map(({ name }) => name);
    return new Set(names).size < names.length;
  } catch {
    return true;
  }
}
