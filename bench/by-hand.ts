/**
 * The limit's side of every write: the rows that a Node writes, by plain prepared statements and nothing else.
 *
 * It is honest by construction: a Node writes one sample of each change first; what is written by hand afterwards is
 * that sample's rows again (same tables, columns and blob sizes, whatever the format has become), with other ids,
 * positions and values. Nothing is encoded, hashed, merged or minted here, so no engine could be faster.
 */
import { readId } from '../storage/index.ts';
import type { NewFlight } from './flights.ts';
import { type HandDatabase, type HandValue, openByHand } from './hand-database.ts';
import type { RowTemplate, Sample } from './sample.ts';

export interface HandWriter {
  readonly database: HandDatabase;
  /** One transaction of the database around `body`. */
  readonly commit: (body: () => void) => void;
  /** One transaction of the log: its own row and its outcome. Operations written next belong to it. */
  readonly transaction: () => void;
  /** A new row and its operation. */
  readonly create: (flight: NewFlight) => HandId;
  /** The same under an id that somebody else gave it. */
  readonly createAs: (id: HandId, flight: NewFlight) => void;
  /** The row as it stands is read first, as whoever writes an undo must. Gives it. */
  readonly update: (id: HandId, column: keyof NewFlight, value: HandValue) => HandRow;
}

/** As in a collection's table, and as in the log. */
export interface HandId {
  readonly text: string;
  readonly bytes: Buffer;
}

/** A row of the physical table as the driver gives it. */
export interface HandRow extends Record<string, HandValue> {
  readonly id: string;
  readonly origin: string;
  readonly departs: string;
  readonly distance: number;
}

/** A new database at `path` with the sample's tables, and its writer. */
export function createHandWriter(path: string, sample: Sample): HandWriter {
  const database = openByHand(path);
  for (const statement of sample.schema) database.exec(statement);
  return handWriterOver(database, sample);
}

/** Over tables that are there, and empty. */
export function handWriterOver(database: HandDatabase, sample: Sample): HandWriter {
  const [begin, end] = [database.prepare('BEGIN IMMEDIATE'), database.prepare('COMMIT')];
  const insertTransaction = inserter(database, 'tendril_transaction', sample.create.transaction, ['position', 'tx']);
  const insertOutcome = inserter(database, 'tendril_outcome', sample.create.outcome, ['tx', 'position']);
  const insertRow = inserter(database, '_flight', sample.create.row, ROW_COLUMNS);
  const created = operationInserter(database, sample.create);
  const updated = operationInserter(database, sample.update);
  const read = database.prepare('SELECT * FROM _flight WHERE id = ?');
  const updates = new Map(
    (['origin', 'destination', 'departs', 'distance', 'delay'] as const).map((column) => [
      column,
      database.prepare(`UPDATE _flight SET ${column} = ?, _head = ?, _versions = ?, _asOf = ? WHERE id = ?`),
    ]),
  );
  const ids = countedIds();
  let position = 0;
  let ordinal = 0;
  const createAs = (id: HandId, flight: NewFlight) => {
    const operation = ids.next().bytes;
    insertRow(id.text, ...cellsOf(flight), operation, position);
    created(position, ordinal++, operation, id.bytes);
  };

  return {
    database,
    commit: (body) => {
      begin.run();
      body();
      end.run();
    },
    transaction: () => {
      position += 1;
      ordinal = 0;
      const { bytes } = ids.next();
      insertTransaction(position, bytes);
      insertOutcome(bytes, position);
    },
    create: (flight) => {
      const id = ids.next();
      createAs(id, flight);
      return id;
    },
    createAs,
    update: (id, column, value) => {
      const before = read.get(id.text) as HandRow;
      const operation = ids.next().bytes;
      updates.get(column)!.run(value, operation, sample.update.row._versions!, position, id.text);
      updated(position, ordinal++, operation, id.bytes);
      return before;
    },
  };
}

/** The row alone, as who follows keeps it; its log is the server's. */
export interface HandKeeper {
  readonly database: HandDatabase;
  readonly insert: (id: HandId, flight: NewFlight) => void;
}

export function createHandKeeper(path: string, sample: Sample): HandKeeper {
  const database = openByHand(path);
  for (const statement of sample.schema) database.exec(statement);
  const insertRow = inserter(database, '_flight', sample.create.row, ROW_COLUMNS);
  let position = 0;
  return {
    database,
    insert: (id, flight) => {
      position += 1;
      insertRow(id.text, ...cellsOf(flight), id.bytes, position);
    },
  };
}

const ROW_COLUMNS = ['id', 'origin', 'destination', 'departs', 'distance', 'delay', '_head', '_asOf'];

function cellsOf({ origin, destination, departs, distance, delay }: NewFlight): HandValue[] {
  return [origin, destination, departs.toISOString(), distance, delay];
}

type Insert = (...varying: HandValue[]) => void;

/** Inserts a copy of `template` with other values in the columns `varying`. */
function inserter(database: HandDatabase, table: string, template: RowTemplate, varying: readonly string[]): Insert {
  const columns = Object.keys(template);
  const places = varying.map((column) => columns.indexOf(column));
  if (places.includes(-1)) throw new Error(`${table} has no such columns: ${varying.join(', ')}`);
  const marks = columns.map(() => '?').join(', ');
  const statement = database.prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks})`);
  const values = Object.values(template);
  return (...given) => {
    for (let i = 0; i < places.length; i++) values[places[i]!] = given[i]!;
    statement.run(...values);
  };
}

function operationInserter(database: HandDatabase, sample: Sample['create']): Insert {
  const identity = inserter(database, 'tendril_identity', sample.identity, ['position', 'ordinal', 'id', 'entity']);
  const content = inserter(database, 'tendril_content', sample.content, ['position', 'ordinal']);
  return (position, ordinal, id, entity) => {
    identity(position!, ordinal!, id!, entity!);
    content(position!, ordinal!);
  };
}

const ID_BYTES = 16;
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** Where the counter stands: in the last six characters, which are the last 30 bits. */
const COUNTER_BITS = 30;

/** Valid ids in ascending order, as a mint gives them, at the price of a counter. */
export function countedIds(): { readonly next: () => HandId } {
  const prefix = readId(Buffer.alloc(ID_BYTES, 1), 0).slice(0, -COUNTER_BITS / 5);
  const first = Buffer.alloc(ID_BYTES, 1).readUInt32BE(ID_BYTES - 4) & ~(2 ** COUNTER_BITS - 1);
  let count = 0;
  return {
    next: () => {
      count += 1;
      const bytes = Buffer.alloc(ID_BYTES, 1);
      bytes.writeUInt32BE(first + count, ID_BYTES - 4);
      let text = prefix;
      for (let shift = COUNTER_BITS - 5; shift >= 0; shift -= 5) text += CROCKFORD[(count >>> shift) & 31]!;
      return { bytes, text };
    },
  };
}
