import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bigint, blob, boolean, collection, integer, json, Node, real, ref, text, timestamp } from '../../index.ts';
import { MAX_TRANSACTION_OPERATIONS } from '../../storage/index.ts';

const Airport = collection('airport', { iata: text(), city: text().optional() });
const Flight = collection('flight', {
  airport: ref(Airport),
  code: text(),
  departs: timestamp().optional(),
  delay: integer().optional(),
  distance: real().default(0),
  exact: bigint().optional(),
  late: boolean().default(false),
  meta: json<unknown>().optional(),
  photo: blob().optional(),
  status: text('planned', 'gone').default('planned'),
});

let node: Node;
let sfo: string;
beforeEach(async () => {
  node = await Node.open({ collections: [Airport, Flight] });
  sfo = await node.transact((tx) => tx.create(Airport, { iata: 'SFO' }));
});
afterEach(() => node.close());

const insertMany = (count: number) =>
  node.sql(
    `INSERT INTO airport (iata) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
      SELECT 'A' || i FROM n`,
    [count],
  );

describe('SELECT', () => {
  test('decodes plain properties and leaves expressions as SQLite gives them', async () => {
    const values = {
      airport: sfo,
      code: 'TD1',
      departs: new Date(1_000),
      delay: 5,
      distance: 2,
      exact: 7n,
      late: true,
      meta: { gates: [1, 2] },
      photo: new Uint8Array([1, 2]),
    };
    const id = await node.transact((tx) => tx.create(Flight, values));
    expect(await node.sql('SELECT * FROM flight')).toEqual([{ id, ...values, status: 'planned' }]);
    expect(
      await node.sql('SELECT f.late AS l, f.departs, late + 1 AS n, "departs" || \'\' AS d FROM flight f'),
    ).toEqual([{ l: true, departs: new Date(1_000), n: 2, d: '1970-01-01T00:00:01.000Z' }]);
    const [row] = await node.sql(
      'SELECT count(*) AS n, sum(exact) AS s, max(late) AS m, 9007199254740993 AS big FROM flight',
    );
    expect(row).toEqual({ n: 1, s: 7, m: 1, big: 9007199254740993n });
  });

  test('joins, groups, orders, and takes parameters by position and by name', async () => {
    await node.transact((tx) => {
      for (const [code, delay] of [
        ['a', 1],
        ['b', 5],
        ['c', 9],
      ] as const)
        tx.create(Flight, { airport: sfo, code, delay });
    });
    const late = await node.sql(
      'SELECT a.iata, f.code FROM flight f JOIN airport a ON a.id = f.airport WHERE f.delay > ? ORDER BY f.delay DESC',
      [2],
    );
    expect(late).toEqual([
      { iata: 'SFO', code: 'c' },
      { iata: 'SFO', code: 'b' },
    ]);
    expect(await node.sql('SELECT code FROM flight WHERE delay = :delay', { delay: 5 })).toEqual([{ code: 'b' }]);
    expect(late.changes).toBe(0);
  });

  test('has no column called __proto__, which would set a prototype', async () => {
    await expect(node.sql('SELECT 1 AS "__proto__"')).rejects.toMatchObject({ code: 'query-unsupported' });
  });

  test('sees no hidden column, no deleted row and no table but the collections', async () => {
    await node.sql('DELETE FROM airport');
    expect(await node.sql('SELECT count(*) AS n FROM airport')).toEqual([{ n: 0 }]);
    for (const table of ['_airport', 'tendril_content', 'sqlite_schema', 'main.airport']) {
      await expect(node.sql(`SELECT * FROM ${table}`)).rejects.toMatchObject({
        code: expect.stringMatching(/unknown-collection|query-/),
      });
    }
    await expect(node.sql('SELECT _head FROM airport')).rejects.toMatchObject({
      code: expect.stringMatching(/query-|unknown-property/),
    });
  });
});

