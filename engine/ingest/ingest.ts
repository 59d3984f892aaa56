/**
 * Ingest: the union of this node's operations with another's.
 *
 * One call is divided into parts, each a member of the commit queue, so that no group grows with the size of a call.
 * The clock is not asked: the node that accepted an operation has judged its time.
 */
import { TendrilError } from '../../errors.ts';
import { decodeKept, type TransactionId } from '../../storage/index.ts';
import type { Commit } from '../change.ts';
import type { Core, Prepared } from '../core.ts';
import { type CommitQueue, MAX_GROUP_BYTES, MAX_GROUP_OPERATIONS } from '../write/commit-queue.ts';
import { type Batch, ingestPart, type PartResult } from './ingest-part.ts';
import { type Checkpoint, createParking, type Parking } from './parking.ts';

export interface IngestResult {
  /** Operations applied: visible now, and durable. Those of earlier calls that waited for these are counted here. */
  readonly applied: number;
  /** Operations that were here already. */
  readonly duplicates: number;
  /** Operations of this call that wait, invisible and in memory only, for what they were built on. */
  readonly parked: number;
  /** Transactions that had waited too long, or had to make room: to be asked for again. */
  readonly dropped: readonly TransactionId[];
  /** One for each transaction refused, and for each piece that is no operation. */
  readonly refused: readonly TendrilError[];
}

/** What came of transactions that were taken in whole. Those that are named nowhere are here. */
export interface Taken {
  /** In memory only: they wait for what they were built on. */
  readonly parked: ReadonlySet<TransactionId>;
  readonly dropped: readonly TransactionId[];
  readonly refused: ReadonlyMap<TransactionId, TendrilError>;
}

/** Told as parts of a call are applied. */
export interface Watch {
  /** Inside the group: where its transactions stand, if it is committed. */
  readonly applied: (commits: readonly Commit[]) => void;
  /** After the COMMIT. */
  readonly committed: (commits: readonly Commit[]) => void;
  /** What was applied and not yet committed may be gone. */
  readonly failed: () => void;
}

export interface Ingester {
  readonly ingest: (operations: readonly Uint8Array[]) => Promise<IngestResult>;
  /** The same for operations that were read already. Their bytes may be views: what is parked is copied. */
  readonly take: (transactions: readonly Batch[], watch?: Watch) => Promise<Taken>;
  readonly parked: () => { readonly transactions: number; readonly bytes: number };
  /** Resolves when every call made so far has ended. */
  readonly settled: () => Promise<void>;
}

interface Parts {
  readonly core: Core;
  readonly queue: CommitQueue;
  readonly parking: Parking<Prepared>;
}

export function createIngester(core: Core, queue: CommitQueue): Ingester {
  const parts: Parts = { core, queue, parking: createParking() };
  const { parking } = parts;
  const running = new Set<Promise<unknown>>();
  const whileRunning = async <Result>(run: Promise<Result>): Promise<Result> => {
    running.add(run);
    try {
      return await run;
    } finally {
      running.delete(run);
    }
  };
  return {
    ingest: (operations) => whileRunning(ingest(parts, operations)),
    take: (transactions, watch = UNWATCHED) => whileRunning(take(parts, transactions, watch)),
    parked: () => ({ transactions: parking.count(), bytes: parking.bytes() }),
    settled: async () => {
      await Promise.allSettled(running);
    },
  };
}

async function ingest(parts: Parts, operations: readonly Uint8Array[]): Promise<IngestResult> {
  const { batches, refused } = readBatches(operations);
  const results = await commitAll(parts, batches, UNWATCHED);
  const waiting = results.flatMap((result) => [...result.parked]).filter(([id]) => parts.parking.has(id));
  return {
    applied: results.reduce((sum, { applied }) => sum + applied, 0),
    duplicates: results.reduce((sum, { duplicates }) => sum + duplicates, 0),
    parked: waiting.reduce((sum, [, count]) => sum + count, 0),
    dropped: results.flatMap(({ dropped }) => dropped),
    refused: [...refused, ...results.flatMap((result) => [...result.refused.values()])],
  };
}

