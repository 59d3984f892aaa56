/**
 * Row stream: the bytes in which rows and items travel to whoever follows them.
 *
 * Invariants
 *   - both sides have equal descriptors; a row's values stand in the order of `descriptor.properties`, without names;
 *   - a row or a list of items has exactly one encoding, and the decoder refuses every other: what it gives is a row
 *     that could stand in a table, whoever sent the bytes;
 *   - what is usual takes no room: a head that is the base alone, versions that list nothing, a row that lives.
 *
 * Row: id; a byte of flags; base; asOf (varint); the head (varint count, ids) if flag 1; the listed versions (varint count,
 * each a text and an id) if flag 2; the extra (varint count, each a text, an id and a value) if flag 8; the cells. Flag 4 says
 * that it is deleted, by the operation that won its existence. A cell is a value (encoding.ts), but: 5 and a zig-zag
 * varint for a whole number from -2^52 to 2^52-1; 6 and a zig-zag varint of milliseconds since 1970 for a timestamp;
 * 7 and 16 bytes for a ref.
 * Items: varint count; each an id and its edits as in operation bytes; ascending by id.
 */
import { assert, TendrilError } from '../errors.ts';
import { type Cell, cellOf, compareText, type SqlValue } from '../query/index.ts';
import type { Descriptor } from './descriptor.ts';
import { ByteReader, ByteWriter, Malformed } from './encoding.ts';
import { type AnyId, type EntityId, ID_BYTES, type OperationId, type Position, readId } from './ids.ts';
import { type Edit, type Item, MAX_NAME_BYTES, MAX_VALUE_BYTES } from './operation.ts';
import { checkEdits, readEdits, writeEdits } from './operation-bytes.ts';
import type { PropertyType } from './property-rule.ts';
import { fitsType } from './property-value.ts';
import { versionsOf, winnersOf } from './registers.ts';
import type { Extra, StoredRow, Versions } from './rows.ts';

const HAS_HEAD = 1;
const HAS_LISTED = 2;
const IS_DELETED = 4;
const HAS_EXTRA = 8;
const ALL_FLAGS = 15;

// Beside the tags of plain values, which are 0 to 4.
const TAG_NULL = 0;
const TAG_SHORT_INTEGER = 5;
const TAG_TIMESTAMP = 6;
const TAG_REF = 7;

/** Whole numbers from minus this to one below it have the short form: their zig-zag is still a varint. */
const SHORT_INTEGERS = 2 ** 52;
/** The greatest distance from 1970 that a Date can have. */
const GREATEST_TIME = 8.64e15;
/** Of `YYYY-MM-DDTHH:MM:SS.sssZ`; the years before 0 and after 9999 are longer. */
const TIMESTAMP_LENGTH = 24;

// Scratch space: what it has handed out is never written to again.
const writer = new ByteWriter();

/** `row`: as a table of this descriptor holds it. */
export function encodeRow(descriptor: Descriptor, row: StoredRow): Uint8Array {
  return encoded(() => writeRow(descriptor, row));
}

/** @throws {TendrilError} `protocol-violation` for bytes that `encodeRow` would not write; the offset in `facts`. */
export function decodeRow(descriptor: Descriptor, bytes: Uint8Array): StoredRow {
  return decoded(bytes, `a row of ${descriptor.collection}`, (reader) => readRow(descriptor, reader));
}

/** The id of an encoded row. @throws {TendrilError} `protocol-violation` for bytes that are too few. */
export function idOfRow(bytes: Uint8Array): EntityId {
  if (bytes.length >= ID_BYTES) return readId<EntityId>(bytes, 0);
  return decoded(bytes, 'a row', (reader) => reader.id<EntityId>());
}

