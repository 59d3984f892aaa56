import { afterEach, describe, expect, test } from 'vitest';
import { collection, integer, type SqliteDriver, text } from '../../storage/index.ts';
import { APPLICATION_ID, FORMAT_VERSION, SYSTEM_TABLES } from '../../storage/tables.ts';
import { Flight, openTestStore } from './fixtures.ts';

let driver: SqliteDriver;
afterEach(() => driver.close());

const planOf = (sql: string): string =>
  driver
    .all(`EXPLAIN QUERY PLAN ${sql}`)
    .map((row) => row[3])
    .join('; ');

test('a file is marked with whose it is and which format it has', async () => {
  ({ driver } = await openTestStore([Flight]));
  expect(driver.get('PRAGMA application_id')).toEqual([APPLICATION_ID]);
  expect(driver.get('PRAGMA user_version')).toEqual([FORMAT_VERSION]);
});

test('every table of ours is STRICT, and no other exists but those of the collections', async () => {
  ({ driver } = await openTestStore([Flight]));
  const tables = driver.all("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'");
  const ours = tables.filter(([name]) => !String(name).startsWith('sqlite_'));
  expect(ours.map(([name]) => name).sort()).toEqual([...Object.keys(SYSTEM_TABLES), '_flight'].sort());
  expect(ours.every(([, strict]) => strict === 1)).toBe(true);
});

test('the view of a collection shows the user its own columns, in declared order, and nothing else', async () => {
  ({ driver } = await openTestStore([Flight]));
  expect(driver.columns('SELECT * FROM flight')).toEqual(['id', ...Object.keys(Flight.properties)]);
});

test('the view cannot be written to past the engine', async () => {
  ({ driver } = await openTestStore([Flight]));
  expect(() => driver.run("DELETE FROM flight WHERE origin = 'SFO'")).toThrow(/view/);
});

describe('SQLite uses the indexes of a collection through its view', () => {
  const indexed = async () => {
    ({ driver } = await openTestStore([Flight]));
    return driver;
  };
  const INDEX = 'tendril_index_flight.origin.departs';
  test.each([
    ["SELECT * FROM flight WHERE origin = 'SFO'", `SEARCH _flight USING INDEX ${INDEX} (origin=?)`],
    [
      "SELECT * FROM flight WHERE origin = 'SFO' AND departs > '2'",
      `SEARCH _flight USING INDEX ${INDEX} (origin=? AND departs>?)`,
    ],
    [
      "SELECT * FROM flight WHERE origin = 'SFO' ORDER BY departs, id",
      `SEARCH _flight USING INDEX ${INDEX} (origin=?)`,
    ],
    ["SELECT id, departs FROM flight WHERE origin = 'SFO'", `SEARCH _flight USING COVERING INDEX ${INDEX} (origin=?)`],
    ["SELECT * FROM flight WHERE id = 'x'", 'SEARCH _flight USING PRIMARY KEY (id=?)'],
    ['SELECT * FROM flight ORDER BY id', 'SCAN _flight'],
    ['SELECT count(*) FROM flight', `SCAN _flight USING COVERING INDEX ${INDEX}`],
  ])('%s', async (sql, plan) => {
    await indexed();
    expect(planOf(sql)).toBe(plan);
  });
});

test('names that SQL has a use for are names like others', async () => {
  const Odd = collection('order', {
    group: text().optional(),
    select: integer().optional(),
    größe: text().default("it's"),
  });
  ({ driver } = await openTestStore([Odd]));
  expect(driver.columns('SELECT * FROM "order"')).toEqual(['id', 'group', 'select', 'größe']);
  driver.run(`INSERT INTO "_order" (id, _head, _versions, _asOf) VALUES ('x', x'', x'', 1)`);
  expect(driver.get('SELECT "größe", "group" FROM "order"')).toEqual(["it's", null]);
});