describe('INSERT, UPDATE and DELETE', () => {
  test('become transactions, with the rows they changed counted', async () => {
    const { position } = node.report();
    const inserted = await node.sql("INSERT INTO airport (iata, city) VALUES ('JFK', 'New York'), ('LAX', NULL)");
    expect([inserted, inserted.changes, node.report().position]).toEqual([[], 2, position + 1]);
    const [jfk] = await node.query(Airport, "iata = 'JFK'");
    expect((await node.history(Airport, jfk!.id))[0]!.edits).toEqual([
      { kind: 'create' },
      { kind: 'set', property: 'city', value: 'New York' },
      { kind: 'set', property: 'iata', value: 'JFK' },
    ]);
    expect(await node.sql("UPDATE airport SET city = iata || '!' WHERE iata <> 'SFO'")).toMatchObject({ changes: 2 });
    expect(await node.query(Airport, 'true ORDER BY iata')).toMatchObject([
      { city: 'JFK!' },
      { city: 'LAX!' },
      { city: null },
    ]);
    expect(await node.sql('DELETE FROM airport WHERE city IS NOT NULL')).toMatchObject({ changes: 2 });
    expect(await node.query(Airport)).toMatchObject([{ iata: 'SFO' }]);
    expect(await node.sql('UPDATE airport SET city = 1 WHERE false')).toMatchObject({ changes: 0 });
    expect(node.report().position).toBe(position + 3);
  });

  test('give what RETURNING asks for: new rows as they are written, deleted ones as they were', async () => {
    const [created] = await node.sql("INSERT INTO flight (airport, code, departs) VALUES (?, 'TD1', ?) RETURNING *", [
      sfo,
      new Date(5),
    ]);
    expect(created).toMatchObject({ code: 'TD1', departs: new Date(5), delay: null, distance: 0, late: false });
    const updated = await node.sql('UPDATE flight SET delay = 3 RETURNING id, delay * 2 AS twice');
    expect(updated).toEqual([{ id: created!.id, twice: 6 }]);
    expect(updated.changes).toBe(1);
    expect(await node.sql('DELETE FROM flight RETURNING code, delay')).toEqual([{ code: 'TD1', delay: 3 }]);
    expect(await node.query(Flight)).toEqual([]);
  });

  test('read sub-selects over rows as they were before the statement', async () => {
    await node.sql("INSERT INTO airport (iata) VALUES ('a'), ('b')");
    await node.sql('UPDATE airport SET city = (SELECT count(*) FROM airport WHERE city IS NULL)');
    expect((await node.query(Airport)).map(({ city }) => city)).toEqual(['3', '3', '3']);
    await node.sql('INSERT INTO airport (iata) SELECT iata || iata FROM airport');
    expect(await node.query(Airport)).toHaveLength(6);
    await node.sql('DELETE FROM airport WHERE iata IN (SELECT iata FROM airport WHERE length(iata) = 2)');
    expect(await node.query(Airport)).toHaveLength(4);
  });

  test('store what the affinity of the column makes of a value', async () => {
    await node.sql(
      "INSERT INTO flight (airport, code, delay, distance, exact, late) VALUES (?, 5, '7', '8', 9.0, 1), (?, 5.0, 7.0, 8, '9', 0)",
      [sfo, sfo],
    );
    const rows = await node.query(Flight, 'true ORDER BY code');
    expect(rows).toMatchObject([
      { code: '5', delay: 7, distance: 8, exact: 9n, late: true },
      { code: '5.0', delay: 7, distance: 8, exact: 9n, late: false },
    ]);
    await node.sql('UPDATE flight SET code = delay + 0.0');
    expect((await node.query(Flight)).map(({ code }) => code)).toEqual(['7.0', '7.0']);
  });

  test('refuse a value that is not of its property’s type, and then write nothing at all', async () => {
    const refused = [
      "INSERT INTO airport (iata) VALUES ('good'), (NULL)",
      "INSERT INTO airport (city) VALUES ('without its code')",
      'INSERT INTO airport DEFAULT VALUES',
      "INSERT INTO airport (id, iata) VALUES ('no id', 'x')",
      "INSERT INTO flight (airport, code) VALUES ('no id', 'x')",
      "INSERT INTO flight (airport, code, meta) VALUES ((SELECT id FROM airport), 'x', '{')",
      "INSERT INTO flight (airport, code, departs) VALUES ((SELECT id FROM airport), 'x', 'today')",
      "INSERT INTO flight (airport, code, late) VALUES ((SELECT id FROM airport), 'x', 2)",
      "INSERT INTO flight (airport, code, delay) VALUES ((SELECT id FROM airport), 'x', 1.5)",
      "INSERT INTO flight (airport, code, status) VALUES ((SELECT id FROM airport), 'x', 'other')",
    ];
    const { position } = node.report();
    for (const statement of refused)
      await expect(node.sql(statement), statement).rejects.toMatchObject({ code: 'invalid-value' });
    expect(node.report().position).toBe(position);
  });

  test('refuse a parameter that would be stored as another text; a SELECT reads it as SQLite does', async () => {
    const broken = 'a\ud800b';
    for (const sql of ['INSERT INTO airport (iata) VALUES (?)', 'UPDATE airport SET iata = ?']) {
      await expect(node.sql(sql, [broken])).rejects.toMatchObject({ code: 'invalid-parameter' });
    }
    expect(await node.sql('SELECT ? AS text', [broken])).toEqual([{ text: 'a\ufffdb' }]);
  });

  test('an INSERT under an id that exists is refused; under a deleted one it revives', async () => {
    const insert = () => node.sql("INSERT INTO airport (id, iata) VALUES (?, 'again')", [sfo]);
    await expect(insert()).rejects.toMatchObject({ code: 'conflict' });
    const twice = node.sql(
      "INSERT INTO airport (id, iata) SELECT '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'x' UNION ALL SELECT '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'y'",
    );
    await expect(twice).rejects.toMatchObject({ code: 'conflict' });
    await node.sql('DELETE FROM airport');
    await insert();
    expect(await node.get(Airport, sfo)).toMatchObject({ iata: 'again' });
  });

  test('what a later part will bring is refused by name', async () => {
    const later = [
      "INSERT INTO airport (iata) VALUES ('x') ON CONFLICT DO NOTHING",
      "INSERT OR REPLACE INTO airport (iata) VALUES ('x')",
      "REPLACE INTO airport (iata) VALUES ('x')",
      'WITH x AS (SELECT 1) DELETE FROM airport',
      'UPDATE airport SET city = f.code FROM flight f WHERE f.airport = airport.id',
      'PRAGMA journal_mode',
      "ATTACH 'x' AS y",
      'VACUUM',
      'CREATE TABLE x (y)',
      'BEGIN',
    ];
    for (const statement of later) {
      await expect(node.sql(statement), statement).rejects.toMatchObject({
        code: expect.stringMatching(/query-unsupported|query-syntax/),
      });
    }
  });

  test(`${MAX_TRANSACTION_OPERATIONS} rows may be changed at once, and not one more`, async () => {
    await insertMany(MAX_TRANSACTION_OPERATIONS - 1);
    expect(await node.sql("UPDATE airport SET city = 'x'")).toMatchObject({ changes: MAX_TRANSACTION_OPERATIONS });
    await node.sql("INSERT INTO airport (iata) VALUES ('one more')");
    const { position } = node.report();
    for (const statement of ["UPDATE airport SET city = 'y'", 'DELETE FROM airport']) {
      await expect(node.sql(statement)).rejects.toMatchObject({ code: 'limit-exceeded' });
    }
    await expect(insertMany(MAX_TRANSACTION_OPERATIONS + 1)).rejects.toMatchObject({ code: 'limit-exceeded' });
    expect([node.report().position, await node.query(Airport, "city = 'y'")]).toEqual([position, []]);
    await node.transact((tx) => {
      const refused = ["UPDATE airport SET city = 'y'", 'INSERT INTO airport (iata) SELECT iata FROM airport'];
      for (const text of refused)
        expect(() => tx.sql(text)).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
      tx.create(Airport, { iata: 'what the callback did besides' });
    });
    expect(await node.sql('SELECT count(*) AS n, count(city) AS c FROM airport')).toEqual([
      { n: MAX_TRANSACTION_OPERATIONS + 2, c: MAX_TRANSACTION_OPERATIONS },
    ]);
  });
});