async function take(parts: Parts, transactions: readonly Batch[], watch: Watch): Promise<Taken> {
  const results = await commitAll(parts, transactions, watch);
  const parked = results.flatMap((result) => [...result.parked.keys()]).filter((id) => parts.parking.has(id));
  return {
    parked: new Set(parked),
    dropped: results.flatMap(({ dropped }) => dropped),
    refused: new Map(results.flatMap(({ refused }) => [...refused])),
  };
}

const UNWATCHED: Watch = { applied: () => undefined, committed: () => undefined, failed: () => undefined };

async function commitAll(parts: Parts, batches: readonly Batch[], watch: Watch): Promise<readonly PartResult[]> {
  return (await Promise.all(partsOf(batches).map((part) => commitPart(parts, part, watch)))).flat();
}

/** The operations by transaction, in the order in which each transaction is first seen; and what is no operation. */
function readBatches(operations: readonly Uint8Array[]): {
  readonly batches: readonly Batch[];
  readonly refused: readonly TendrilError[];
} {
  const batches = new Map<TransactionId, { transaction: TransactionId; items: Prepared[]; bytes: number }>();
  const refused: TendrilError[] = [];
  for (const given of operations) {
    try {
      // A copy, of a Buffer too: what the caller does to its bytes later must not reach parking.
      const bytes = new Uint8Array(given);
      const kept = decodeKept(bytes);
      const { transaction } = kept.operation;
      const batch = batches.get(transaction) ?? { transaction, items: [], bytes: 0 };
      batch.items.push(kept);
      batch.bytes += bytes.length;
      batches.set(transaction, batch);
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      refused.push(error);
    }
  }
  return { batches: [...batches.values()], refused };
}

/** At least one, so that what has waited too long is dropped however little comes. */
function partsOf(batches: readonly Batch[]): readonly (readonly Batch[])[] {
  const parts: Batch[][] = [[]];
  let operations = 0;
  let bytes = 0;
  for (const batch of batches) {
    operations += batch.items.length;
    bytes += batch.bytes;
    if ((operations > MAX_GROUP_OPERATIONS || bytes > MAX_GROUP_BYTES) && parts.at(-1)!.length > 0) {
      parts.push([]);
      operations = batch.items.length;
      bytes = batch.bytes;
    }
    parts.at(-1)!.push(batch);
  }
  return parts;
}

/** The results of the part, and of what it made ready. */
async function commitPart(parts: Parts, part: readonly Batch[], watch: Watch): Promise<readonly PartResult[]> {
  const result = await commitOne(parts, part, watch);
  if (result.ready.length === 0) return [result];
  const next = result.ready.map((transaction) => ({ transaction, items: [], bytes: 0 }));
  return [result, ...(await commitPart(parts, next, watch))];
}

function commitOne({ core, queue, parking }: Parts, part: readonly Batch[], watch: Watch): Promise<PartResult> {
  return new Promise((resolve, reject) => {
    let ran: { readonly result: PartResult; readonly checkpoint: Checkpoint<Prepared> } | null = null;
    queue.add({
      run: () => {
        const checkpoint = parking.checkpoint();
        try {
          const result = ingestPart(core, parking, part);
          ran = { result, checkpoint };
          watch.applied(result.commits);
          return { kind: 'done', commits: result.commits, operations: result.applied, bytes: result.bytes };
        } catch (error) {
          parking.restore(checkpoint);
          throw error;
        }
      },
      committed: () => {
        watch.committed(ran!.result.commits);
        resolve(ran!.result);
      },
      failed: (error) => {
        watch.failed();
        if (ran !== null) parking.restore(ran.checkpoint);
        reject(error);
      },
    });
  });
}
