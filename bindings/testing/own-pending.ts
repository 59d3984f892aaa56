/**
 * Own pending: what a follower's disk says that it has written and is not settled, so that the oracle can tell what it
 * should show meanwhile.
 */
import { decodeOperations, type Operation, readId } from '../../storage/index.ts';
import type { SimulatedNode } from './simulated-node.ts';

/** A base's first byte, where the upstream has said that the row left all that is followed. */
const HAS_LEFT = 1;

export interface OwnPending {
  readonly operations: readonly Operation[];
  /** Rows of which the upstream tells nothing any more: what shows is what it told last. */
  readonly left: ReadonlySet<string>;
}

/** Null where the disk does not keep it. */
export function ownPendingOf({ disk, isPersistent }: SimulatedNode): OwnPending | null {
  if (!isPersistent) return null;
  const operations = disk
    .read('SELECT operations FROM tendril_outbox ORDER BY place')
    .flatMap(([bytes]) => decodeOperations(bytes as Uint8Array).map(({ operation }) => operation));
  const left = disk
    .read('SELECT entity, row FROM tendril_base')
    .filter(([, row]) => ((row as Uint8Array)[0]! & HAS_LEFT) !== 0)
    .map(([entity]) => readId(entity as Uint8Array, 0));
  return { operations, left: new Set<string>(left) };
}