describe('sql in a transaction', () => {
  test('sees the transaction’s own writes, and the transaction sees what it wrote', async () => {
    await node.transact((tx) => {
      const jfk = tx.create(Airport, { iata: 'JFK' });
      expect(tx.sql('SELECT count(*) AS n FROM airport')).toEqual([{ n: 2 }]);
      tx.sql('UPDATE airport SET city = iata');
      expect(tx.get(Airport, jfk)).toMatchObject({ city: 'JFK' });
      expect(tx.sql('DELETE FROM airport WHERE city = ? RETURNING iata', ['SFO'])).toEqual([{ iata: 'SFO' }]);
      expect(tx.query(Airport)).toMatchObject([{ id: jfk }]);
    });
    expect(await node.query(Airport)).toMatchObject([{ iata: 'JFK', city: 'JFK' }]);
  });

  test('reads and writes over the snapshot of an asynchronous one', async () => {
    await node.transact(async (tx) => {
      await node.sql("INSERT INTO airport (iata) VALUES ('another')");
      expect(tx.sql('SELECT iata FROM airport')).toEqual([{ iata: 'SFO' }]);
      expect(tx.sql("UPDATE airport SET city = 'here' RETURNING iata, city")).toEqual([{ iata: 'SFO', city: 'here' }]);
      expect(tx.sql('SELECT count(*) AS n FROM airport WHERE city IS NULL')).toEqual([{ n: 0 }]);
    });
    expect(await node.query(Airport, 'true ORDER BY iata')).toMatchObject([
      { iata: 'SFO', city: 'here' },
      { iata: 'another', city: null },
    ]);
  });

  test('a statement that is refused leaves the transaction as it was, for a callback that catches it', async () => {
    await node.transact((tx) => {
      tx.create(Airport, { iata: 'kept' });
      expect(() => tx.sql("INSERT INTO airport (iata) VALUES ('good'), (NULL)")).toThrow();
      expect(() => tx.sql('UPDATE flight SET nothing = 1')).toThrow();
    });
    expect(await node.query(Airport, 'true ORDER BY iata')).toMatchObject([{ iata: 'SFO' }, { iata: 'kept' }]);
  });

  test('a large update in portions of one transaction counts each entity once', async () => {
    await insertMany(MAX_TRANSACTION_OPERATIONS - 1);
    await node.transact((tx) => {
      tx.sql("UPDATE airport SET city = 'first'");
      expect(tx.sql("UPDATE airport SET city = 'second'").changes).toBe(MAX_TRANSACTION_OPERATIONS);
      expect(() => tx.create(Airport, { iata: 'one more' })).toThrow(
        expect.objectContaining({ code: 'limit-exceeded' }),
      );
    });
    expect(await node.query(Airport, "city = 'second'")).toHaveLength(MAX_TRANSACTION_OPERATIONS);
  });
});
