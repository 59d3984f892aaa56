/** Window parts: what a window of followed rows is made of, and how rows stand in its selection's order. */
import type { RawRow, Selection } from '../../../query/index.ts';
import { Member } from '../../live/member.ts';
import type { Plan } from '../../live/plan.ts';

export interface WindowParts {
  readonly collection: string;
  readonly selection: Selection;
  readonly plan: Plan<unknown>;
  readonly matches: (row: RawRow) => boolean;
  /** The first rows of the selection as the table has them now. */
  readonly read: (rows: number) => readonly RawRow[];
  readonly onRefill: () => void;
}

export type Item = Member<unknown>;

export function itemOf({ plan, selection }: WindowParts, raw: RawRow): Item {
  return plan.order.plain ? new Member(raw) : new Member(raw, plan.order.keysOf(raw, selection.values));
}

/** Whether a row lies after another one in the selection's order. */
export function isBeyond(parts: WindowParts, row: RawRow, other: RawRow): boolean {
  return parts.plan.compare(itemOf(parts, row), itemOf(parts, other)) > 0;
}
