/** Flights and airports as a node keeps them: tables with hidden columns behind views, and tables that are not collections. */
import { type Analyser, createAnalyser } from '../../query/statement/statement.ts';
import type { Column, Table } from '../../query/table.ts';
import { memory } from '../../storage/drivers/sql-js.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import { FLIGHT } from './flights.ts';

const text = (name: string, index: number): Column => ({ name, type: 'text', index, json: false });
export const AIRPORT: Table = { name: 'airport', columns: ['id', 'iata', 'name'].map(text) };

const SCHEMA = `
  CREATE TABLE _flight (id TEXT PRIMARY KEY, origin TEXT, distance INTEGER, late REAL, bits BLOB, meta TEXT, departs TEXT,
    _head BLOB) STRICT, WITHOUT ROWID;
  CREATE VIEW flight AS SELECT id, origin, distance, late, bits, meta, departs FROM _flight;
  CREATE TABLE _airport (id TEXT PRIMARY KEY, iata TEXT, name TEXT) STRICT, WITHOUT ROWID;
  CREATE VIEW airport AS SELECT id, iata, name FROM _airport;
  CREATE TABLE tendril_log (position INTEGER PRIMARY KEY);
  CREATE TABLE other (x);
  INSERT INTO _flight (id, origin, distance, late) VALUES ('1', 'SFO', 500, 1.5), ('2', 'SFO', 300, NULL), ('3', 'JFK', 7, 0.5);
  INSERT INTO _airport VALUES ('a', 'SFO', 'San Francisco'), ('b', 'JFK', 'Kennedy');
`;

export interface Airports {
  readonly driver: SqliteDriver;
  readonly analyse: Analyser;
}

export async function openAirports(): Promise<Airports> {
  const driver = await memory().open();
  driver.exec(SCHEMA);
  return { driver, analyse: createAnalyser([FLIGHT, AIRPORT], driver) };
}
