/**
 * Skeletons: what is left of an operation whose content was compacted away: who it was, what it was built on, and the
 * digest of what it said. Stored in place of its bytes, and forwarded in place of them.
 *
 * Invariants
 *   - one skeleton has one encoding; the decoder refuses every other with `invalid-operation`;
 *   - its first byte tells it from an operation; id and transaction stand at the same places in both.
 *
 * Format byte 2, then id, transaction, collection, entity, precursors (count, ids ascending), author, digest. See
 * docs/format.md.
 */
import { assert, TendrilError } from '../errors.ts';
import { utf8Length } from '../query/index.ts';
import { ByteReader, ByteWriter, Malformed } from './encoding.ts';
import { ID_BYTES, type OperationId, readId, type TransactionId } from './ids.ts';
import { MAX_NAME_BYTES, MAX_PRECURSORS, type Operation } from './operation.ts';
import { DIGEST_BYTES, decodeOperation, digestOf } from './operation-bytes.ts';
import { damaged } from './row-bytes.ts';

const SKELETON_FORMAT = 2;
const NO_SALT = new Uint8Array(0);

/** An operation without its edits and its salt. */
export interface Skeleton
  extends Pick<Operation, 'id' | 'transaction' | 'collection' | 'entity' | 'precursors' | 'author'> {
  /** Of the operation bytes that are gone. */
  readonly digest: Uint8Array;
}

/** One operation of a log, whole or not. Of a skeleton the edits and the salt are empty. */
export interface KeptOperation {
  readonly operation: Operation;
  /** As they are kept and forwarded. */
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
  readonly isSkeleton: boolean;
}

// Scratch space: what it has handed out is never written to again.
const writer = new ByteWriter();

export function isSkeleton(bytes: Uint8Array): boolean {
  return bytes[0] === SKELETON_FORMAT;
}

/** The transaction that an operation or a skeleton belongs to, read without the rest. */
export function transactionOf(bytes: Uint8Array): TransactionId {
  return readId(bytes, 1 + ID_BYTES);
}

/** - `skeleton`: of an operation that was sound. */
export function encodeSkeleton(skeleton: Skeleton): Uint8Array {
  assert(skeleton.digest.length === DIGEST_BYTES, 'a digest of another length');
  writer.byte(SKELETON_FORMAT);
  writer.id(skeleton.id);
  writer.id(skeleton.transaction);
  writer.text(skeleton.collection);
  writer.id(skeleton.entity);
  writer.varint(skeleton.precursors.length);
  for (const precursor of skeleton.precursors) writer.id(precursor);
  writer.text(skeleton.author);
  writer.raw(skeleton.digest);
  return writer.take();
}

/** @throws {TendrilError} `invalid-operation` for bytes that `encodeSkeleton` would not write. */
export function decodeSkeleton(bytes: Uint8Array): Skeleton {
  const reader = new ByteReader(bytes);
  try {
    const skeleton = readSkeleton(reader);
    reader.end();
    return skeleton;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new TendrilError({
      code: 'invalid-operation',
      problem: `What is left of a compacted operation was refused because it has ${error.message}.`,
      remedy: 'Check the node it came from: its version, and that nothing changes operations on their way.',
      facts: { offset: error.offset },
    });
  }
}

/** @throws {TendrilError} `invalid-operation`. */
export function decodeKept(bytes: Uint8Array): KeptOperation {
  if (!isSkeleton(bytes)) {
    return { operation: decodeOperation(bytes), bytes, digest: digestOf(bytes), isSkeleton: false };
  }
  const { digest, ...rest } = decodeSkeleton(bytes);
  return { operation: { ...rest, edits: [], salt: NO_SALT }, bytes, digest, isSkeleton: true };
}

/** One of the log: it was sound when it was written. @throws {TendrilError} `storage-damaged`. */
export function decodeKeptOfLog(bytes: Uint8Array): KeptOperation {
  try {
    return decodeKept(bytes);
  } catch (error) {
    throw error instanceof TendrilError ? damaged('an operation', error) : error;
  }
}

function readSkeleton(reader: ByteReader): Skeleton {
  if (reader.byte() !== SKELETON_FORMAT) throw new Malformed('another format', 0);
  const id = reader.id<OperationId>();
  const transaction = reader.id<TransactionId>();
  const collection = readName(reader, 'collection');
  const entity = reader.id<Operation['entity']>();
  const precursors: OperationId[] = [];
  for (let count = reader.count(MAX_PRECURSORS, 'precursors'); count > 0; count -= 1) {
    const precursor = reader.id<OperationId>();
    if (precursor <= (precursors.at(-1) ?? '')) throw new Malformed('precursors that are not ascending', reader.offset);
    precursors.push(precursor);
  }
  if ((precursors.at(-1) ?? '') >= id) throw new Malformed('an id that is not above its precursors', 0);
  const author = readName(reader, 'author');
  const digest = reader.raw(DIGEST_BYTES).slice();
  return { id, transaction, collection, entity, precursors, author, digest };
}

function readName(reader: ByteReader, what: string): string {
  const name = reader.text(MAX_NAME_BYTES);
  if (name === '' || utf8Length(name) > MAX_NAME_BYTES) throw new Malformed(`a ${what} without a name`, reader.offset);
  return name;
}
