/**
 * The bytes of what an ephemeral node keeps: the operations of a pending transaction, a base, a cursor, whom it follows.
 * See docs/format.md.
 *
 * Invariant: a base is spelled by names, as an undo is, so that it outlives columns added or moved since.
 */
import type { Descriptor } from './descriptor.ts';
import { ByteReader, ByteWriter, Malformed } from './encoding.ts';
import { bytesOfId, type EntityId, type EpochId, ID_BYTES, type Position, readId } from './ids.ts';
import type { Cursor } from './log.ts';
import { DIGEST_BYTES, decodeLogged, digestOf } from './operation-bytes.ts';
import { registersOf, sameBytes, withRegisters } from './registers.ts';
import type { KeptBase, PreparedOperation } from './replica-store.ts';
import { damaged, decodeUndo, encodeUndo } from './row-bytes.ts';

const POSITION_BYTES = 8;

const HAS_LEFT = 1;
const IS_MIXED = 2;
const ALL_FLAGS = 3;

type BaseContent = Pick<KeptBase, 'row' | 'hasLeft' | 'isMixed'>;

// Scratch space: what it has handed out is never written to again.
const writer = new ByteWriter();

/** A varint count; of each its digest and a varint count of its bytes; then the bytes of all. */
export function encodeOperations(operations: readonly Pick<PreparedOperation, 'bytes' | 'digest'>[]): Uint8Array {
  writer.varint(operations.length);
  let total = 0;
  for (const { bytes, digest } of operations) {
    writer.raw(digest);
    writer.varint(bytes.length);
    total += bytes.length;
  }
  const front = writer.take();
  // By itself: a transaction may be large, and a slab grown for it would be kept.
  const encoded = new Uint8Array(front.length + total);
  encoded.set(front);
  let at = front.length;
  for (const { bytes } of operations) {
    encoded.set(bytes, at);
    at += bytes.length;
  }
  return encoded;
}

/** @throws {TendrilError} `storage-damaged`, also where one is not what its digest says. */
export function decodeOperations(encoded: Uint8Array): readonly PreparedOperation[] {
  const reader = new ByteReader(encoded);
  try {
    const fronts: { readonly digest: Uint8Array; readonly length: number }[] = [];
    for (let count = reader.varint(); count > 0; count -= 1) {
      fronts.push({ digest: reader.raw(DIGEST_BYTES).slice(), length: reader.varint() });
    }
    const operations = fronts.map(({ digest, length }) => {
      const bytes = reader.raw(length).slice();
      if (!sameBytes(digestOf(bytes), digest)) throw damaged('an operation');
      return { operation: decodeLogged(bytes), bytes, digest };
    });
    reader.end();
    return operations;
  } catch (error) {
    throw error instanceof Malformed ? damaged('a pending transaction', error) : error;
  }
}

/** A byte: 1 it has left, 2 it is mixed. Then the undo of all that is pending over the row. */
export function encodeBase(descriptor: Descriptor, { row, hasLeft, isMixed }: BaseContent): Uint8Array {
  const undo = encodeUndo(
    row && { registers: registersOf(descriptor, row), head: row.head, deleted: row.deleted, asOf: row.asOf },
  );
  const bytes = new Uint8Array(1 + undo.length);
  bytes[0] = (hasLeft ? HAS_LEFT : 0) + (isMixed ? IS_MIXED : 0);
  bytes.set(undo, 1);
  return bytes;
}

/** @throws {TendrilError} `storage-damaged`. */
export function decodeBase(descriptor: Descriptor, entity: EntityId, bytes: Uint8Array): BaseContent {
  const flags = bytes[0] ?? ALL_FLAGS + 1;
  if (flags > ALL_FLAGS) throw damaged('a confirmed row');
  const undo = decodeUndo(bytes.subarray(1));
  const content = { hasLeft: (flags & HAS_LEFT) !== 0, isMixed: (flags & IS_MIXED) !== 0 };
  if (undo === null) return { ...content, row: null };
  const { registers, head, deleted, asOf } = undo;
  if (registers[0]?.property !== '' || registers[0].winner === null) throw damaged('a confirmed row');
  return { ...content, row: { ...withRegisters(descriptor, entity, null, registers), head, deleted, asOf } };
}

/** Epoch and position. */
export function encodeCursor({ epoch, position }: Cursor): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES + POSITION_BYTES);
  bytes.set(bytesOfId(epoch));
  new DataView(bytes.buffer).setBigUint64(ID_BYTES, BigInt(position));
  return bytes;
}

/** @throws {TendrilError} `storage-damaged`. */
export function decodeCursor(bytes: Uint8Array): Cursor {
  if (bytes.length !== ID_BYTES + POSITION_BYTES) throw damaged('the cursor');
  const position = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(ID_BYTES));
  if (!Number.isSafeInteger(position)) throw damaged('the cursor');
  return { epoch: readId<EpochId>(bytes, 0), position: position as Position };
}
