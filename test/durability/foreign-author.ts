/** Another author, known by its operations only: what it writes comes in through `ingest`. */

import { createRandomFrom } from '../../engine/ports/random.ts';
import { createMint } from '../../engine/write/mint.ts';
import type { Edit, EntityId, Operation, OperationId, TransactionId } from '../../storage/index.ts';
import { encodeOperation } from '../../storage/operation-bytes.ts';
import type { Random } from '../support/random.ts';
import { placeOf, type Receipt } from './collections.ts';

export interface Values {
  readonly stamp: number;
  readonly width: number;
  readonly body: string;
  readonly extra: number | null;
}

export interface ForeignAuthor {
  /** One transaction over `width` accounts: each new, or the next change of one it wrote before. */
  readonly write: (values: Values) => { readonly operations: readonly Uint8Array[]; readonly receipt: Receipt };
}

export function createForeignAuthor(random: Random): ForeignAuthor {
  const mint = createMint(
    { now: () => Date.now() },
    createRandomFrom((pool) => {
      for (let index = 0; index < pool.length; index += 1) pool[index] = random.integer(256);
    }),
  );
  const latest = new Map<EntityId, OperationId>();

  const operationOf = (transaction: TransactionId, entity: EntityId, values: Values): Operation => {
    const precursor = latest.get(entity);
    const id = mint.next() as OperationId;
    latest.set(entity, id);
    const edits: Edit[] = precursor === undefined ? [{ kind: 'create', property: '' }] : [];
    edits.push(
      { kind: 'set', property: 'body', value: values.body },
      { kind: 'set', property: 'extra', value: values.extra === null ? null : BigInt(values.extra) },
      { kind: 'set', property: 'stamp', value: BigInt(values.stamp) },
      { kind: 'set', property: 'width', value: BigInt(values.width) },
    );
    return {
      id,
      transaction,
      collection: 'account',
      entity,
      precursors: precursor === undefined ? [] : [precursor],
      edits,
      author: 'foreign',
      salt: Uint8Array.from({ length: 8 }, () => random.integer(256)),
    };
  };

  return {
    write: (values) => {
      const transaction = mint.next() as TransactionId;
      const old = [...latest.keys()].slice(-random.integer(values.width + 1) || latest.size).slice(0, values.width);
      const fresh = Array.from({ length: values.width - old.length }, () => mint.next() as EntityId);
      const entities = [...old, ...fresh];
      return {
        operations: entities.map((entity) => encodeOperation(operationOf(transaction, entity, values))),
        receipt: { stamp: values.stamp, entities: entities.map((id) => placeOf('account', id)).sort() },
      };
    },
  };
}
