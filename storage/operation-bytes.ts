/**
 * The canonical bytes of an operation, and their digest: what is stored, forwarded and identified.
 *
 * Invariants
 *   - one operation has one encoding; the decoder refuses every other with `invalid-operation`;
 *   - an edit of a kind this version does not know keeps its bytes, so that it can be forwarded as it came.
 *
 * Format byte 1, then id, transaction, collection, entity, precursors (count, ids ascending), edits (count; each
 * property, kind code, count of payload bytes, payload; ascending by property), author, 8 bytes of salt. See docs/format.md.
 */
import { TendrilError } from '../errors.ts';
import { compareText, utf8Length } from '../query/index.ts';
import { ByteReader, ByteWriter, Malformed, sizeOfValue } from './encoding.ts';
import type { EntityId, OperationId, TransactionId } from './ids.ts';
import {
  type Edit,
  MAX_EDITS,
  MAX_NAME_BYTES,
  MAX_PRECURSORS,
  MAX_VALUE_BYTES,
  type Operation,
  SALT_BYTES,
} from './operation.ts';
import { damaged } from './row-bytes.ts';
import { sha256 } from './sha256.ts';

const OPERATION_FORMAT = 1;
export const DIGEST_BYTES = 16;

/** Kind codes. 5 add (counter), 6 member (set), 7 entry (map), 8 text (richText), 9 rank are reserved: until then unknown. */
const KIND_CODES = { create: 1, restore: 2, delete: 3, set: 4 } as const;
const GREATEST_KNOWN_CODE = 4;
/** A kind code has at most two bytes of varint. */
const MAX_KIND_CODE = 16_383;
/** A value's payload: its tag, a varint of three bytes, its content. */
const MAX_PAYLOAD_BYTES = MAX_VALUE_BYTES + 4;

// Scratch space: what it has handed out is never written to again.
const writer = new ByteWriter();

/** @throws {TendrilError} `invalid-operation` for one that breaks an invariant or a limit of `Operation`. */
export function encodeOperation(operation: Operation): Uint8Array {
  try {
    checkOperation(operation);
    writeOperation(operation);
    return writer.take();
  } catch (error) {
    writer.drop();
    throw error instanceof Malformed ? invalidOperation(error.message, { id: operation.id }) : error;
  }
}

/** @throws {TendrilError} `invalid-operation` for bytes that `encodeOperation` would not write; the offset in `facts`. */
export function decodeOperation(bytes: Uint8Array): Operation {
  const reader = new ByteReader(bytes);
  try {
    const operation = readOperation(reader);
    reader.end();
    checkOperation(operation);
    return operation;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw invalidOperation(error.message, { offset: error.offset });
  }
}

/** An operation of the log: it was sound when it was written. @throws {TendrilError} `storage-damaged`. */
export function decodeLogged(bytes: Uint8Array): Operation {
  try {
    return decodeOperation(bytes);
  } catch (error) {
    throw error instanceof TendrilError ? damaged('an operation', error) : error;
  }
}

/** Identifies the content: 16 bytes. */
export function digestOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes, DIGEST_BYTES);
}

function writeOperation(operation: Operation): void {
  writer.byte(OPERATION_FORMAT);
  writer.id(operation.id);
  writer.id(operation.transaction);
  writer.text(operation.collection);
  writer.id(operation.entity);
  writer.varint(operation.precursors.length);
  for (const precursor of operation.precursors) writer.id(precursor);
  writeEdits(writer, operation.edits);
  writer.text(operation.author);
  writer.raw(operation.salt);
}

/** Their count, and each; they are checked by whoever reads them, or by `checkEdits`. */
export function writeEdits(writer: ByteWriter, edits: readonly Edit[]): void {
  writer.varint(edits.length);
  for (const edit of edits) writeEdit(writer, edit);
}

function writeEdit(writer: ByteWriter, edit: Edit): void {
  writer.text(edit.property);
  switch (edit.kind) {
    case 'create':
    case 'restore':
    case 'delete':
      writer.varint(KIND_CODES[edit.kind]);
      writer.varint(0);
      return;
    case 'set': {
      writer.varint(KIND_CODES.set);
      const size = sizeOfValue(edit.value);
      if (size > MAX_PAYLOAD_BYTES) throw new Malformed(`a value of ${edit.property} of ${size} bytes`, 0);
      writer.varint(size);
      writer.value(edit.value);
      return;
    }
    case 'unknown':
      writer.varint(edit.code);
      writer.varint(edit.payload.length);
      writer.raw(edit.payload);
  }
}

