/**
 * Diff: the fewest differences that lead from one list of rows to another.
 *
 * Used where a result was read anew rather than maintained. A row is equal to itself if every cell is; of the equal rows
 * that stand in another order, as few as possible are said to have moved. Cost: O(rows log rows).
 */
import { compareBlobs, type RawRow } from '../../query/index.ts';
import { type Added, type Differences, paired, type Removed, type Updated } from './change-set.ts';
import type { Member } from './member.ts';

/**
 * `identityOf`: unique within each list; equal for what is one row in both. Of a row that is equal in both, `now` goes on
 * with the object that stood for it.
 */
export function diff<Row>(
  old: readonly Member<Row>[],
  now: readonly Member<Row>[],
  identityOf: (member: Member<Row>) => unknown,
): Differences<Member<Row>> {
  const fromOf = new Map(old.map((member, index) => [identityOf(member), index]));
  const added: Added<Member<Row>>[] = [];
  const updated: Updated<Member<Row>>[] = [];
  const equal: { readonly index: number; readonly from: number }[] = [];
  for (const [index, row] of now.entries()) {
    const identity = identityOf(row);
    const from = fromOf.get(identity);
    fromOf.delete(identity);
    if (from === undefined) added.push({ row, index });
    else if (sameRow(old[from]!.raw, row.raw)) {
      row.adopt(old[from]!);
      equal.push({ index, from });
    } else updated.push({ row, before: old[from]!, index, from });
  }
  const removed: Removed<Member<Row>>[] = [...fromOf.values()].map((index) => ({ row: old[index]!, index }));
  for (const { index, from } of moved(equal)) updated.push({ row: now[index]!, before: old[from]!, index, from });
  return paired(removed, added, updated, null);
}

/** A selection that names `_pending` has a cell more, at the end, which no program sees. */
function sameRow(left: RawRow, right: RawRow): boolean {
  if (left.length > right.length) return sameRow(right, left);
  return left.every((cell, at) => sameCells(cell, right[at]!));
}

function sameCells(left: RawRow[number], right: RawRow[number]): boolean {
  if (left === right) return true;
  return left instanceof Uint8Array && right instanceof Uint8Array && compareBlobs(left, right) === 0;
}

/** All but a longest run whose old places ascend as the new ones do. */
function moved<Pair extends { readonly from: number }>(pairs: readonly Pair[]): readonly Pair[] {
  if (pairs.every((pair, at) => at === 0 || pairs[at - 1]!.from < pair.from)) return [];
  /** At `length`: the pair that ends a run of that length + 1 at the earliest old place. */
  const ends: number[] = [];
  const previous: number[] = [];
  for (const [at, { from }] of pairs.entries()) {
    const length = firstEndAfter(pairs, ends, from);
    previous.push(length > 0 ? ends[length - 1]! : -1);
    ends[length] = at;
  }
  const staying = new Set<number>();
  for (let at = ends.at(-1) ?? -1; at >= 0; at = previous[at]!) staying.add(at);
  return pairs.filter((_, at) => !staying.has(at));
}

function firstEndAfter(pairs: readonly { readonly from: number }[], ends: readonly number[], from: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (pairs[ends[middle]!]!.from < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
