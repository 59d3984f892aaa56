/** Opening a durable node: it keeps every operation, and is the authority of whoever follows it. */
import { type Answers, localAnswers } from './answers.ts';
import type { Core } from './core.ts';
import { coversEverything } from './covers.ts';
import { createFeed, type Feed } from './feed/feed.ts';
import { createIngester, type Ingester } from './ingest/ingest.ts';
import { type NodeOptions, openStorage } from './open-store.ts';
import { assemble, type Parts } from './parts.ts';
import { LoggedApplication } from './write/apply.ts';

export interface DurableParts extends Parts {
  readonly role: 'durable';
  readonly answers: Answers;
  readonly ingester: Ingester;
  /** What it tells those that follow it. */
  readonly feed: Feed;
}

export async function openDurable(options: NodeOptions): Promise<DurableParts> {
  return openStorage(options, (base) => {
    const core: Core = {
      ...base,
      position: base.log.position,
      application: (transaction) => new LoggedApplication(base, transaction),
      covers: coversEverything,
      settled: async () => undefined,
    };
    const { onError = console.error } = options;
    const parts = assemble(core, {
      mark: () => 0,
      rewind: core.log.rewind,
      boundOf: () => null,
      committed: (commits) => feed.commit(commits),
      onError,
    });
    const feed = createFeed({ ...parts, onError });
    return {
      ...parts,
      role: 'durable',
      answers: localAnswers(parts),
      ingester: createIngester(core, parts.queue),
      feed,
    };
  });
}
