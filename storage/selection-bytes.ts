/**
 * The bytes in which a file keeps what was asked for: the text of a selection and its parameters.
 *
 * Text, then a byte: 0 and a varint count of values, one for each `?`; or 1 and a varint count of names, each a text and its
 * value. A value is one of encoding.ts, where a whole number is a REAL unless it was given as a bigint; a text is tag 5, a varint
 * count of bytes and UTF-8, because it may hold U+0000, which rows never do.
 */
import type { SqlInput, SqlParameters } from '../query/index.ts';
import { ByteReader, ByteWriter, Malformed } from './encoding.ts';
import { MAX_VALUE_BYTES } from './operation.ts';
import { damaged } from './row-bytes.ts';

const POSITIONS = 0;
const NAMES = 1;
const TAG_TEXT = 5;

// Scratch space: what it has handed out is never written to again.
const writer = new ByteWriter();
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function encodeSelection(text: string, parameters: SqlParameters): Uint8Array {
  writeText(text);
  if (isPositions(parameters)) {
    writer.byte(POSITIONS);
    writer.varint(parameters.length);
    for (const input of parameters) writeInput(input);
  } else {
    const entries = Object.entries(parameters);
    writer.byte(NAMES);
    writer.varint(entries.length);
    for (const [name, input] of entries) {
      writeText(name);
      writeInput(input);
    }
  }
  return writer.take();
}

/** @throws {TendrilError} `storage-damaged`. */
export function decodeSelection(bytes: Uint8Array): { readonly text: string; readonly parameters: SqlParameters } {
  const reader = new ByteReader(bytes);
  try {
    const text = readText(reader);
    const parameters = reader.byte() === POSITIONS ? readPositions(reader) : readNames(reader);
    reader.end();
    return { text, parameters };
  } catch (error) {
    throw error instanceof Malformed ? damaged('a followed selection', error) : error;
  }
}

function isPositions(parameters: SqlParameters): parameters is readonly SqlInput[] {
  return Array.isArray(parameters);
}

function writeText(text: string): void {
  const bytes = encoder.encode(text);
  writer.varint(bytes.length);
  writer.raw(bytes);
}

function writeInput(input: SqlInput): void {
  if (typeof input === 'string' || input instanceof Date) {
    writer.byte(TAG_TEXT);
    writeText(typeof input === 'string' ? input : input.toISOString());
  } else writer.value(typeof input === 'boolean' ? Number(input) : input);
}

function readPositions(reader: ByteReader): readonly SqlInput[] {
  const inputs: SqlInput[] = [];
  for (let count = reader.varint(); count > 0; count -= 1) inputs.push(readInput(reader));
  return inputs;
}

function readNames(reader: ByteReader): Readonly<Record<string, SqlInput>> {
  const entries: [string, SqlInput][] = [];
  for (let count = reader.varint(); count > 0; count -= 1) entries.push([readText(reader), readInput(reader)]);
  // Makes own properties whatever the names are, `__proto__` too.
  return Object.fromEntries(entries);
}

function readInput(reader: ByteReader): SqlInput {
  if (reader.bytes[reader.offset] !== TAG_TEXT) return reader.value(MAX_VALUE_BYTES);
  reader.byte();
  return readText(reader);
}

function readText(reader: ByteReader): string {
  const start = reader.offset;
  try {
    return decoder.decode(reader.raw(reader.varint()));
  } catch (error) {
    throw error instanceof Malformed ? error : new Malformed('text that is not UTF-8', start);
  }
}
