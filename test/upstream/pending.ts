/** Operations of which only the place and the size matter. */
import type { Prepared } from '../../engine/core.ts';
import { idFrom } from '../../index.ts';
import type { EntityId, OperationId, TransactionId } from '../../storage/index.ts';

export function pendingOf(transaction: TransactionId, at: number, bytes: number, entity?: EntityId): Prepared {
  return {
    operation: {
      id: idFrom('operation', at) as string as OperationId,
      transaction,
      collection: 'note',
      entity: entity ?? (idFrom('note', at) as EntityId),
      precursors: [],
      edits: [{ kind: 'create', property: '' }],
      author: 'ana',
      salt: new Uint8Array(8),
    },
    // Its length is all that is looked at.
    bytes: { length: bytes } as Uint8Array,
    digest: new Uint8Array(16),
  };
}
