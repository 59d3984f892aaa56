/**
 * One script over a storage that fails somewhere, and what must hold whatever it was that failed:
 *
 *   - what was acknowledged is in the file, whole; what was refused is not, unless its error says that this is unknown;
 *   - every failure is a TendrilError, `storage-failed` or `closed`;
 *   - afterwards the node either works, and then says what the file says, or refuses everything;
 *   - it can be closed, and its file opened again, whether it was closed, or its process ended, or the power cut.
 */
import { expect } from 'vitest';
import { type Collection, idFrom, Node, type RowOf, TendrilError } from '../../index.ts';
import type { Storage } from '../../storage/index.ts';
import { createForgetfulDisk, type ForgetfulDisk, type Image } from '../support/forgetful-disk.ts';
import type { Random } from '../support/random.ts';
import { checkFile } from './check.ts';
import { Account, COLLECTIONS, type Receipt } from './collections.ts';
import { diskStorage, type Journal } from './disk-storage.ts';
import { type Attempt, creation, prepare, type Script } from './scripts.ts';

/** The stamp of the transaction that asks, after a script, whether the node still works. */
const PROBE = 99;

/** Where a script begins: a file, and the receipts for what it holds. */
export interface Ground {
  readonly image: Image;
  readonly receipts: readonly Receipt[];
}

export function groundOf({ from }: Script, prepared: Ground): Ground {
  return from === 'prepared' ? prepared : { image: new Map(), receipts: [] };
}

export async function preparedGround(journal: Journal): Promise<Ground> {
  const disk = createForgetfulDisk();
  const receipts: Receipt[] = [];
  const node = await Node.open({ collections: COLLECTIONS, storage: diskStorage(disk, journal) });
  await prepare(node, async (receipt, promise) => {
    await promise;
    receipts.push(receipt);
  });
  await node.close();
  return { image: disk.image(), receipts };
}

interface Refusal {
  readonly stamp: number;
  readonly error: TendrilError;
}

type Accounts = readonly RowOf<typeof Account>[];

export interface FaultRun {
  readonly script: Script;
  readonly ground: Ground;
  readonly journal: Journal;
  readonly random: Random;
  /** The storage on this disk, made to fail. */
  readonly faulty: (disk: ForgetfulDisk) => Storage;
}

export async function runWithFault({ script, ground, journal, random, faulty }: FaultRun): Promise<void> {
  const { collections } = script;
  const disk = createForgetfulDisk(ground.image);
  const kept = [...ground.receipts];
  const refused: Refusal[] = [];
  const attempt: Attempt = async (receipt, promise) => {
    try {
      await promise;
      kept.push(receipt);
    } catch (error) {
      refused.push({ stamp: receipt.stamp, error: typed(error) });
    }
  };
  const reported: unknown[] = [];
  const onError = (error: unknown) => void reported.push(error);
  const node = await Node.open({ collections, storage: faulty(disk), onError }).catch(typed);
  let view: Accounts | null = null;
  if (node instanceof Node) {
    const live = openLive(node);
    await script.act(node, attempt);
    await attempt(...creation(node, PROBE, [[Account, idFrom('account', 'probe')]]));
    view = await viewOf(node, live, kept.at(-1)?.stamp === PROBE);
  }
  for (const error of reported) typed(error);
  const ending = random.pick(['closed', 'killed', 'power cut']);
  let left = ending === 'power cut' ? disk.crashImage(disk.moment(), random) : disk.image();
  if (node instanceof Node) await node.close().catch(typed);
  if (ending === 'closed') left = disk.image();
  await checkImage(left, { journal, collections, kept, refused, view }).catch((error) => {
    throw new Error(`after the node was ended: ${ending}`, { cause: error });
  });
}

/** null where the storage fails at once. */
function openLive(node: Node) {
  try {
    return node.live(Account, 'true ORDER BY stamp DESC LIMIT 3');
  } catch (error) {
    typed(error);
    return null;
  }
}

/** What the node says after the fault; null where it refuses to say anything. */
async function viewOf(node: Node, live: ReturnType<typeof openLive>, works: boolean): Promise<Accounts | null> {
  const read = () => node.query(Account).catch(typed);
  const first = await read();
  // Where the fault hit that very read.
  const accounts = first instanceof TendrilError ? await read() : first;
  if (accounts instanceof TendrilError) {
    expect(works, 'a node that writes also reads').toBe(false);
    return null;
  }
  const newest = [...accounts].sort((a, b) => b.stamp - a.stamp || (a.id < b.id ? -1 : 1)).slice(0, 3);
  // It has failed while it was read, and says so, until the next transaction that concerns it.
  if (live !== null && live.error === null) expect(live.rows, 'live = fresh').toEqual(newest);
  if (live !== null && live.error !== null) typed(live.error);
  return accounts;
}

interface Found {
  readonly journal: Journal;
  readonly collections: readonly Collection[];
  readonly kept: readonly Receipt[];
  readonly refused: readonly Refusal[];
  readonly view: Accounts | null;
}

async function checkImage(image: Image, { journal, collections, kept, refused, view }: Found): Promise<void> {
  const storage = diskStorage(createForgetfulDisk(image), journal);
  const { stamps, accounts } = await checkFile(storage, kept, { collections });
  const unknown = refused.filter(({ error }) => error.facts.outcome === 'unknown').map(({ stamp }) => stamp);
  const allowed = new Set([...kept.map(({ stamp }) => stamp), ...unknown]);
  expect(
    stamps.filter((stamp) => !allowed.has(stamp)),
    'what was refused left no trace',
  ).toEqual([]);
  if (view !== null) expect(view, 'the node said what the file says').toEqual(accounts);
}

function typed(error: unknown): TendrilError {
  expect(error, 'a failure is a TendrilError').toBeInstanceOf(TendrilError);
  expect(['storage-failed', 'closed'], String(error)).toContain((error as TendrilError).code);
  return error as TendrilError;
}
