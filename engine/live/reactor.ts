/**
 * Reactor: keeps every live query of a node equal to its SQL, by showing each committed change to those it may concern.
 *
 * Invariants
 *   - transactions are taken one by one, in position order: first every view that one concerns is maintained, so that all
 *     live queries show the same transaction; then those that it altered tell their listeners;
 *   - a callback may do anything, also what leads back here: that waits until the present delivery is done;
 *   - when nothing is open, nothing is held.
 *
 * Cost of a changed row: a lookup in the selection index, then the live queries found.
 */
import { type RawRow, type Selector, type SqlParameters, type SqlProbe, type Table, Where } from '../../query/index.ts';
import type { Commit, Source } from '../change.ts';
import type { Covers } from '../covers.ts';
import type { SqlRow } from '../sql-result.ts';
import { Deliveries } from './deliveries.ts';
import { type LiveQuery, type Opener, OpenLiveQuery } from './live-query.ts';
import { CollectionViews, PendingCommits } from './pending-views.ts';
import type { Due } from './place.ts';
import { createPlans, refuseOffset } from './plan.ts';
import type { IndexSizes } from './selection-index.ts';
import type { PrepareStatement } from './statement-live.ts';
import { StatementViews } from './statement-view.ts';
import { noWork, type Work } from './work.ts';

/** What live queries need to know of a collection. */
export interface LiveCollection<Row> {
  readonly table: Table;
  readonly decode: (raw: RawRow) => Row;
  readonly select: Selector;
}

export interface ReactorParts {
  readonly source: Source;
  /** Asks SQLite about single rows. */
  readonly probe: SqlProbe;
  readonly covers: Pick<Covers, 'follow' | 'followWhole'>;
  /** True while a group is being committed: the tables then hold what is not committed yet. */
  readonly isDraining: () => boolean;
  /** Runs a task after the present synchronous work. */
  readonly soon: (task: () => void) => void;
  /** Told what callbacks throw, and failures to maintain. */
  readonly onError: (error: unknown) => void;
}

export interface Reactor {
  /** @throws {TendrilError} what `select` throws; `query-unsupported` for an OFFSET; `storage-failed`. */
  readonly open: <Row>(
    collection: LiveCollection<Row>,
    text: string | Where,
    parameters?: SqlParameters,
  ) => LiveQuery<Row>;
  /** The same for a whole statement. @throws {TendrilError} what `prepare` throws; `storage-failed`. */
  readonly openStatement: (
    prepare: PrepareStatement,
    text: string | Where,
    parameters?: SqlParameters,
  ) => LiveQuery<SqlRow>;
  /** Takes what was committed, in position order, before anything else is read. */
  readonly commit: (commits: readonly Commit[]) => void;
  readonly report: () => ReactorReport;
  /** Closes every live query. */
  readonly close: () => void;
}

export interface ReactorReport {
  readonly liveQueries: number;
  /** Different results behind them. */
  readonly views: number;
  readonly index: IndexSizes;
  readonly work: Readonly<Work>;
}

