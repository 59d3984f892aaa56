/**
 * Opening a durable node: it keeps every operation. Without an upstream it is the authority of whoever follows it; with
 * one it follows that node's log, and its followers are settled there.
 */
import type { SystemId } from '../storage/index.ts';
import { type Answers, localAnswers } from './answers.ts';
import { type Compacted, type CompactOptions, createCompactor } from './compact.ts';
import type { Core } from './core.ts';
import { coversEverything } from './covers.ts';
import { createFeed, type Feed } from './feed/feed.ts';
import { createIngester, type Ingester } from './ingest/ingest.ts';
import { LogFollower } from './logs/log-follower.ts';
import { type NodeOptions, openStorage } from './open-store.ts';
import { assemble, type Parts } from './parts.ts';
import type { Upstream } from './stream.ts';
import { LoggedApplication } from './write/apply.ts';

export interface DurableParts extends Parts {
  readonly role: 'durable';
  readonly answers: Answers;
  readonly ingester: Ingester;
  readonly upstream: Upstream | null;
  /** What it tells those that follow it. */
  readonly feed: Feed;
  /** Of its upstream; null where it has none. */
  readonly follower: LogFollower | null;
  readonly compact: (options: CompactOptions) => Promise<Compacted>;
}

export async function openDurable(options: NodeOptions): Promise<DurableParts> {
  const { upstream, onError = console.error } = options;
  const { started, ...parts } = await openStorage(options, (base) => {
    let system: SystemId = base.system;
    const core: Core = {
      ...base,
      get system() {
        return system;
      },
      position: base.log.position,
      application: (transaction) => new LoggedApplication(base, transaction),
      covers: coversEverything,
      settled: (transaction) => follower?.settled(transaction) ?? Promise.resolve(),
    };
    const parts = assemble(core, {
      mark: () => 0,
      rewind: core.log.rewind,
      boundOf: () => null,
      committed: (commits) => {
        feed.commit(commits);
        follower?.committed(commits);
      },
      onError,
    });
    const { queue, source } = parts;
    const ingester = createIngester(core, queue);
    const joined = (other: SystemId) => {
      system = other;
    };
    const { position } = source;
    const follower =
      upstream === undefined ? null : new LogFollower({ core, ingester, queue, upstream, position, joined });
    const feed = createFeed({
      ...parts,
      onError,
      ingester,
      ...(follower === null ? {} : { forwarding: follower.forwarding }),
    });
    const places = () => [...feed.places(), ...(follower === null ? [] : [follower.place()])];
    const compact = createCompactor({ core, queue, places });
    const started = follower?.start();
    return {
      ...parts,
      role: 'durable' as const,
      upstream: upstream ?? null,
      answers: localAnswers(parts),
      ingester,
      feed,
      follower,
      compact,
      started,
    };
  });
  await started;
  return parts;
}
