/**
 * Refused: a transaction that the authority refused, as a row of its author's shelf.
 *
 * Invariants
 *   - what was tried stands in the order in which it was first written, one entry for each entity;
 *   - a value is spelled as JSON can hold it, and by its property's type becomes again what was written.
 */
import { assert, type Facts, type TendrilError } from '../../../errors.ts';
import { cellOf, type RawRow, type SqlValue } from '../../../query/index.ts';
import {
  decodeCell,
  json,
  localCollection,
  type Operation,
  type PropertyType,
  type RowOf,
  type TransactionId,
  text,
  timestamp,
} from '../../../storage/index.ts';
import type { Catalog } from '../../catalog.ts';
import type { Transaction } from '../../write/transaction.ts';
import type { Pending } from '../outbox/outbox.ts';

/** What a refused transaction wrote of one entity. */
export interface Tried {
  readonly collection: string;
  readonly id: string;
  readonly kind: 'create' | 'update' | 'delete' | 'restore';
  /**
   * By property. In a row of the shelf they are JSON: a timestamp is its ISO text, a bigint its digits, a blob its bytes in
   * hexadecimal. `retry` gives them to its callback as `create` and `update` take them.
   */
  readonly values: Readonly<Record<string, unknown>>;
}

/** The local collection of them. Its ids are those of the transactions. */
export const Refused = localCollection('tendril_refused', {
  code: text(),
  problem: text(),
  remedy: text(),
  facts: json<Facts>(),
  refusedAt: timestamp(),
  tried: json<readonly Tried[]>(),
  builtOn: text().optional(),
});
/** A refused transaction as `node.refused` shows it. */
export type Refused = RowOf<typeof Refused>;

/** Where a row holds what was tried. */
const TRIED = Refused.table.columns.findIndex(({ name }) => name === 'tried');

/** - `builtOn`: the transaction that the authority refused, if it is another one. */
export function refusedRow(
  catalog: Catalog,
  { transaction, operations }: Pending,
  { code, problem, remedy, facts }: TendrilError,
  builtOn: TransactionId | null,
  now: number,
): RawRow {
  const tried = triedOf(
    catalog,
    operations.map(({ operation }) => operation),
  );
  const refusedAt = new Date(now).toISOString();
  return [transaction, code, storable(problem), storable(remedy), factsText(facts), refusedAt, textOf(tried), builtOn];
}

/** What was tried, its values as `create` and `update` take them. */
export function triedIn(catalog: Catalog, row: RawRow): readonly Tried[] {
  const tried = JSON.parse(row[TRIED] as string) as readonly Tried[];
  return tried.map((each) => {
    const values = Object.entries(each.values).map(([property, value]) => {
      return [property, fromJson(typeOf(catalog, each.collection, property), value)];
    });
    return { ...each, values: Object.fromEntries(values) };
  });
}

/** Writes it once more. @throws {TendrilError} whatever a write throws. */
export function writeAgain(catalog: Catalog, tx: Transaction, tried: readonly Tried[]): void {
  for (const { collection: name, id, kind, values } of tried) {
    const { collection } = catalog.named(name)!;
    const update = () => {
      if (Object.keys(values).length > 0) tx.update(collection, id, values);
    };
    switch (kind) {
      case 'create':
        tx.create(collection, values as Parameters<Transaction['create']>[1], { id });
        break;
      case 'update':
        update();
        break;
      case 'restore':
        tx.restore(collection, id);
        update();
        break;
      case 'delete':
        update();
        tx.delete(collection, id);
    }
  }
}

/** An operation that only narrows a head tried nothing. */
function triedOf(catalog: Catalog, operations: readonly Operation[]): readonly Tried[] {
  return operations
    .filter(({ edits }) => edits.length > 0)
    .map(({ collection, entity, edits }) => {
      let kind: Tried['kind'] = 'update';
      const values: Record<string, unknown> = {};
      for (const edit of edits) {
        if (edit.kind === 'set') {
          const type = typeOf(catalog, collection, edit.property);
          values[edit.property] = toJson(type, edit.value);
        } else if (edit.kind !== 'unknown') kind = edit.kind;
      }
      return { collection, id: entity, kind, values };
    });
}

function typeOf(catalog: Catalog, collection: string, property: string): PropertyType {
  const type = catalog.named(collection)?.properties.find(({ name }) => name === property)?.rule.type;
  assert(type !== undefined, `this node wrote ${collection}.${property}, which it does not have`);
  return type;
}

function toJson(type: PropertyType, value: SqlValue): unknown {
  if (value === null) return null;
  switch (type) {
    case 'text':
    case 'ref':
    case 'timestamp':
      return value;
    case 'bigint':
      return String(value);
    case 'real':
      return Number.isFinite(value) ? value : String(value);
    case 'blob':
      return hexOf(value as Uint8Array);
    case 'integer':
    case 'boolean':
    case 'json':
      return decodeCell(type, cellOf(value));
  }
}

function fromJson(type: PropertyType, value: unknown): unknown {
  if (value === null) return null;
  switch (type) {
    case 'text':
    case 'ref':
    case 'integer':
    case 'boolean':
    case 'json':
      return value;
    case 'bigint':
      return BigInt(value as string);
    case 'real':
      return Number(value);
    case 'timestamp':
      return new Date(value as string);
    case 'blob':
      return bytesOf(value as string);
  }
}

function hexOf(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return hex;
}

function bytesOf(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** SQLite's functions stop at U+0000. */
function storable(given: string): string {
  return given.replaceAll('\0', '\ufffd');
}

/** A peer may have said anything; a program of ours too. */
function factsText(facts: Facts): string {
  try {
    return textOf(facts);
  } catch {
    return '{}';
  }
}

function textOf(value: object): string {
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? String(part) : part));
}
