/**
 * The tables that the file of an ephemeral node has beside those of every file. Their meaning is written down in
 * docs/format.md.
 *
 * Invariant: they are made when the file is, and at no other time: a file that has them is an ephemeral node's, one without
 * them a durable node's, for ever.
 */
import { TendrilError } from '../errors.ts';
import { damagedFile } from './file-check.ts';

/** What the node of a file is. */
export type StoreRole = 'durable' | 'ephemeral';

export const REPLICA_TABLES: Readonly<Record<string, string>> = {
  tendril_outbox: `CREATE TABLE tendril_outbox (place INTEGER PRIMARY KEY, tx BLOB NOT NULL, attempt INTEGER NOT NULL,
    rebases INTEGER NOT NULL, state INTEGER NOT NULL, operations BLOB NOT NULL) STRICT`,
  tendril_followed: `CREATE TABLE tendril_followed (number INTEGER PRIMARY KEY, collection INTEGER NOT NULL,
    selection BLOB NOT NULL, edge BLOB) STRICT`,
  tendril_held: `CREATE TABLE tendril_held (collection INTEGER NOT NULL, entity BLOB NOT NULL,
    PRIMARY KEY (collection, entity)) STRICT, WITHOUT ROWID`,
};

/**
 * - `present`: the tables and views of a file.
 *
 * @throws {TendrilError} `invalid-option` if it is of the other role; `storage-damaged` if only some of the tables are there.
 */
export function checkRole(present: ReadonlySet<string>, role: StoreRole): void {
  const missing = Object.keys(REPLICA_TABLES).filter((name) => !present.has(name));
  const own: StoreRole = missing.length < Object.keys(REPLICA_TABLES).length ? 'ephemeral' : 'durable';
  if (own !== role) throw otherRole(own, role);
  if (role === 'ephemeral' && missing.length > 0) throw damagedFile(missing.join(', '));
}

function otherRole(own: StoreRole, role: StoreRole): TendrilError {
  const remedy =
    own === 'ephemeral'
      ? 'Open it with its `upstream`, or choose another file for a durable node.'
      : "Open it without `upstream`, or with `role: 'durable'`; or choose another file for an ephemeral node.";
  return new TendrilError({
    code: 'invalid-option',
    problem: `The file is that of a node that is ${own}; it was to be opened as one that is ${role}. It was not touched.`,
    remedy,
    facts: { option: 'storage', role: own, asked: role },
  });
}
