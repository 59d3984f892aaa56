/** An authority and those who follow it, each with clock, timers and randomness of its own. */
import { afterEach } from 'vitest';
import type { Said } from '../../engine/stream.ts';
import { type Collection, collection, integer, Node, type NodeOptions, TendrilError, text } from '../../index.ts';
import type { TransactionId } from '../../storage/index.ts';
import {
  createTestClock,
  createTestRandom,
  createTestScheduler,
  type TestClock,
  type TestScheduler,
} from '../support/ports.ts';
import { GatedUpstream, quiet, type UploadRequest } from './gated-upstream.ts';

export const Note = collection('note', {
  title: text().optional(),
  body: text().optional(),
  stars: integer().default(0),
});
export const Tag = collection('tag', { name: text() });
export const COLLECTIONS = [Note, Tag] as const;

export interface Follower {
  readonly node: Node;
  readonly upstream: GatedUpstream;
  readonly clock: TestClock;
  readonly scheduler: TestScheduler;
  /** What `onError` was given. */
  readonly errors: unknown[];
}

export interface World {
  readonly authority: Node;
  readonly clock: TestClock;
  readonly follow: (options?: FollowOptions) => Promise<Follower>;
  /** Waits until nothing moves. */
  readonly quiet: () => Promise<void>;
}

export interface FollowOptions {
  readonly seed?: number;
  /** By how much its clock is ahead of the authority's. */
  readonly aheadMs?: number;
  readonly collections?: readonly Collection[];
  /** Its first session waits for its welcome; nobody can be reached. */
  readonly unwelcome?: boolean;
  readonly unreachable?: boolean;
  /** Of one chunk that it is told. */
  readonly chunkRows?: number;
  readonly options?: Partial<NodeOptions>;
}

const opened: Node[] = [];
afterEach(async () => {
  for (const node of opened.splice(0).reverse()) await node.close();
});

export async function createWorld(collections: readonly Collection[] = COLLECTIONS): Promise<World> {
  const clock = createTestClock();
  const authority = await Node.open({ collections, ports: { clock, random: createTestRandom(1) } });
  opened.push(authority);
  const upstreams: GatedUpstream[] = [];
  const follow = async ({ aheadMs = 0, ...options }: FollowOptions = {}): Promise<Follower> => {
    const upstream = new GatedUpstream(() => authority);
    upstream.holdWelcome = options.unwelcome === true;
    upstream.isReachable = options.unreachable !== true;
    upstream.chunkRows = options.chunkRows ?? null;
    upstreams.push(upstream);
    const scheduler = createTestScheduler();
    const own = createTestClock(clock.now() + aheadMs);
    const errors: unknown[] = [];
    const node = await Node.open({
      collections: options.collections ?? collections,
      upstream,
      ports: { clock: own, scheduler, random: createTestRandom(options.seed ?? 100 + upstreams.length) },
      onError: (error) => errors.push(error),
      ...options.options,
    });
    // Closing must not wait for what a test has stopped.
    opened.push({ close: () => closeNow(node, upstream) } as Node);
    return { node, upstream, clock: own, scheduler, errors };
  };
  return { authority, clock, follow, quiet: () => quiet(...upstreams) };
}

async function closeNow(node: Node, upstream: GatedUpstream): Promise<void> {
  upstream.cut();
  await node.close();
}

/** A judge that refuses the uploads chosen, each time they come. */
export function refusing(chosen: (upload: UploadRequest) => boolean): (upload: UploadRequest) => Said | null {
  return (upload) => {
    if (!chosen(upload)) return null;
    const { transaction, attempt } = upload;
    return { kind: 'refused', transaction, attempt, error: refusal() };
  };
}

export function refusal(): TendrilError {
  return new TendrilError({ code: 'policy-denied', problem: 'It was refused.', remedy: 'Ask somebody else.' });
}

/** Minutes, one at a time, with what they cause. */
export async function pass({ scheduler, upstream }: Follower, minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 1) {
    scheduler.pass(60_000);
    await quiet(upstream);
  }
}

export function codeOf(error: unknown): string {
  return (error as TendrilError).code;
}

export function outbox({ node }: Follower): number {
  return node.report().upstream!.outbox.transactions;
}

/** The transactions that were uploaded, in the order of their first attempts. */
export function uploaded({ upstream }: Follower): readonly TransactionId[] {
  return [...new Set(upstream.askedOf('upload').map(({ transaction }) => transaction))];
}

export function attemptsOf({ upstream }: Follower, transaction: TransactionId): readonly number[] {
  const uploads = upstream.askedOf('upload').filter((upload) => upload.transaction === transaction);
  return uploads.map(({ attempt }) => attempt);
}
