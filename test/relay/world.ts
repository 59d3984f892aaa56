/** An authority, a relay that follows it, and edges that follow the relay, over links that can be gated. */
import { afterEach } from 'vitest';
import { Node, type NodeOptions } from '../../index.ts';
import { createTestClock, createTestRandom, createTestScheduler, type TestScheduler } from '../support/ports.ts';
import { GatedUpstream, quiet } from '../upstream/gated-upstream.ts';
import { COLLECTIONS } from '../upstream/world.ts';

export interface Edge {
  readonly node: Node;
  /** To the relay. */
  readonly upstream: GatedUpstream;
  readonly scheduler: TestScheduler;
  readonly errors: unknown[];
}

export interface RelayWorld {
  readonly authority: Node;
  /** As it is now: another object after `restart`. */
  readonly relay: () => Node;
  /** From the relay to the authority. */
  readonly up: GatedUpstream;
  readonly relayScheduler: TestScheduler;
  /** What the relay's `onError` was given. */
  readonly errors: unknown[];
  /** The relay loses its authority, until `reach`. */
  readonly cutOff: () => Promise<void>;
  readonly reach: () => Promise<void>;
  /** Another relay in its place, that knows nothing. */
  readonly restart: () => Promise<void>;
  readonly follow: (author: string, options?: Partial<NodeOptions>) => Promise<Edge>;
  /** Waits until nothing moves. */
  readonly quiet: () => Promise<void>;
}

const closings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
});

export async function createRelayWorld(relayOptions: Partial<NodeOptions> = {}): Promise<RelayWorld> {
  const collections = [...COLLECTIONS];
  const clock = createTestClock();
  const authority = await Node.open({ collections, ports: { clock, random: createTestRandom(1) } });
  closings.push(() => authority.close());
  const up = new GatedUpstream(() => authority);
  const upstreams = [up];
  const errors: unknown[] = [];
  const relayScheduler = createTestScheduler();
  const open = async (seed: number) => {
    const opened = await Node.open({
      collections,
      upstream: up,
      ports: { clock: createTestClock(clock.now()), scheduler: relayScheduler, random: createTestRandom(seed) },
      onError: (error) => errors.push(error),
      ...relayOptions,
    });
    await quiet(...upstreams);
    return opened;
  };
  let relay = await open(2);
  closings.push(() => closeNow(relay, up));
  const follow = async (author: string, options: Partial<NodeOptions> = {}): Promise<Edge> => {
    const upstream = new GatedUpstream(() => relay);
    upstreams.push(upstream);
    const scheduler = createTestScheduler();
    const edgeErrors: unknown[] = [];
    const node = await Node.open({
      collections,
      upstream,
      author,
      ports: {
        clock: createTestClock(clock.now()),
        scheduler,
        random: createTestRandom(100 + upstreams.length),
      },
      onError: (error) => edgeErrors.push(error),
      ...options,
    });
    closings.push(() => closeNow(node, upstream));
    await quiet(...upstreams);
    return { node, upstream, scheduler, errors: edgeErrors };
  };
  return {
    authority,
    relay: () => relay,
    up,
    relayScheduler,
    errors,
    cutOff: async () => {
      up.isReachable = false;
      up.cut();
      await quiet(...upstreams);
    },
    reach: async () => {
      up.isReachable = true;
      await relay.reconnect();
      await quiet(...upstreams);
    },
    restart: async () => {
      await closeNow(relay, up);
      relay = await open(3);
    },
    follow,
    quiet: () => quiet(...upstreams),
  };
}

/** Closing must not wait for what a test has stopped. */
async function closeNow(node: Node, upstream: GatedUpstream): Promise<void> {
  upstream.cut();
  await node.close();
}
