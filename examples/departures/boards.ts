/** The boards: what each asks, and how its rows look in a terminal. */
import type { LiveQuery, Node, SqlInput } from '../../index.ts';
import { Flight } from './collections.ts';

export interface Board {
  readonly title: string;
  readonly where: string;
  /** Without the id, which ends every order. */
  readonly orderBy: string;
  /** -1: all. */
  readonly limit: number;
  readonly parameters: readonly SqlInput[];
}

export const BOARDS: readonly Board[] = [
  { title: 'Departures of ORD', where: 'origin = ?', orderBy: 'departs DESC', limit: 8, parameters: ['ORD'] },
  { title: 'The ten worst delays', where: 'delay NOTNULL', orderBy: 'delay DESC', limit: 10, parameters: [] },
  {
    title: 'Far away, to a place called San ...',
    where: "distance > ? AND destinationName LIKE 'San %'",
    orderBy: 'distance DESC, departs DESC',
    limit: 6,
    parameters: [2_000],
  },
  {
    title: 'Out of Honolulu, over an hour late',
    where: 'origin = ? AND delay > 60',
    orderBy: 'departs',
    limit: -1,
    parameters: ['HNL'],
  },
];

/** More rows than this are counted, not drawn. */
const ROWS_DRAWN = 10;

export function openBoard(node: Node, board: Board): LiveQuery<Flight> {
  return node.live(Flight, selectionOf(board), board.parameters);
}

/** The rows as SQLite gives them, from a statement of its own. */
export async function askAfresh(node: Node, { where, orderBy, limit, parameters }: Board) {
  return node.sql(`SELECT * FROM flight WHERE ${where} ORDER BY ${orderBy}, id LIMIT ${limit}`, parameters);
}

export function selectionOf({ where, orderBy, limit }: Board): string {
  return `${where} ORDER BY ${orderBy} LIMIT ${limit}`;
}

export function drawBoard(board: Board, rows: readonly Flight[]): string {
  const lines = rows.slice(0, ROWS_DRAWN).map(drawFlight);
  const hidden = rows.length - lines.length;
  if (hidden > 0) lines.push(`  ... and ${hidden} more`);
  return [`${board.title}   [${selectionOf(board)}]`, ...lines].join('\n');
}

function drawFlight(flight: Flight): string {
  const when = flight.departs.toISOString().slice(0, 16).replace('T', ' ');
  const where = `${flight.origin} > ${flight.destination} ${flight.destinationName ?? ''}`.slice(0, 44).padEnd(44);
  const delay = `${String(flight.delay ?? '').padStart(5)} min`;
  const edited = flight.writtenBy === 'desk' ? '  desk' : '';
  return `  ${when}  ${where} ${String(flight.distance).padStart(5)} mi ${delay}${edited}`;
}