function readOperation(reader: ByteReader): Operation {
  if (reader.byte() !== OPERATION_FORMAT) throw new Malformed('an operation of another format', 0);
  const id = reader.id<OperationId>();
  const transaction = reader.id<TransactionId>();
  const collection = reader.name(MAX_NAME_BYTES);
  const entity = reader.id<EntityId>();
  const precursors: OperationId[] = [];
  for (let count = reader.count(MAX_PRECURSORS, 'precursors'); count > 0; count -= 1) precursors.push(reader.id());
  const edits = readEdits(reader);
  const author = reader.name(MAX_NAME_BYTES);
  const salt = reader.raw(SALT_BYTES).slice();
  return { id, transaction, collection, entity, precursors, edits, author, salt };
}

/** What `writeEdits` wrote, as far as one edit tells: `checkEdits` is still to be asked. @throws {Malformed} */
export function readEdits(reader: ByteReader): readonly Edit[] {
  const edits: Edit[] = [];
  for (let count = reader.count(MAX_EDITS, 'edits'); count > 0; count -= 1) edits.push(readEdit(reader));
  return edits;
}

function readEdit(reader: ByteReader): Edit {
  const property = reader.name(MAX_NAME_BYTES);
  const at = reader.offset;
  const code = reader.count(MAX_KIND_CODE, 'as a kind of edit');
  const length = reader.count(MAX_PAYLOAD_BYTES, 'bytes of an edit');
  const end = reader.offset + length;
  const edit = readPayload(reader, property, code, length);
  if (reader.offset !== end) throw new Malformed('an edit whose length is not that of its content', at);
  return edit;
}

function readPayload(reader: ByteReader, property: string, code: number, length: number): Edit {
  if (code === KIND_CODES.set) return { kind: 'set', property, value: reader.value(MAX_VALUE_BYTES) };
  if (code > GREATEST_KNOWN_CODE) return { kind: 'unknown', property, code, payload: reader.raw(length).slice() };
  if (property !== '') throw new Malformed('the existence of something that is no entity', reader.offset);
  if (code === KIND_CODES.create) return { kind: 'create', property };
  if (code === KIND_CODES.restore) return { kind: 'restore', property };
  if (code === KIND_CODES.delete) return { kind: 'delete', property };
  throw new Malformed('an edit of kind 0', reader.offset);
}

/** What holds of every operation, written or read. */
function checkOperation(operation: Operation): void {
  const { precursors, edits, salt } = operation;
  if (precursors.length > MAX_PRECURSORS) throw new Malformed(`${precursors.length} precursors`, 0);
  if (salt.length !== SALT_BYTES) throw new Malformed('a salt that is not 8 bytes', 0);
  checkName(operation.collection, 'collection');
  checkName(operation.author, 'author');
  let below = '';
  for (const precursor of precursors) {
    if (precursor <= below) throw new Malformed('precursors that are not ascending', 0);
    below = precursor;
  }
  if (below >= operation.id) throw new Malformed('an id that is not above its precursors', 0);
  checkEdits(edits);
  if (precursors.length === 0 && edits[0]?.kind !== 'create') {
    throw new Malformed('no precursors, and yet no creation', 0);
  }
}

/** What holds of the edits of one operation. @throws {Malformed} */
export function checkEdits(edits: readonly Edit[]): void {
  if (edits.length > MAX_EDITS) throw new Malformed(`${edits.length} edits`, 0);
  for (let index = 0; index < edits.length; index += 1) checkEdit(edits[index]!, edits[index - 1]);
}

function checkEdit(edit: Edit, previous: Edit | undefined): void {
  if (previous !== undefined && compareText(previous.property, edit.property) >= 0) {
    throw new Malformed('edits that are not ascending by property', 0);
  }
  if (edit.kind === 'set') checkName(edit.property, 'property');
  if (edit.kind !== 'unknown') return;
  if (edit.property.length > 0) checkName(edit.property, 'property');
  if (edit.code <= GREATEST_KNOWN_CODE || edit.code > MAX_KIND_CODE) throw new Malformed('an edit of a wrong kind', 0);
  if (edit.payload.length > MAX_PAYLOAD_BYTES) throw new Malformed('an edit that is too large', 0);
}

function checkName(name: string, what: string): void {
  if (name === '') throw new Malformed(`a ${what} without a name`, 0);
  if (name.length * 3 > MAX_NAME_BYTES && utf8Length(name) > MAX_NAME_BYTES) {
    throw new Malformed(`a ${what} whose name has more than ${MAX_NAME_BYTES} bytes`, 0);
  }
}

function invalidOperation(what: string, facts: Readonly<Record<string, unknown>>): TendrilError {
  return new TendrilError({
    code: 'invalid-operation',
    problem: `An operation was refused because it has ${what}.`,
    remedy: 'Check the node it came from: its version, and that nothing changes operations on their way.',
    facts,
  });
}