/** Where an encoded row stands; null for bytes that are none. */
export function positionOfRow(bytes: Uint8Array): Position | null {
  const reader = new ByteReader(bytes);
  try {
    reader.raw(ID_BYTES + 1 + ID_BYTES);
    return reader.varint() as Position;
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** - `items`: ascending by id. */
export function encodeItems(items: readonly Item[]): Uint8Array {
  return encoded(() => {
    writer.varint(items.length);
    for (const { id, edits } of items) {
      writer.id(id);
      writeEdits(writer, edits);
    }
  });
}

/** @throws {TendrilError} `protocol-violation` for bytes that `encodeItems` would not write; the offset in `facts`. */
export function decodeItems(bytes: Uint8Array): readonly Item[] {
  return decoded(bytes, 'the items of a row', readItems);
}

function writeRow({ properties }: Descriptor, { values, head, versions, deleted, asOf, extra }: StoredRow): void {
  const { base, listed } = versions;
  const isHeadBase = head.length === 1 && head[0] === base;
  assert(deleted === null || deleted === existenceOf(versions), 'a row deleted by another than it says');
  writer.id(values[0] as EntityId);
  writer.byte(
    (isHeadBase ? 0 : HAS_HEAD) |
      (listed.length === 0 ? 0 : HAS_LISTED) |
      (deleted === null ? 0 : IS_DELETED) |
      (extra.length === 0 ? 0 : HAS_EXTRA),
  );
  writer.id(base);
  writer.varint(asOf);
  if (!isHeadBase) {
    writer.varint(head.length);
    for (const id of head) writer.id(id);
  }
  if (listed.length > 0) {
    writer.varint(listed.length);
    for (const [property, winner] of listed) {
      writer.text(property);
      writer.id(winner);
    }
  }
  if (extra.length > 0) writeExtra(extra);
  for (const { type, column } of properties) writeCell(type, values[column]!);
}

function writeExtra(extra: Extra): void {
  writer.varint(extra.length);
  for (const [property, value, winner] of extra) {
    writer.text(property);
    writer.id(winner);
    writer.value(value);
  }
}

function writeCell(type: PropertyType, cell: Cell): void {
  if (cell === null) {
    writer.byte(TAG_NULL);
    return;
  }
  switch (type) {
    case 'integer':
    case 'bigint':
    case 'boolean':
      if (isShort(cell as number | bigint)) writeZigzag(TAG_SHORT_INTEGER, Number(cell));
      else writer.value(BigInt(cell as number | bigint));
      return;
    case 'timestamp': {
      const time = Date.parse(cell as string);
      assert(!Number.isNaN(time), 'a timestamp that is none');
      writeZigzag(TAG_TIMESTAMP, time);
      return;
    }
    case 'ref':
      writer.byte(TAG_REF);
      writer.id(cell as string as AnyId);
      return;
    case 'text':
    case 'json':
    case 'real':
    case 'blob':
      writer.value(cell);
  }
}

function readRow(descriptor: Descriptor, reader: ByteReader): StoredRow {
  const id = reader.id<EntityId>();
  const flags = reader.byte();
  if (flags > ALL_FLAGS) throw new Malformed('flags of no known kind', ID_BYTES);
  const base = reader.id<OperationId>();
  const asOf = reader.varint() as Position;
  const head = (flags & HAS_HEAD) === 0 ? [base] : readHead(reader, base);
  const listed = (flags & HAS_LISTED) === 0 ? [] : readListed(descriptor, reader);
  const extra = (flags & HAS_EXTRA) === 0 ? [] : readExtra(descriptor, reader);
  const values = descriptor.unset.slice();
  values[0] = id;
  for (const { type, column } of descriptor.properties) values[column] = readCell(reader, type);
  const versions: Versions = { base, listed };
  const deleted = (flags & IS_DELETED) === 0 ? null : existenceOf(versions);
  const row: StoredRow = { values, head, versions, deleted, asOf, extra };
  if (listed.length > 0) checkVersions(descriptor, row, reader.offset);
  return row;
}

function readHead(reader: ByteReader, base: OperationId): readonly OperationId[] {
  const start = reader.offset;
  const head: OperationId[] = [];
  for (let count = countOf(reader, ID_BYTES, 'ids of a head'); count > 0; count -= 1) {
    const id = reader.id<OperationId>();
    if (id <= (head.at(-1) ?? '')) throw new Malformed('a head that is not ascending', start);
    head.push(id);
  }
  if (head.length === 0 || (head.length === 1 && head[0] === base)) {
    throw new Malformed('a head that is not in its shortest form', start);
  }
  return head;
}

function readListed({ columnOf }: Descriptor, reader: ByteReader): Versions['listed'] {
  const start = reader.offset;
  const listed: [string, OperationId][] = [];
  for (let count = reader.count(columnOf.size + 1, 'versions'); count > 0; count -= 1) {
    const property = reader.text(MAX_NAME_BYTES);
    if (property !== '' && !columnOf.has(property)) throw new Malformed('a version of no property', start);
    checkAscending(listed.at(-1)?.[0], property, start);
    listed.push([property, reader.id()]);
  }
  if (listed.length === 0) throw new Malformed('a list of no versions', start);
  return listed;
}

function readExtra({ columnOf }: Descriptor, reader: ByteReader): Extra {
  const start = reader.offset;
  const extra: [string, SqlValue, OperationId][] = [];
  for (let count = countOf(reader, ID_BYTES, 'extra properties'); count > 0; count -= 1) {
    const property = reader.text(MAX_NAME_BYTES);
    if (property === '' || columnOf.has(property)) throw new Malformed('an extra property that is none', start);
    checkAscending(extra.at(-1)?.[0], property, start);
    const winner = reader.id<OperationId>();
    extra.push([property, reader.value(MAX_VALUE_BYTES), winner]);
  }
  if (extra.length === 0) throw new Malformed('a list of no extra properties', start);
  return extra;
}

function readCell(reader: ByteReader, type: PropertyType): Cell {
  const start = reader.offset;
  const tag = reader.bytes[start];
  if (tag === TAG_SHORT_INTEGER) {
    const short = readZigzag(reader);
    const fits = type === 'integer' || type === 'bigint' || (type === 'boolean' && (short === 0 || short === 1));
    if (fits) return short;
  } else if (tag === TAG_TIMESTAMP) {
    const time = readZigzag(reader);
    const text = Math.abs(time) <= GREATEST_TIME ? new Date(time).toISOString() : '';
    if (type === 'timestamp' && text.length === TIMESTAMP_LENGTH) return text;
  } else if (tag === TAG_REF) {
    reader.byte();
    const id = reader.id();
    if (type === 'ref') return id;
  } else {
    const value = reader.value(MAX_VALUE_BYTES);
    if (value === null) return null;
    const hasShorter = type === 'timestamp' || type === 'ref' || (typeof value === 'bigint' && isShort(value));
    if (!hasShorter && fitsType(type, value)) return cellOf(value);
  }
  throw new Malformed(`a value that is no ${type}, or not in its shortest form`, start);
}

function readItems(reader: ByteReader): readonly Item[] {
  const items: Item[] = [];
  for (let count = countOf(reader, ID_BYTES, 'items'); count > 0; count -= 1) {
    const start = reader.offset;
    const id = reader.id<OperationId>();
    if (id <= (items.at(-1)?.id ?? '')) throw new Malformed('items that are not ascending', start);
    const edits: readonly Edit[] = readEdits(reader);
    checkEdits(edits);
    items.push({ id, edits });
  }
  return items;
}

/** The operation that won the existence register. */
function existenceOf({ base, listed }: Versions): OperationId {
  const first = listed[0];
  return first !== undefined && first[0] === '' ? first[1] : base;
}

/** Versions that list nothing are always sound: these must be what the winners they stand for are spelled as. */
function checkVersions(descriptor: Descriptor, row: StoredRow, at: number): void {
  const { base, listed } = versionsOf(descriptor, winnersOf(descriptor, row), row.values);
  const isSame =
    base === row.versions.base &&
    listed.length === row.versions.listed.length &&
    listed.every(([property, winner], index) => {
      const [otherProperty, otherWinner] = row.versions.listed[index]!;
      return property === otherProperty && winner === otherWinner;
    });
  if (!isSame) throw new Malformed('versions that are not in their one form', at);
}

function checkAscending(previous: string | undefined, property: string, at: number): void {
  if (previous !== undefined && compareText(previous, property) >= 0) {
    throw new Malformed('properties that are not ascending', at);
  }
}

/** A varint that counts things of at least `size` bytes each: no more than there is room for. */
function countOf(reader: ByteReader, size: number, what: string): number {
  return reader.count(Math.floor((reader.bytes.length - reader.offset) / size), what);
}

function isShort(value: number | bigint): boolean {
  return value >= -SHORT_INTEGERS && value < SHORT_INTEGERS;
}

function writeZigzag(tag: number, value: number): void {
  writer.byte(tag);
  writer.varint(value >= 0 ? value * 2 : -value * 2 - 1);
}

/** After its tag, which was looked at. */
function readZigzag(reader: ByteReader): number {
  reader.byte();
  const folded = reader.varint();
  return folded % 2 === 0 ? folded / 2 : -((folded + 1) / 2);
}

function encoded(write: () => void): Uint8Array {
  try {
    write();
    return writer.take();
  } catch (error) {
    writer.drop();
    throw error;
  }
}

function decoded<Result>(bytes: Uint8Array, what: string, read: (reader: ByteReader) => Result): Result {
  const reader = new ByteReader(bytes);
  try {
    const result = read(reader);
    reader.end();
    return result;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new TendrilError({
      code: 'protocol-violation',
      problem: `The bytes of ${what} that came over a connection have ${error.message}.`,
      remedy: 'Check the versions of both sides, and that nothing changes messages on their way.',
      facts: { what, offset: error.offset },
      cause: error,
    });
  }
}
