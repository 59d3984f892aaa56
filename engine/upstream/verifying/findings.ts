/** Findings: where what this node holds and what an upstream has were found to differ. */
import type { EntityId } from '../../../storage/index.ts';
import { partsOf, type RowKey, rowKey } from '../../row-key.ts';
import { MAX_REPORTED } from '../limits.ts';

/** What `verify` resolves with. */
export interface Verified {
  /** Compared: one of two selections counts twice, and one that is known to be nowhere, once. */
  readonly rows: number;
  /** Rows that differed, or that one of both lacked: at most 1,000. */
  readonly differing: readonly { readonly collection: string; readonly id: string }[];
  /** There were more. */
  readonly more: boolean;
  /** Something differed, and is now as the upstream has it. */
  readonly repaired: boolean;
  /** Collections that the upstream does not have: nothing of them was compared. */
  readonly missing: readonly string[];
}

export class Findings {
  readonly #differing = new Set<RowKey>();
  #hasMore = false;
  rows = 0;
  missing: readonly string[] = [];
  /** Something that differs is not as the upstream has it. */
  isUnrepaired = false;

  add(collection: string, id: EntityId): void {
    const key = rowKey(collection, id);
    if (this.#differing.size < MAX_REPORTED) this.#differing.add(key);
    else if (!this.#differing.has(key)) this.#hasMore = true;
  }

  get verified(): Verified {
    const differing = [...this.#differing].map(partsOf);
    return {
      rows: this.rows,
      differing,
      more: this.#hasMore,
      repaired: differing.length > 0 && !this.isUnrepaired,
      missing: this.missing,
    };
  }
}
