/**
 * The bytes of what stands beside a row's values: its head, versions and extra, and the undo of an operation on it.
 *
 * Invariant: all are canonical (law 1 holds for them byte for byte): ids and names ascend, nothing has two spellings.
 */
import { TendrilError } from '../errors.ts';
import type { SqlValue } from '../query/index.ts';
import { ByteReader, ByteWriter, Malformed } from './encoding.ts';
import { type AnyId, ID_BYTES, type OperationId, type Position, readId } from './ids.ts';
import { MAX_NAME_BYTES, MAX_VALUE_BYTES } from './operation.ts';
import type { Extra, Register, Undo, Versions } from './rows.ts';

const NO_ROW = 0;
const ROW = 1;

// Scratch space: what it has handed out is never written to again.
const writer = new ByteWriter();

const NOTHING = new Uint8Array(0);

/** 16 bytes each, nothing between. */
export function encodeIds(ids: readonly AnyId[]): Uint8Array {
  if (ids.length === 0) return NOTHING;
  for (const id of ids) writer.id(id);
  return writer.take();
}

export function decodeIds(bytes: Uint8Array): readonly OperationId[] {
  if (bytes.length % ID_BYTES !== 0) throw damaged('a list of ids');
  const ids: OperationId[] = [];
  for (let at = 0; at < bytes.length; at += ID_BYTES) ids.push(readId(bytes, at));
  return ids;
}

/** The base, then the listed ones: count, and each its property and winner. */
export function encodeVersions({ base, listed }: Versions): Uint8Array {
  writer.id(base);
  writer.varint(listed.length);
  for (const [property, winner] of listed) {
    writer.text(property);
    writer.id(winner);
  }
  return writer.take();
}

export function decodeVersions(bytes: Uint8Array): Versions {
  return decoded(bytes, 'versions', (reader) => {
    const base = reader.id<OperationId>();
    const listed: [string, OperationId][] = [];
    for (let count = reader.varint(); count > 0; count -= 1) listed.push([reader.text(MAX_NAME_BYTES), reader.id()]);
    return { base, listed };
  });
}

/** Count, and each its property, winner and value. null where there is none. */
export function encodeExtra(extra: Extra): Uint8Array | null {
  if (extra.length === 0) return null;
  writer.varint(extra.length);
  for (const [property, value, winner] of extra) {
    writer.text(property);
    writer.id(winner);
    writer.value(value);
  }
  return writer.take();
}

export function decodeExtra(bytes: Uint8Array | null): Extra {
  if (bytes === null) return [];
  return decoded(bytes, 'extra properties', (reader) => {
    const extra: [string, SqlValue, OperationId][] = [];
    for (let count = reader.varint(); count > 0; count -= 1) {
      const property = reader.text(MAX_NAME_BYTES);
      const winner = reader.id<OperationId>();
      extra.push([property, reader.value(MAX_VALUE_BYTES), winner]);
    }
    return extra;
  });
}

/** A byte, 0 if there was no row; else asOf, head, deleted, registers. An id that may be missing is preceded by 0 or 1. */
export function encodeUndo(undo: Undo): Uint8Array {
  if (undo === null) return UNDO_OF_CREATION;
  writer.byte(ROW);
  writer.varint(undo.asOf);
  writer.varint(undo.head.length);
  for (const id of undo.head) writer.id(id);
  writeOptionalId(undo.deleted);
  writer.varint(undo.registers.length);
  for (const { property, value, winner } of undo.registers) {
    writer.text(property);
    writeOptionalId(winner);
    if (winner !== null) writer.value(value);
  }
  return writer.take();
}

export function decodeUndo(bytes: Uint8Array): Undo {
  return decoded(bytes, 'an undo', (reader) => {
    if (reader.byte() === NO_ROW) return null;
    const asOf = reader.varint() as Position;
    const head: OperationId[] = [];
    for (let count = reader.varint(); count > 0; count -= 1) head.push(reader.id());
    const deleted = readOptionalId(reader);
    const registers: Register[] = [];
    for (let count = reader.varint(); count > 0; count -= 1) {
      const property = reader.text(MAX_NAME_BYTES);
      const winner = readOptionalId(reader);
      registers.push({ property, winner, value: winner === null ? null : reader.value(MAX_VALUE_BYTES) });
    }
    return { registers, head, deleted, asOf };
  });
}

const UNDO_OF_CREATION = Uint8Array.of(NO_ROW);

function writeOptionalId(id: OperationId | null): void {
  writer.byte(id === null ? 0 : 1);
  if (id !== null) writer.id(id);
}

function readOptionalId(reader: ByteReader): OperationId | null {
  return reader.byte() === 0 ? null : reader.id<OperationId>();
}

function decoded<Result>(bytes: Uint8Array, what: string, read: (reader: ByteReader) => Result): Result {
  const reader = new ByteReader(bytes);
  try {
    const result = read(reader);
    reader.end();
    return result;
  } catch (error) {
    throw error instanceof Malformed ? damaged(what, error) : error;
  }
}

/** A wrong bit can make another type of a cell, which SQLite does not notice when it reads. @throws `storage-damaged`. */
export function bytesIn(cell: unknown, what: string): Uint8Array {
  if (cell instanceof Uint8Array) return cell;
  throw damaged(what);
}

export function damaged(what: string, cause?: Error): TendrilError {
  return new TendrilError({
    code: 'storage-damaged',
    problem: `The bytes of ${what} in this file are not as they were written${cause === undefined ? '' : ` (${cause.message})`}.`,
    remedy: 'Restore the file from a backup, and check the disk.',
    facts: { what },
    cause,
  });
}
