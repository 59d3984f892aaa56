/**
 * The forms of selection that have to scale. Of any number of each, exactly one selects a given leg: `legFor(0)` for
 * those that keep one row, the leg of any number for the index alone.
 */
import { collection, integer, type RowOf, text, timestamp } from '../index.ts';

export const Leg = collection('leg', {
  origin: text(),
  destination: text(),
  departs: timestamp(),
  distance: integer(),
  delay: integer().optional(),
  gate: text().optional(),
});

export type NewLeg = Omit<RowOf<typeof Leg>, 'id'>;

export interface Form {
  readonly name: string;
  /** Selects the leg of this number (of IS NULL, only number 0 selects any, and it every leg). No two are the same. */
  readonly selection: (number: number) => readonly [text: string, parameters: (string | number)[]];
}

/** Strings are new at every call, as those of rows are: nobody has hashed them before. */
export function legFor(number: number): NewLeg {
  const [origin, distance] = [key(number), 10 * number + 5];
  return { origin, destination: 'JFK', departs: new Date(0), distance, delay: null, gate: 'A1' };
}

const key = (number: number) => `K${String(number).padStart(6, '0')}`;

export const FORMS: readonly Form[] = [
  { name: '=', selection: (number) => ['origin = ?', [key(number)]] },
  { name: 'IN', selection: (number) => ['origin IN (?, ?, ?)', [number, number + 0.1, number + 0.2].map(key)] },
  { name: 'BETWEEN', selection: (number) => ['distance BETWEEN ? AND ?', [10 * number, 10 * number + 9]] },
  { name: "LIKE 'p%'", selection: (number) => ['origin LIKE ?', [`${key(number)}%`]] },
  // One column has few different selections of this form, so what differs is a conjunct that no index serves.
  {
    name: 'IS NULL',
    selection: (number) => (number === 0 ? ['delay IS NULL', []] : ['gate IS NULL AND distance <> ?', [number]]),
  },
  { name: 'window', selection: (number) => ['origin = ? ORDER BY departs DESC LIMIT 10', [key(number)]] },
];
