/**
 * Value fields: SQL's values as they travel, in answers and as parameters.
 *
 * Invariant: what arrives is a `Cell`, whatever was passed: an INTEGER within ±(2^53-1) is a number and a bigint beyond,
 * -0 is 0, a Date is the text that a timestamp keeps, a boolean is 0 or 1. To SQL that is the same value.
 * An integer beyond ±(2^53-1) is written as a 64-bit integer, a REAL as a float: so the two stay apart where they differ.
 */
import { type Cell, cellOf, MAX_PARAMETERS, type SqlInput, type SqlParameters } from '../../query/index.ts';
import { MAX_VALUE_BYTES } from '../../storage/index.ts';
import { type Field, textField, type Wire, writeBytes, writeText } from './field.ts';
import { WireLimit, WireProblem, type WireReader } from './wire-reader.ts';

/** UTF-8 bytes of a parameter's name: it stands in the text of a statement. */
export const MAX_PARAMETER_NAME_BYTES = 1_024;

const GREATEST_INTEGER = 2n ** 63n - 1n;
const GREATEST_YEAR = 9_999;

/** Values of an answer: SQLite may make longer ones than it keeps, so only the message bounds them. */
export function cellField(maxBytes: number): Field<Cell> {
  return {
    write: (cell) => writeValue(cell, maxBytes),
    read: (reader) => reader.cell(maxBytes),
  };
}

/** A list for positions, a map for names. */
export const parametersField: Field<SqlParameters> = {
  write: (parameters) => (isPositions(parameters) ? writePositions(parameters) : writeNames(parameters)),
  read: (reader) => {
    const pairs = reader.map(MAX_PARAMETERS);
    return pairs === null ? readPositions(reader) : readNames(reader, pairs);
  },
};

const nameField = textField(MAX_PARAMETER_NAME_BYTES);

function isPositions(parameters: SqlParameters): parameters is readonly SqlInput[] {
  return Array.isArray(parameters);
}

function writePositions(parameters: readonly SqlInput[]): Wire {
  checkCount(parameters.length);
  return parameters.map((input, index) => at(index + 1, () => writeValue(input, MAX_VALUE_BYTES)));
}

function writeNames(parameters: Readonly<Record<string, SqlInput>>): Wire {
  const entries = Object.entries(parameters);
  checkCount(entries.length);
  return new Map(
    entries.map(([name, input]) => [
      nameField.write(name) as string,
      at(name, () => writeValue(input, MAX_VALUE_BYTES)),
    ]),
  );
}

function checkCount(count: number): void {
  if (count > MAX_PARAMETERS) throw new WireLimit(`has ${count} parameters, more than ${MAX_PARAMETERS}`);
}

function readPositions(reader: WireReader): readonly Cell[] {
  const count = reader.array(MAX_PARAMETERS);
  const cells: Cell[] = [];
  while (cells.length < count) cells.push(at(cells.length + 1, () => reader.cell(MAX_VALUE_BYTES)));
  return cells;
}

function readNames(reader: WireReader, count: number): Readonly<Record<string, Cell>> {
  const cells = new Map<string, Cell>();
  for (let left = count; left > 0; left -= 1) {
    const name = nameField.read(reader);
    if (cells.has(name)) throw new WireProblem(`has two values for ${JSON.stringify(name.slice(0, 64))}`);
    cells.set(
      name,
      at(name, () => reader.cell(MAX_VALUE_BYTES)),
    );
  }
  // Makes own properties whatever the names are, `__proto__` too.
  return Object.fromEntries(cells);
}

function at<Result>(place: string | number, body: () => Result): Result {
  try {
    return body();
  } catch (error) {
    if (error instanceof WireProblem) error.path.unshift(typeof place === 'string' ? place.slice(0, 64) : place);
    throw error;
  }
}

function writeValue(input: SqlInput, maxBytes: number): Wire {
  switch (typeof input) {
    case 'string':
      return writeText(input, maxBytes);
    case 'number':
      if (Number.isNaN(input)) throw new WireProblem('is NaN, which SQL does not have');
      return input;
    case 'bigint':
      if (input > GREATEST_INTEGER || input < -GREATEST_INTEGER - 1n) {
        throw new WireProblem('is an integer beyond 64 bits');
      }
      return cellOf(input);
    case 'boolean':
      return input ? 1 : 0;
    case 'object':
      return writeObject(input, maxBytes);
  }
  throw new WireProblem(`is of type ${typeof input}, which SQL does not have`);
}

/** What no type keeps out of a program without types is looked at too. */
function writeObject(input: object | null, maxBytes: number): Wire {
  if (input === null) return null;
  if (input instanceof Uint8Array) return writeBytes(input, maxBytes);
  const year = input instanceof Date ? input.getUTCFullYear() : Number.NaN;
  // Years of four digits only, as in every timestamp: longer ones would not sort as text.
  if (!(year >= 0 && year <= GREATEST_YEAR)) throw new WireProblem('is neither a Date of four digits nor a Uint8Array');
  return (input as Date).toISOString();
}
