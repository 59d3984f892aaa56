/**
 * Authority log: every transaction that the authority has taken, read from it as it grows.
 *
 * Invariant: what stood in it once stands in it for ever, the same, unless a backup was put back, or it was compacted: what
 * stood there is remembered here.
 */
import type { Node } from '../../engine/index.ts';
import { decodeOperation, type Operation } from '../../storage/index.ts';

/** Operations read at once. */
const PORTION = 10_000;

export class AuthorityLog {
  /** By position, the first at 0. */
  #transactions: (readonly Operation[])[] = [];
  /** Read again since its node was opened; beyond it stands what was read in an earlier life. */
  #confirmed = 0;
  #violations: string[] = [];

  get position(): number {
    return this.#transactions.length;
  }

  /** Its operations. */
  at(position: number): readonly Operation[] {
    return this.#transactions[position - 1]!;
  }

  /** Its node was opened again: what it had must still be there. */
  reopened(): void {
    this.#confirmed = 0;
  }

  /** What has been read of it, to be put back with its node's disk. */
  get transactions(): readonly (readonly Operation[])[] {
    return [...this.#transactions];
  }

  /** An earlier state of it was put back, in which it had these. */
  restored(transactions: readonly (readonly Operation[])[]): void {
    this.#transactions = [...transactions];
    this.#confirmed = 0;
  }

  /** Reads what came since. Returns what is wrong with it. - `floor`: up to it the log is compacted. */
  async read(node: Node, floor: number): Promise<readonly string[]> {
    this.#violations = [];
    const expected = this.#transactions.length;
    this.#confirmed = Math.max(this.#confirmed, Math.min(floor, expected));
    for (;;) {
      const found = await node.operations(this.#confirmed, PORTION);
      if (found.length === 0) break;
      let at = 0;
      while (at < found.length) {
        const { position } = found[at]!;
        const operations: Operation[] = [];
        for (; found[at]?.position === position; at += 1) operations.push(decodeOperation(found[at]!.bytes));
        this.#take(position, operations);
      }
    }
    if (this.#confirmed < expected) {
      this.#violations.push(`the authority's log ends at ${this.#confirmed}, and held ${expected} before`);
      this.#transactions.length = this.#confirmed;
    }
    return this.#violations;
  }

  #take(position: number, operations: readonly Operation[]): void {
    if (position !== this.#confirmed + 1) {
      this.#violations.push(`position ${position} follows position ${this.#confirmed} in the authority's log`);
    }
    const known = this.#transactions[position - 1];
    if (known !== undefined && spell(known) !== spell(operations)) {
      this.#violations.push(`position ${position} of the authority's log is not what it was`);
    }
    this.#transactions[position - 1] = operations;
    this.#confirmed = position;
  }
}

function spell(operations: readonly Operation[]): string {
  return operations.map(({ id, transaction }) => `${id} ${transaction}`).join();
}
