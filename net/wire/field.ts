/**
 * Field: one kind of thing that a message may hold, how it is written and how it is read and checked; and how fields make
 * structures.
 *
 * Invariants
 *   - what `write` returns, `read` takes, and nothing that breaks a limit passes either of them (`WireProblem`);
 *   - a structure is a list with its fields in a fixed order, and of a union, the code of its kind first: the length of
 *     the list is their number, so none can be missing, added or doubled, and none has a name to be forged.
 */
import { utf8Length } from '../../query/index.ts';
import { type AnyId, bytesOfId, isUlid, writeId } from '../../storage/index.ts';
import { ID_BYTES, WireLimit, WireProblem, type WireReader } from './wire-reader.ts';

/** What msgpackr is given to write. */
export type Wire = null | boolean | number | bigint | string | Uint8Array | readonly Wire[] | ReadonlyMap<string, Wire>;

export interface Field<Value> {
  readonly write: (value: Value) => Wire;
  readonly read: (reader: WireReader) => Value;
}

/** A field for each property; their order here is their order on the wire. */
export type Fields<Value> = { readonly [Name in keyof Value]-?: Field<Value[Name]> };

export function integerField<Value extends number>(least: number, greatest: number): Field<Value> {
  return {
    write: (value) => {
      const isWithin = Number.isSafeInteger(value) && value >= least && value <= greatest;
      if (!isWithin) throw new WireProblem(`is ${value}, not an integer within ${least} to ${greatest}`);
      return value;
    },
    read: (reader) => reader.integer(least, greatest) as Value,
  };
}

export const booleanField: Field<boolean> = {
  write: (value) => value,
  read: (reader) => reader.boolean(),
};

/** Without lone surrogates: one that is written becomes U+FFFD, as in SQLite. */
export function textField(maxBytes: number): Field<string> {
  return {
    write: (text) => writeText(text, maxBytes),
    read: (reader) => reader.text(maxBytes),
  };
}

/** Read as a view of the message. */
export function bytesField(maxBytes: number): Field<Uint8Array> {
  return {
    write: (bytes) => writeBytes(bytes, maxBytes),
    read: (reader) => reader.bytes(maxBytes),
  };
}

/** Exactly as many bytes. Read as a copy: they are few, and kept. */
export function digestField(bytes: number): Field<Uint8Array> {
  const check = (value: Uint8Array): Uint8Array => {
    if (value.length !== bytes) throw new WireProblem(`has ${value.length} bytes, not ${bytes}`);
    return value;
  };
  return { write: check, read: (reader) => check(reader.bytes(bytes)).slice() };
}

export function idField<Id extends AnyId>(): Field<Id> {
  return {
    write: (id) => {
      checkId(id);
      return bytesOfId(id);
    },
    read: (reader) => reader.id<Id>(),
  };
}

/** Ids one after the other, as bytes. */
export function idsField<Id extends AnyId>(maxIds: number): Field<readonly Id[]> {
  return {
    write: (ids) => {
      if (ids.length > maxIds) throw new WireLimit(`has ${ids.length} ids, more than ${maxIds}`);
      const bytes = new Uint8Array(ids.length * ID_BYTES);
      for (const [index, id] of ids.entries()) {
        checkId(id);
        writeId(bytes, index * ID_BYTES, id);
      }
      return bytes;
    },
    read: (reader) => reader.ids<Id>(maxIds),
  };
}

/** One of a few words. */
export function wordField<Word extends string>(words: readonly Word[]): Field<Word> {
  const longest = Math.max(...words.map((word) => word.length));
  return {
    write: (word) => word,
    read: (reader) => {
      const text = reader.text(longest);
      const word = words.find((each) => each === text);
      if (word === undefined) throw new WireProblem(`is none of ${words.join(', ')}`);
      return word;
    },
  };
}

export function nullable<Value>(field: Field<Value>): Field<Value | null> {
  return {
    write: (value) => (value === null ? null : field.write(value)),
    read: (reader) => (reader.takesNull() ? null : field.read(reader)),
  };
}

export function listField<Value>(element: Field<Value>, maxElements: number): Field<readonly Value[]> {
  return {
    write: (values) => {
      if (values.length > maxElements) throw new WireLimit(`has ${values.length} elements, more than ${maxElements}`);
      const wires: Wire[] = [];
      try {
        for (const value of values) wires.push(element.write(value));
      } catch (error) {
        throw placed(error, wires.length);
      }
      return wires;
    },
    read: (reader) => {
      const count = reader.array(maxElements);
      const values: Value[] = [];
      try {
        while (values.length < count) values.push(element.read(reader));
      } catch (error) {
        throw placed(error, values.length);
      }
      return values;
    },
  };
}

export function structField<Value extends object>(fields: Fields<Value>): Field<Value> {
  const parts = partsOf(fields);
  return {
    write: (value) => writeParts(parts, value, []),
    read: (reader) => {
      checkLength(reader.array(MAX_STRUCTURE_FIELDS), parts.length);
      return readParts(parts, reader, {}) as Value;
    },
  };
}

/** What a union has for one of its kinds. `problem`: what no single field can tell; null where nothing is wrong. */
export interface Variant<Value> {
  readonly code: number;
  readonly fields: Fields<Omit<Value, 'kind'>>;
  readonly problem?: (value: Value) => string | null;
  /** Of a kind that other versions of the protocol have too, with more fields or fewer. */
  readonly foreign?: {
    /** So many fields are the same in every version. */
    readonly shared: number;
    /** Told by the shared fields: of another version. What follows them, to the end of the frame, is not looked at. */
    readonly is: (value: Value) => boolean;
    /** Stands for the other fields of such a one. */
    readonly rest: Partial<Value>;
  };
}

