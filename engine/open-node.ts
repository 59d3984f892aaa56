/**
 * Opening: from options to the parts of a node, wired.
 *
 * Whatever fails after the storage was opened closes it again, so that its lock is free.
 */
import { TendrilError } from '../errors.ts';
import { type Selector, type SqlParameters, utf8Length, type Where } from '../query/index.ts';
import {
  type Collection,
  MAX_NAME_BYTES,
  memory,
  openStore,
  type Position,
  type RowOf,
  type Storage,
} from '../storage/index.ts';
import { type Catalog, type CatalogEntry, createCatalog } from './catalog.ts';
import type { Source } from './change.ts';
import type { Core } from './core.ts';
import { createIngester, type Ingester } from './ingest/ingest.ts';
import type { LiveQuery } from './live/live-query.ts';
import { createReactor, type LiveCollection, type Reactor } from './live/reactor.ts';
import { createPrepareStatement, type PrepareStatement } from './live/statement-live.ts';
import { systemClock } from './ports/clock.ts';
import type { Ports } from './ports/ports.ts';
import { createSystemRandom } from './ports/random.ts';
import { systemScheduler } from './ports/scheduler.ts';
import { createReader, type Reader } from './reader.ts';
import { type CommitQueue, createCommitQueue, MAX_OPERATIONS_TOGETHER } from './write/commit-queue.ts';
import { createMint } from './write/mint.ts';
import { insideGroup } from './write/standpoint.ts';
import { createStatementRunner, type StatementRunner } from './write/statement-run.ts';
import { createTransactor, type Transactor } from './write/transact.ts';

export interface NodeOptions {
  /** The only role so far, and the default. */
  readonly role?: 'durable';
  readonly collections: readonly Collection[];
  /** In memory by default. */
  readonly storage?: Storage;
  /** Stands in every operation made here; the node's own id by default. */
  readonly author?: string;
  /** Gets what callbacks throw, and failures that no caller waits for; `console.error` by default. */
  readonly onError?: (error: unknown) => void;
  /** For simulation. */
  readonly ports?: Partial<Ports>;
}

export interface NodeParts {
  readonly core: Core;
  readonly queue: CommitQueue;
  readonly reader: Reader;
  readonly statements: StatementRunner;
  readonly transactor: Transactor;
  readonly ingester: Ingester;
  readonly source: Source;
  readonly reactor: Reactor;
  readonly live: <C extends Collection>(
    entry: CatalogEntry<C>,
    text: string | Where,
    parameters?: SqlParameters,
  ) => LiveQuery<RowOf<C>>;
  readonly prepareStatement: PrepareStatement;
}

export async function openNode(options: NodeOptions): Promise<NodeParts> {
  checkOptions(options);
  const driver = await (options.storage ?? memory()).open();
  try {
    const { clock = systemClock, random = createSystemRandom(), scheduler = systemScheduler } = options.ports ?? {};
    const mint = createMint(clock, random);
    const store = openStore(driver, options.collections, mint.next);
    const greatest = store.log.greatestId();
    if (greatest !== null) mint.observe(greatest);
    const catalog = createCatalog(options.collections, store.descriptors);
    const author = options.author ?? store.node;
    return assemble({ ...store, catalog, mint, clock, random, scheduler, author }, options.onError ?? console.error);
  } catch (error) {
    try {
      driver.close();
    } catch {
      // Why it could not be opened says more than why it could not be closed then.
    }
    throw error;
  }
}

function assemble(core: Core, onError: (error: unknown) => void): NodeParts {
  const { driver, log, scheduler, catalog } = core;
  let position = log.position();
  const queue = createCommitQueue({
    driver,
    // A file's commit costs an fsync, which is worth waiting a turn for more members; one in memory costs nothing.
    schedule: driver.kind === 'file' ? scheduler.next : scheduler.soon,
    rewind: log.rewind,
    publish: (commits) => {
      position = commits.at(-1)!.position;
      reactor.commit(commits);
    },
  });
  const { isDraining } = queue;
  const source = createSource(core, () => position);
  const reactor = createReactor({ source, probe: driver.all, isDraining, soon: scheduler.soon, onError });
  const reader = createReader(driver, catalog);
  const statements = createStatementRunner(core);
  const inside = insideGroup(core);
  return {
    core,
    queue,
    reader,
    statements,
    transactor: createTransactor(core, queue, { core, reader, statements, inside, isDraining }),
    ingester: createIngester(core, queue),
    source,
    reactor,
    live: createLive(reactor, reader, catalog),
    prepareStatement: createPrepareStatement(statements.analyse, catalog),
  };
}

function createLive(reactor: Reactor, reader: Reader, { entries }: Catalog): NodeParts['live'] {
  const collections = new Map<CatalogEntry, LiveCollection<unknown>>(
    entries.map((entry) => {
      const select: Selector = (text, parameters) => reader.select(entry, text, parameters);
      return [entry, { table: entry.descriptor.table, decode: entry.decode, select }];
    }),
  );
  return <C extends Collection>(entry: CatalogEntry<C>, text: string | Where, parameters?: SqlParameters) =>
    reactor.open(collections.get(entry) as LiveCollection<RowOf<C>>, text, parameters);
}

function createSource({ driver, catalog, readAt }: Core, position: () => Position): Source {
  const collections = catalog.entries.map((entry) => entry.collection.name);
  return {
    position,
    select: (sql, parameters, at) =>
      at === undefined
        ? driver.all(sql, parameters)
        : readAt(at, collections, () => driver.all(sql, parameters), MAX_OPERATIONS_TOGETHER),
  };
}

function checkOptions({ role, author, collections, ...others }: NodeOptions): void {
  if (role !== undefined && role !== 'durable') throw invalidOption('role', "Leave it out, or give 'durable'.");
  if ('upstream' in others) throw invalidOption('upstream', 'Leave it out: this version has durable nodes only.');
  if (!Array.isArray(collections)) throw invalidOption('collections', 'Give an array of what collection(...) returns.');
  if (author !== undefined && (typeof author !== 'string' || author === '' || utf8Length(author) > MAX_NAME_BYTES)) {
    throw invalidOption('author', `Give a text of 1 to ${MAX_NAME_BYTES} bytes, or leave it out.`);
  }
}

export function invalidOption(option: string, remedy: string): TendrilError {
  return new TendrilError({
    code: 'invalid-option',
    problem: `The option \`${option}\` was given a value that makes no sense here.`,
    remedy,
    facts: { option },
  });
}
