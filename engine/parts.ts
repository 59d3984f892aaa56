/** Parts: what a node of any role is made of, wired. */
import type { Selector, SqlParameters, Where } from '../query/index.ts';
import type { Collection, Position, RowOf } from '../storage/index.ts';
import type { Catalog, CatalogEntry } from './catalog.ts';
import type { Commit, Source } from './change.ts';
import type { Core } from './core.ts';
import type { LiveQuery } from './live/live-query.ts';
import { createReactor, type LiveCollection, type Reactor } from './live/reactor.ts';
import { createPrepareStatement, type PrepareStatement } from './live/statement-live.ts';
import { createReader, type Reader } from './reader.ts';
import type { Staging } from './staging.ts';
import {
  type CommitQueue,
  type CommitQueueParts,
  createCommitQueue,
  MAX_OPERATIONS_TOGETHER,
} from './write/commit-queue.ts';
import { insideGroup } from './write/standpoint.ts';
import { createStatementRunner, type StatementRunner } from './write/statement-run.ts';
import { createTransactor, type Transactor } from './write/transact.ts';

export interface Parts {
  readonly core: Core;
  readonly queue: CommitQueue;
  readonly reader: Reader;
  readonly statements: StatementRunner;
  readonly transactor: Transactor;
  readonly source: Source;
  readonly reactor: Reactor;
  readonly live: <C extends Collection>(
    entry: CatalogEntry<C>,
    text: string | Where,
    parameters?: SqlParameters,
  ) => LiveQuery<RowOf<C>>;
  readonly prepareStatement: PrepareStatement;
}

/** What the role of a node decides. */
export interface Wiring extends Pick<CommitQueueParts, 'mark' | 'rewind'> {
  readonly boundOf: Source['boundOf'];
  /** Told of each group after its COMMIT, before live queries are. */
  readonly committed: (commits: readonly Commit[]) => void;
  readonly onError: (error: unknown) => void;
  /** Where a transaction says nothing. */
  readonly staging?: Staging | undefined;
}

export function assemble(core: Core, { mark, rewind, boundOf, committed, onError, staging }: Wiring): Parts {
  const { driver, scheduler, catalog } = core;
  let position = core.position();
  const queue = createCommitQueue({
    driver,
    // A file's commit costs an fsync, which is worth waiting a turn for more members; one in memory costs nothing.
    schedule: driver.kind === 'file' ? scheduler.next : scheduler.soon,
    mark,
    rewind,
    publish: (commits) => {
      position = commits.at(-1)!.position;
      committed(commits);
      reactor.commit(commits);
    },
  });
  const { isDraining } = queue;
  const source: Source = { position: () => position, boundOf, select: createSelect(core) };
  const { covers } = core;
  const reactor = createReactor({ source, covers, probe: driver.all, isDraining, soon: scheduler.soon, onError });
  const reader = createReader(driver, catalog);
  const statements = createStatementRunner(core);
  const transactions = { core, reader, statements, inside: insideGroup(core), isDraining };
  return {
    core,
    queue,
    reader,
    statements,
    transactor: createTransactor(core, queue, transactions, staging),
    source,
    reactor,
    live: createLive(reactor, reader, catalog),
    prepareStatement: createPrepareStatement(statements.analyse, catalog),
  };
}

function createLive(reactor: Reactor, reader: Reader, { entries, local }: Catalog): Parts['live'] {
  const collections = new Map<CatalogEntry, LiveCollection<unknown>>(
    [...entries, ...local].map((entry) => {
      const select: Selector = (text, parameters) => reader.selectHere(entry, text, parameters);
      return [entry, { table: entry.descriptor.table, decode: entry.decode, select }];
    }),
  );
  return <C extends Collection>(entry: CatalogEntry<C>, text: string | Where, parameters?: SqlParameters) =>
    reactor.open(collections.get(entry) as LiveCollection<RowOf<C>>, text, parameters);
}

function createSelect({ driver, catalog, readAt }: Core): Source['select'] {
  const collections = catalog.entries.map((entry) => entry.collection.name);
  return (sql, parameters, at?: Position) =>
    at === undefined
      ? driver.all(sql, parameters)
      : readAt(at, collections, () => driver.all(sql, parameters), MAX_OPERATIONS_TOGETHER);
}
