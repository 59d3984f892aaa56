/**
 * SQL's values in JavaScript, in two spellings, and their order.
 *
 *   - `SqlValue` is exact: a bigint is an INTEGER, a number is a REAL, whatever they hold. Parameters travel so.
 *   - `Cell` is what a row holds: an INTEGER within ±(2^53-1) is a number, a bigint beyond; a REAL is a number.
 *     Which of the two a number is, the column's type says (tables are STRICT).
 *
 * Comparisons take either spelling: SQLite orders numbers by what they are worth, and so does JavaScript, exactly,
 * with a bigint on either side.
 */
export type SqlValue = null | bigint | number | string | Uint8Array;
export type Cell = null | bigint | number | string | Uint8Array;

/** SQLite's storage classes. */
export type ValueClass = 'null' | 'integer' | 'real' | 'text' | 'blob';

/** How text is compared. */
export type Collation = 'BINARY' | 'NOCASE' | 'RTRIM';

/** One stored row: the id, then each property in the order of its table's columns. */
export type RawRow = readonly Cell[];

/** What a user may pass for a parameter. An integral number within ±(2^53-1) is an INTEGER, any other a REAL. */
export type SqlInput = string | number | bigint | boolean | Date | Uint8Array | null;

/** A cell whose class is known, spelled exactly. */
export function exactOf(cell: Cell, valueClass: ValueClass): SqlValue {
  return typeof cell === 'number' && valueClass === 'integer' ? BigInt(cell) : cell;
}

/** An exact value, spelled as a cell. */
export function cellOf(value: SqlValue): Cell {
  if (typeof value !== 'bigint') return value;
  const narrowed = Number(value);
  return Number.isSafeInteger(narrowed) ? narrowed : value;
}

export function classOf(value: SqlValue): ValueClass {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'bigint':
      return 'integer';
    case 'number':
      return 'real';
    case 'string':
      return 'text';
    case 'object':
      return 'blob';
  }
}

/** SQLite's order of any two values: NULL, numbers, text (by `collation`), blobs. Negative, 0 or positive. */
export function compareValues(left: Cell, right: Cell, collation: Collation): number {
  const rank = rankOf(left);
  const difference = rank - rankOf(right);
  if (difference !== 0) return difference;
  if (rank === TEXT_RANK) return compareCollated(left as string, right as string, collation);
  if (rank === BLOB_RANK) return compareBlobs(left as Uint8Array, right as Uint8Array);
  if (rank === NULL_RANK) return 0;
  return (left as number) < (right as number) ? -1 : (left as number) > (right as number) ? 1 : 0;
}

const NULL_RANK = 0;
const NUMBER_RANK = 1;
const TEXT_RANK = 2;
const BLOB_RANK = 3;

function rankOf(value: Cell): number {
  if (value === null) return NULL_RANK;
  if (typeof value === 'string') return TEXT_RANK;
  return typeof value === 'object' ? BLOB_RANK : NUMBER_RANK;
}

function compareCollated(left: string, right: string, collation: Collation): number {
  switch (collation) {
    case 'BINARY':
      return compareText(left, right);
    case 'NOCASE':
      return compareNocase(left, right);
    case 'RTRIM':
      return compareText(trimSpaces(left), trimSpaces(right));
  }
}

/**
 * The order of the UTF-8 bytes, which is that of the code points. UTF-16 differs in one place: surrogates stand for
 * the greatest code points, yet are smaller units than U+E000 to U+FFFF.
 */
export function compareText(left: string, right: string): number {
  if (left === right) return 0;
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at++) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a !== b) return a < SURROGATES || b < SURROGATES ? a - b : codePointRank(a) - codePointRank(b);
  }
  return left.length - right.length;
}

const SURROGATES = 0xd800;
const AFTER_SURROGATES = 0xe000;

function codePointRank(unit: number): number {
  return unit < AFTER_SURROGATES ? unit + AFTER_SURROGATES : unit;
}

/** SQLite's NOCASE stops where both texts hold U+0000, and then lets their lengths in bytes decide. */
function compareNocase(left: string, right: string): number {
  const a = foldAscii(left);
  const b = foldAscii(right);
  const end = a.indexOf('\0');
  if (end < 0 || b.indexOf('\0') !== end || a.slice(0, end) !== b.slice(0, end)) return compareText(a, b);
  return utf8Length(a) - utf8Length(b);
}

/** ASCII letters in lower case, nothing else: the folding of NOCASE and LIKE. */
export function foldAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function trimSpaces(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x20) end--;
  return end === text.length ? text : text.slice(0, end);
}

export function utf8Length(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) bytes += 1;
    // Two units of a surrogate pair make four bytes.
    else if (unit < 0x800 || (unit >= SURROGATES && unit < AFTER_SURROGATES)) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}

export function compareBlobs(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at++) {
    const difference = left[at]! - right[at]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** One character per byte: a blob as a Map key, in the order of its bytes. */
export function latin1Of(blob: Uint8Array): string {
  let text = '';
  for (const byte of blob) text += String.fromCharCode(byte);
  return text;
}
