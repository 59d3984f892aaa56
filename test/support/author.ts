/** An author of operations by hand, for what no node would write. */
import { createMint } from '../../engine/write/mint.ts';
import type { SqlValue } from '../../query/index.ts';
import {
  type Edit,
  type EntityId,
  encodeOperation,
  type Operation,
  type OperationId,
  type TransactionId,
} from '../../storage/index.ts';
import { createTestClock, createTestRandom } from './ports.ts';

export interface Author {
  readonly id: <Id extends string>() => Id;
  readonly transaction: () => TransactionId;
  /** An operation of `collection`, a creation if it names no entity; `changes` replaces any part of it. */
  readonly operation: (
    changes: Partial<Operation> & { readonly values?: Readonly<Record<string, SqlValue>> },
  ) => Operation;
}

export function createAuthor(collection: string, seed = 1): Author {
  const mint = createMint(createTestClock(1_700_000_000_000 + seed * 1_000), createTestRandom(seed));
  const id = <Id extends string>() => mint.next() as Id;
  return {
    id,
    transaction: () => id<TransactionId>(),
    operation: ({ values = {}, ...changes }) => {
      const created: Edit[] = changes.precursors === undefined ? [{ kind: 'create', property: '' }] : [];
      const sets = Object.entries(values).map(([property, value]): Edit => ({ kind: 'set', property, value }));
      return {
        transaction: id<TransactionId>(),
        collection,
        entity: id<EntityId>(),
        precursors: [],
        edits: [...created, ...sets.sort((left, right) => (left.property < right.property ? -1 : 1))],
        author: 'somebody',
        salt: new Uint8Array(8),
        id: id<OperationId>(),
        ...changes,
      };
    },
  };
}

export function bytesOf(...operations: readonly Operation[]): readonly Uint8Array[] {
  return operations.map(encodeOperation);
}
