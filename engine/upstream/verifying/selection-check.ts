/**
 * Selection check: one followed selection, asked for a second time in its session, compared with what is held of it.
 *
 * Invariants
 *   - each chunk is compared as it is taken: the stream is in order, so that the tables stand where the chunk does;
 *   - a row that is held and did not come differs, unless a step told of it since the check began: then it may have come
 *     behind what the chunks had come to;
 *   - it is followed all the while, so that what is compared is kept current.
 */
import { type EntityId, idOfRow } from '../../../storage/index.ts';
import { parametersOf } from '../../live/plan.ts';
import { capacityOf } from '../../live/window.ts';
import type { Had, SaidOf } from '../../stream.ts';
import type { Confirming } from '../confirming/confirming.ts';
import type { Followed } from '../following/followed.ts';
import { BucketSummary, heldOf } from '../following/had.ts';
import { MAX_CHANGED_MEANWHILE } from '../limits.ts';
import { type HeldRows, isSameRow } from '../overlay/held-rows.ts';
import type { OverlayStep } from '../overlay/overlay-step.ts';
import { Comparison } from './comparison.ts';
import type { Findings } from './findings.ts';

type Chunk = SaidOf<'chunk'>;

export interface SelectionCheckParts {
  readonly held: HeldRows;
  readonly confirming: Confirming;
  readonly findings: Findings;
  /** A row that is held and that the authority's selection has not: it goes, unless something else follows it. */
  readonly surplus: (step: OverlayStep, followed: Followed, id: EntityId) => void;
}

export class SelectionCheck {
  readonly followed: Followed;
  readonly #parts: SelectionCheckParts;
  readonly #summary: BucketSummary;
  readonly #comparison: Comparison;
  /** Of a window: the ids that came. */
  readonly #came = new Set<EntityId>();
  /** Steps told of these. */
  readonly #changed = new Set<EntityId>();

  constructor(parts: SelectionCheckParts, followed: Followed) {
    const held = heldOf(parts.held, followed);
    this.#parts = parts;
    this.followed = followed;
    this.#summary = new BucketSummary(held);
    this.#comparison = new Comparison({ held, summary: this.#summary, findings: parts.findings });
  }

  /** What is held, for the authority to compare: null for a window, and for few rows. - `turn`: lets others work. */
  async sum(turn: () => Promise<void>): Promise<Had | null> {
    if (this.followed.isWindow) return null;
    while (this.#summary.advance()) await turn();
    return this.#summary.had;
  }

  /** A step has told of this row. */
  changed(id: EntityId): void {
    this.#changed.add(id);
  }

  /** More has changed than is remembered: what did not come may have changed, too. */
  get hasLostTrack(): boolean {
    return this.#changed.size > MAX_CHANGED_MEANWHILE;
  }

  /** Inside a group. */
  take(step: OverlayStep, chunk: Chunk): void {
    // What is given up meanwhile need not be right.
    if (!isComparable(this.followed)) return;
    for (const bytes of chunk.rows) this.#meet(step, bytes);
    if (!this.followed.isWindow) {
      for (const id of this.#comparison.lacking(chunk)) this.#expected(step, id);
      return;
    }
    for (const bytes of chunk.rows) this.#came.add(idOfRow(bytes));
    if (chunk.last) this.#endWindow(step, chunk.edge);
  }

  #meet(step: OverlayStep, bytes: Uint8Array): void {
    const { held, confirming, findings } = this.#parts;
    const { entry, isWindow } = this.followed;
    const { name } = entry.collection;
    // One that cannot be read is noted, and nothing is held of it.
    const row = confirming.read(entry, bytes);
    if (row === null) return;
    const id = row.values[0] as EntityId;
    const before = held.confirmed(name, id);
    const isHere = before !== null && before.deleted === null && this.followed.matches(before.values);
    if (isWindow || !isHere) findings.rows += 1;
    if (before !== null && isSameRow(entry, before, row)) return;
    findings.add(name, id);
    step.confirm(entry, id, row);
  }

  #endWindow(step: OverlayStep, edge: EntityId | null): void {
    const { entry, plan, asked, limit } = this.followed;
    const { name } = entry.collection;
    const { driver, confirmed, idsPending } = this.#parts.held;
    const bound = edge === null ? null : step.confirmed(entry, edge);
    // It cannot be read: where the window ends is not known.
    if (edge !== null && bound === null) return;
    const first = driver.all(plan.sql, parametersOf(plan, asked.selection, 2 * capacityOf(limit)));
    for (const id of new Set([...first.map(([cell]) => cell as EntityId), ...idsPending(name)])) {
      const row = confirmed(name, id);
      if (row === null || row.deleted !== null || !this.followed.matches(row.values)) continue;
      if (bound !== null && this.followed.compare(row.values, bound.values) > 0) continue;
      if (!this.#came.has(id)) this.#expected(step, id);
    }
  }

  /** It is held, and did not come. */
  #expected(step: OverlayStep, id: EntityId): void {
    if (this.#changed.has(id)) return;
    this.#parts.findings.add(this.followed.entry.collection.name, id);
    if (this.followed.isWindow) this.#parts.findings.rows += 1;
    this.#parts.surplus(step, this.followed, id);
  }
}

/** Its rows are all here, and current. */
export function isComparable({ state, isHeld, hasRows, limit }: Followed): boolean {
  return state === 'complete' && isHeld && hasRows && limit !== 0;
}
