/** The check at the end: whatever a board shows, in whichever process, must be what SQLite gives at the server. */
import { isDeepStrictEqual } from 'node:util';
import type { Node } from '../../index.ts';
import { askAfresh, BOARDS } from './boards.ts';
import type { Outcome } from './channel.ts';

export interface Comparison {
  readonly title: string;
  readonly rows: number;
  readonly isEqual: boolean;
}

/** Runs every board's SQL afresh and compares, row by row. */
export async function compare(server: Node, { rows }: Outcome): Promise<readonly Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const [index, board] of BOARDS.entries()) {
    const fresh = await askAfresh(server, board);
    const isEqual = isDeepStrictEqual([...(rows[index] ?? [])], [...fresh]);
    comparisons.push({ title: board.title, rows: fresh.length, isEqual });
  }
  return comparisons;
}
