/** The oath of every comparison of writes: two files that hold the same amount, table by table. */
import { openByHand } from './hand-database.ts';

const TABLES = ['_flight', 'tendril_transaction', 'tendril_outcome', 'tendril_identity', 'tendril_content'];
/** Lengths differ a little with the values: integers of other sizes, and a NULL takes more of `_versions`. */
const TOLERANCE = 0.03;

interface Held {
  readonly rows: number;
  readonly bytes: number;
}

/** @throws where one file has not as many rows as the other, or differs from it by more than 3 % of the bytes. */
export function requireSameWork(ours: string, byHand: string): void {
  const [left, right] = [heldBy(ours), heldBy(byHand)];
  for (const table of TABLES) {
    const [a, b] = [left.get(table)!, right.get(table)!];
    if (a.rows === b.rows && Math.abs(a.bytes - b.bytes) <= TOLERANCE * a.bytes) continue;
    const [printed, expected] = [JSON.stringify(b), JSON.stringify(a)];
    throw new Error(`This comparison is not fair: ${table} holds ${printed} by hand, and ${expected} by a Node.`);
  }
}

function heldBy(path: string): ReadonlyMap<string, Held> {
  const database = openByHand(path);
  try {
    return new Map(
      TABLES.map((table) => {
        const columns = database.prepare(`PRAGMA table_info(${table})`).all() as { readonly name: string }[];
        const lengths = columns.map(({ name }) => `coalesce(length(CAST(${name} AS BLOB)), 0)`).join(' + ');
        return [
          table,
          database.prepare(`SELECT count(*) AS rows, sum(${lengths}) AS bytes FROM ${table}`).get() as Held,
        ];
      }),
    );
  } finally {
    database.close();
  }
}