export function createReactor(parts: ReactorParts): Reactor {
  const work = noWork();
  const open = new Set<LiveQuery<unknown>>();
  const homes = new Map<string, Home<unknown>>();
  const commits: Commit[] = [];
  const pendingCommits = new PendingCommits();
  let taken = 0;

  const isPendingAsked = (): boolean => {
    for (const { views } of homes.values()) if (views.pending.size > 0) return true;
    return false;
  };
  const advance = (): boolean => {
    const commit = commits[taken];
    if (commit === undefined) {
      commits.length = 0;
      taken = 0;
      return false;
    }
    const due: Due[] = [];
    work.commits += 1;
    work.changes += commit.changes.length;
    for (const change of commit.changes) homes.get(change.collection)?.views.plain.meet(change, commit.position, due);
    for (const bound of commit.bounds ?? [])
      homes.get(bound.collection)?.views.plain.rebound(bound, commit.position, due);
    if (isPendingAsked()) pendingCommits.meet(commits, taken, (name) => homes.get(name)?.views.pending, due);
    statements.meet(commit, due);
    if (due.length > 1) due.sort((left, right) => left.number - right.number);
    for (const view of due) view.maintain({ commits, at: taken });
    taken += 1;
    return true;
  };
  const onError = (error: unknown) => {
    try {
      parts.onError(error);
    } catch {
      // Whoever is told of failures has failed: there is nobody else to tell, and the others must not suffer.
    }
  };
  const statements = new StatementViews({ source: parts.source, work, onError });
  const desk: Desk = { ...parts, onError, work, open, deliveries: new Deliveries(advance, onError) };
  const homeOf = <Row>(collection: LiveCollection<Row>): Home<Row> => {
    const { name } = collection.table;
    // A name is one collection, so its home has one type of row.
    const home = (homes.get(name) as Home<Row> | undefined) ?? createHome(desk, collection);
    homes.set(name, home as unknown as Home<unknown>);
    return home;
  };
  return {
    open: (collection, text, parameters) => new OpenLiveQuery(homeOf(collection).opener, text, parameters),
    openStatement: (prepare, text, parameters) => {
      const opener = createStatementOpener(desk, statements, prepare);
      return new OpenLiveQuery(opener, text, parameters);
    },
    commit: (committed) => {
      commits.push(...committed);
      desk.deliveries.run();
    },
    report: () => {
      const sizes = sizesOf([...homes.values()]);
      return { liveQueries: open.size, views: sizes.views + statements.size, index: sizes.index, work: { ...work } };
    },
    close: () => {
      for (const live of open) live.close();
    },
  };
}

/** What all collections share. */
interface Desk extends ReactorParts {
  readonly work: Work;
  readonly open: Set<LiveQuery<unknown>>;
  readonly deliveries: Deliveries;
}

/** One collection's views, and how live queries are opened on them. */
interface Home<Row> {
  readonly views: CollectionViews<Row>;
  readonly opener: Opener<Row>;
}

function createHome<Row>(desk: Desk, { table, decode, select }: LiveCollection<Row>): Home<Row> {
  const { source, work, onError } = desk;
  const views = new CollectionViews<Row>({ table, decode, source, work, onError, plans: createPlans(desk.probe) });
  const prepare = (given: string | Where, parameters: SqlParameters = []) => {
    const selection = select(given, parameters);
    const asked = given instanceof Where ? { ...given } : { text: given, parameters };
    refuseOffset(selection, asked.text);
    const cover = desk.covers.follow(table.name, { selection, ...asked });
    return { cover, view: () => views.viewOf(selection) };
  };
  return { views, opener: { ...openerParts(desk), prepare, identityOf: idOf } };
}

function createStatementOpener(desk: Desk, views: StatementViews, prepare: PrepareStatement): Opener<SqlRow> {
  return {
    ...openerParts(desk),
    prepare: (text, parameters) => {
      const statement = prepare(text, parameters);
      return { cover: desk.covers.followWhole(statement.reads), view: () => views.viewOf(statement) };
    },
    identityOf: null,
  };
}

function openerParts<Row>({ deliveries, open, isDraining, soon }: Desk): Omit<Opener<Row>, 'prepare' | 'identityOf'> {
  return {
    deliveries,
    whenReadable: (task) => (isDraining() ? soon(task) : task()),
    soon,
    onOpen: (live) => void open.add(live as LiveQuery<unknown>),
    onClose: (live) => void open.delete(live as LiveQuery<unknown>),
  };
}

function idOf(row: unknown): unknown {
  return (row as { readonly id: string }).id;
}

function sizesOf(homes: readonly Home<unknown>[]): Pick<ReactorReport, 'views' | 'index'> {
  const index = { columns: 0, equal: 0, intervals: 0, prefixes: 0, nulls: 0, every: 0 };
  let views = 0;
  for (const home of homes) {
    for (const each of [home.views.plain, home.views.pending]) {
      const sizes = each.indexSizes;
      views += each.size;
      for (const kind of Object.keys(index) as (keyof IndexSizes)[]) index[kind] += sizes[kind];
    }
  }
  return { views, index };
}