export type Variants<Union extends { readonly kind: string }> = {
  readonly [Kind in Union['kind']]: Variant<Extract<Union, { readonly kind: Kind }>>;
};

/** The path of a problem in a field names the kind, then the field. */
export function unionField<Union extends { readonly kind: string }>(variants: Variants<Union>): Field<Union> {
  const shapes = Object.entries(variants as unknown as Readonly<Record<string, Variant<never>>>).map(
    ([kind, variant]) => shapeOf(kind, variant),
  );
  const byKind = new Map(shapes.map((shape) => [shape.kind, shape]));
  const byCode = new Map(shapes.map((shape) => [shape.code, shape]));
  return {
    write: (value) => {
      const shape = byKind.get(value.kind);
      if (shape === undefined) throw new WireProblem(`is of the unknown kind ${value.kind}`);
      try {
        checkWhole(shape, value);
        return writeParts(shape.parts, value, [shape.code]);
      } catch (error) {
        throw placed(error, shape.kind);
      }
    },
    read: (reader) => {
      const length = reader.array(MAX_STRUCTURE_FIELDS);
      if (length === 0) throw new WireProblem('is an empty list, without a kind');
      const code = reader.integer(0, GREATEST_CODE);
      const shape = byCode.get(code);
      if (shape === undefined) throw new WireProblem(`is of the unknown kind ${code}`);
      try {
        return readShape(shape, reader, length - 1) as unknown as Union;
      } catch (error) {
        throw placed(error, shape.kind);
      }
    },
  };
}

/** Text as SQLite keeps it. */
export function wellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? text.replace(LONE_SURROGATES, '\uFFFD') : text;
}

export function writeText(text: string, maxBytes: number): string {
  const written = wellFormed(text);
  if (!fitsBytes(written, maxBytes)) throw new WireLimit(`has more than ${maxBytes} bytes of text`);
  return written;
}

export function writeBytes(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length > maxBytes) throw new WireLimit(`has ${bytes.length} bytes, more than ${maxBytes}`);
  return bytes;
}

/** Greater than any structure's: a list that is longer is refused before its elements are looked at. */
const MAX_STRUCTURE_FIELDS = 64;
const GREATEST_CODE = 127;
// With `u`, a surrogate matches only where it stands alone.
const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** One field of a structure, its type forgotten: the tables that made it were checked. */
interface StructurePart {
  readonly name: string;
  readonly field: Field<unknown>;
}

interface Shape {
  readonly kind: string;
  readonly code: number;
  readonly parts: readonly StructurePart[];
  readonly problem: (value: object) => string | null;
  /** Those that are the same in every version, where there are other versions of it; the others. */
  readonly shared: readonly StructurePart[];
  readonly own: readonly StructurePart[];
  readonly isForeign: (value: object) => boolean;
  readonly foreignRest: object;
}

function partsOf(fields: object): readonly StructurePart[] {
  return Object.entries(fields).map(([name, field]) => ({ name, field: field as Field<unknown> }));
}

function shapeOf(kind: string, { code, fields, problem, foreign }: Variant<never>): Shape {
  const parts = partsOf(fields);
  return {
    kind,
    code,
    parts,
    problem: (problem as Shape['problem'] | undefined) ?? (() => null),
    shared: parts.slice(0, foreign?.shared ?? 0),
    own: parts.slice(foreign?.shared ?? 0),
    isForeign: (foreign?.is as Shape['isForeign'] | undefined) ?? (() => false),
    foreignRest: foreign?.rest ?? {},
  };
}

function readShape(shape: Shape, reader: WireReader, given: number): object {
  const { kind, parts, shared, own, isForeign, foreignRest } = shape;
  if (given < shared.length) checkLength(given, parts.length);
  const value: Record<string, unknown> = { kind };
  readParts(shared, reader, value);
  if (isForeign(value)) {
    reader.skipRest();
    return { ...value, ...foreignRest };
  }
  checkLength(given, parts.length);
  readParts(own, reader, value);
  checkWhole(shape, value);
  return value;
}

function writeParts(parts: readonly StructurePart[], value: object, wires: Wire[]): Wire[] {
  for (const { name, field } of parts) {
    try {
      wires.push(field.write((value as Readonly<Record<string, unknown>>)[name]));
    } catch (error) {
      throw placed(error, name);
    }
  }
  return wires;
}

function readParts(parts: readonly StructurePart[], reader: WireReader, value: Record<string, unknown>): object {
  for (const { name, field } of parts) {
    try {
      value[name] = field.read(reader);
    } catch (error) {
      throw placed(error, name);
    }
  }
  return value;
}

function checkLength(given: number, wanted: number): void {
  if (given !== wanted) throw new WireProblem(`has ${given} fields, not ${wanted}`);
}

function checkWhole(shape: Shape, value: object): void {
  const problem = shape.problem(value);
  if (problem !== null) throw new WireProblem(problem);
}

function placed(error: unknown, place: string | number): unknown {
  if (error instanceof WireProblem) error.path.unshift(place);
  return error;
}

function checkId(id: AnyId): void {
  if (!isUlid(id)) throw new WireProblem('is no ULID');
}

function fitsBytes(text: string, maxBytes: number): boolean {
  // A UTF-16 unit makes three bytes at most.
  return text.length * 3 <= maxBytes || (text.length <= maxBytes && utf8Length(text) <= maxBytes);
}
