/**
 * What the durability suites store. Every operation sets `stamp`, the number of its transaction, and `width`, how many
 * entities that transaction touches: so the log says by itself whether a transaction is whole.
 */
import { boolean, collection, integer, text } from '../../index.ts';

const stamped = { stamp: integer(), width: integer(), body: text(), extra: integer().optional() };

export const Account = collection('account', stamped, { indexes: [['stamp']] });
export const Note = collection('note', { ...stamped, title: text().default('untitled') });
export const COLLECTIONS = [Account, Note] as const;
/** The same, one version of the program later. */
export const UPGRADED = [
  Account,
  collection('note', { ...Note.properties, colour: text().default('white'), pinned: boolean().optional() }),
] as const;
export type Stamped = typeof Account | typeof Note;

/** What its author was told: the transaction `stamp` is kept, with these entities (`collection/id`), sorted. */
export interface Receipt {
  readonly stamp: number;
  readonly entities: readonly string[];
}

export function placeOf(collectionName: string, id: string): string {
  return `${collectionName}/${id}`;
}
