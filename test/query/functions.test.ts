/** The functions of a selection exist in every SQLite here, and give one answer in all of them. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findFunction, knownFunctions } from '../../query/check/functions.ts';
import type { SqlValue } from '../../query/value.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { openEveryDriver } from './every-driver.ts';
import { type Flights, openFlights } from './flights.ts';

let drivers: readonly SqliteDriver[];
let flights: Flights;
beforeAll(async () => {
  [drivers, flights] = await Promise.all([openEveryDriver(), openFlights()]);
});
afterAll(() => {
  for (const driver of [...drivers, flights.driver]) driver.close();
});

test('every known function is a deterministic scalar function of every driver', () => {
  for (const driver of drivers) {
    const rows = driver.all(
      "SELECT name, max(type = 's' AND flags & 2048) FROM pragma_function_list GROUP BY name HAVING max(type) <> 'w' OR max(narg) > 1 OR 1",
    );
    const listed = new Map(rows.map(([name, deterministic]) => [name, deterministic] as const));
    // JSON functions carry flags of their own, and are of SQLite's core.
    const missing = knownFunctions().filter(
      (name) => !(listed.get(name) || (name.startsWith('json') && listed.has(name))),
    );
    expect(missing, driver.name).toEqual([]);
  }
});

test('every function of every driver is known, or refused with its reason', () => {
  const names = new Set(
    drivers.flatMap((driver) => driver.all('SELECT DISTINCT name FROM pragma_function_list').flat()),
  );
  for (const name of names) {
    const found = findFunction(String(name));
    if (found.kind === 'refused') expect(found.problem).toContain(String(name));
  }
  expect(names.size).toBeGreaterThan(150);
});

test('docs/sql.md lists the known functions, and no other', () => {
  const page = readFileSync(new URL('../../docs/sql.md', import.meta.url), 'utf8');
  const [, table = ''] = /### Functions\n([\s\S]*?)###/.exec(page) ?? [];
  const listed = [...table.matchAll(/^\| [^|]+ \| `([a-z_ 0-9]+)`/gm)].flatMap(([, names = '']) => names.split(' '));
  expect(listed.sort()).toEqual([...knownFunctions()].sort());
});

describe('one answer in every driver', () => {
  const VALUES: readonly SqlValue[] = [
    null,
    0n,
    1n,
    -1n,
    7n,
    2n ** 53n + 1n,
    -(2n ** 63n) + 1n,
    2n ** 63n - 1n,
    0.5,
    -2.5,
    1e18,
    1e300,
    Infinity,
    '',
    'abc',
    ' Äb ',
    '12',
    '-3.5e2x',
    '😀b',
    '2001-02-28T23:59:59.999Z',
    '{"a":[1,{"b":2}]}',
    new Uint8Array([0, 255, 97]),
    new Uint8Array(),
  ];
  const CALLS = [
    'abs(?)',
    'ceil(?)',
    'floor(?)',
    'trunc(?)',
    'mod(?, ?)',
    'round(?)',
    'sign(?)',
    'sqrt(?)',
    'degrees(?)',
    'radians(?)',
    'pi()',
    'coalesce(?, ?)',
    'ifnull(?, ?)',
    'iif(?, ?, ?)',
    'nullif(?, ?)',
    'min(?, ?, ?)',
    'max(?, ?)',
    'likely(?)',
    'unlikely(?)',
    'likelihood(?, 0.5)',
    'typeof(?)',
    'length(?)',
    'octet_length(?)',
    'hex(?)',
    'unhex(?)',
    'quote(?)',
    'substr(?, ?, ?)',
    'substring(?, ?)',
    'upper(?)',
    'lower(?)',
    'trim(?)',
    'ltrim(?, ?)',
    'rtrim(?, ?)',
    'replace(?, ?, ?)',
    'instr(?, ?)',
    'unicode(?)',
    'char(?, ?)',
    'concat(?, ?)',
    'concat_ws(?, ?, ?)',
    "format('%05d|%s|%x', ?, ?, ?)",
    "printf('%,d|%-8s|%Q', ?, ?, ?)",
    'like(?, ?)',
    "like(?, ?, '!')",
    'glob(?, ?)',
    'date(?)',
    "time(?, '+90 minutes')",
    "datetime(?, 'start of month', '-1 day')",
    'julianday(?)',
    "unixepoch(?, 'subsec')",
    "strftime('%Y %m %d %H %M %f %j %w %W %s %e %I %k %l %p %P %R %T %u %F', ?)",
    'timediff(?, ?)',
    'json_array(?, ?)',
    "json_object('k', ?)",
    'json_quote(?)',
    'json_valid(?)',
    'json(?)',
    "json_set(?, '$.c', ?)",
    "json_insert(?, '$.a[#]', ?)",
    "json_replace(?, '$.a', ?)",
    "json_remove(?, '$.a[0]')",
    'json_patch(?, ?)',
    "json_extract(?, '$.a[1].b')",
    "json_type(?, '$.a')",
    "json_array_length(?, '$.a')",
    "? -> 'a'",
    "? ->> '$.a[1]'",
    'CAST(? AS INTEGER)',
    'CAST(? AS NUMERIC)',
  ];

  test('or the selection is refused', () => {
    const random = createRandom(seedFor('functions'));
    let answered = 0;
    for (let run = 0; run < runs(20_000); run++) {
      const call = random.pick(CALLS);
      const values = Array.from({ length: call.split('?').length - 1 }, () => random.pick(VALUES));
      if (!isAccepted(call, values)) continue;
      const answers = drivers.map((driver) => answer(driver, call, values));
      for (const other of answers) expect(other, `${call} of ${values.map(String)}`).toEqual(answers[0]);
      answered++;
    }
    expect(answered).toBeGreaterThan(runs(20_000) / 4);
  });

  function isAccepted(call: string, values: readonly SqlValue[]): boolean {
    try {
      flights.select(`${call} IS NOT NULL`, values as readonly Exclude<SqlValue, undefined>[]);
      return true;
    } catch {
      return false;
    }
  }

  /** What SQLite refuses to compute, it must refuse everywhere. */
  function answer(driver: SqliteDriver, call: string, values: readonly SqlValue[]): unknown {
    try {
      return driver.get(`SELECT ${call}`, values);
    } catch {
      return 'fails';
    }
  }
});
