/** A window written for one purpose: what somebody without Tendril would write, and no more. */
import type { HandRow } from './by-hand.ts';
import type { HandDatabase } from './hand-database.ts';

export interface HandWindow {
  /** The rows in order, those behind the limit included. */
  readonly rows: () => readonly HandRow[];
  readonly apply: (before: HandRow, after: HandRow) => void;
}

export interface WindowQuery {
  readonly minDistance: number;
  readonly origin: string;
  readonly limit: number;
}

export function createHandWindow(database: HandDatabase, query: WindowQuery, callback: () => void): HandWindow {
  const { minDistance, origin, limit } = query;
  const kept = 2 * limit;
  const select = database.prepare(
    `SELECT * FROM _flight WHERE distance > ? AND origin = ? AND _deleted IS NULL ORDER BY departs, id LIMIT ${kept}`,
  );
  const matches = (row: HandRow) => row.distance > minDistance && row.origin === origin;
  let rows: HandRow[] = [];
  /** Whether nothing stands behind the last row. */
  let exhausted = false;
  const read = () => {
    rows = select.all(minDistance, origin) as HandRow[];
    exhausted = rows.length < kept;
  };
  read();
  return {
    rows: () => rows,
    apply: (before, after) => {
      const place = placeOf(before, rows);
      const held = rows[place]?.id === before.id;
      if (held) rows.splice(place, 1);
      if (matches(after)) {
        const entry = placeOf(after, rows);
        if (entry < rows.length || exhausted) rows.splice(entry, 0, after);
        if (rows.length > kept) {
          rows.pop();
          exhausted = false;
        }
      }
      if (rows.length < limit && !exhausted) read();
      if (held || matches(after)) callback();
    },
  };
}

/** The first place that is not before `row` in the order (departs, id). */
function placeOf(row: HandRow, rows: readonly HandRow[]): number {
  let [from, to] = [0, rows.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const other = rows[middle]!;
    if (other.departs < row.departs || (other.departs === row.departs && other.id < row.id)) from = middle + 1;
    else to = middle;
  }
  return from;
}
