/**
 * Oracle: whether the nodes of a world show what they should, judged by a list of operations and SQLite, and nothing of
 * the engine.
 *
 * What it checks, of every node, whenever it is asked
 *   - each live query equals the same SQL over the rows the node holds; a window a beginning of it (law 6);
 *   - there is one position of the authority's log at which all its complete live queries equal the fold of that log with
 *     the node's own pending operations, and that position never goes back. Where the disk does not tell what is pending,
 *     rows of which something is are let be; where it is not known which these are, the node is, until nothing is. A
 *     durable follower has an order of its own, and so have those behind it: they are judged where nothing is on its way;
 *   - where nothing is on its way that position is the log's last, and a row that is held is the authority's, with its head
 *     and versions;
 *   - the authority's own rows are the fold of its log.
 */
import type { Collection, SqliteDriver } from '../../storage/index.ts';
import { columnsOf, isWindow, Spelling, spellCells, sqlOf, valuesOf } from './asked-rows.ts';
import type { AuthorityLog } from './authority-log.ts';
import { type OwnPending, ownPendingOf } from './own-pending.ts';
import { quoted, Reference } from './reference.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { Watched } from './watched.ts';

const NOTHING: OwnPending = { operations: [], left: new Set() };
/** Where the id stands in a spelled row: the first cell of it, a ULID. */
const ID_FROM = 2;
const ID_TO = 28;
/** Rows that a message shows of each side. */
const SHOWN_ROWS = 3;

/**
 * - `touched`: ids that the node has pending writes of, where its disk does not tell.
 * - `isAtEnd`: nothing is on its way to it.
 */
export interface Asked {
  readonly touched?: ReadonlySet<string> | undefined;
  readonly isAtEnd?: boolean;
}

interface Doubt {
  readonly letBe: ReadonlySet<string>;
  readonly pending: number;
}

export class Oracle {
  readonly #log: AuthorityLog;
  readonly #openSqlite: () => Promise<SqliteDriver>;
  readonly #spelling = new Spelling();
  readonly #references = new Map<string, Reference>();
  /** Where the log stood when a node last began with nothing. */
  readonly #begins = new Map<string, number>();
  /** Those whose session is with a log that is no more. */
  readonly #suspended = new Set<string>();

  constructor(log: AuthorityLog, openSqlite: () => Promise<SqliteDriver>) {
    this.#log = log;
    this.#openSqlite = openSqlite;
  }

  /** The node is opened again, perhaps with other collections. */
  reopened({ name, upstream, isPersistent }: SimulatedNode): void {
    const reference = this.#references.get(name);
    if (reference !== undefined) this.#begins.set(name, reference.position);
    reference?.close();
    this.#references.delete(name);
    this.#suspended.delete(name);
    // What it will be told comes from an authority that has as much; a relay may have less.
    if (!isPersistent && upstream?.upstream === null) this.#begins.set(name, this.#log.position);
  }

  /** An earlier state of the log was put back, of which these do not know until their sessions have ended. */
  restored(followers: Iterable<SimulatedNode>): void {
    this.close();
    for (const { name, node } of followers) {
      if (node?.report().upstream?.state === 'connected') this.#suspended.add(name);
    }
  }

  close(): void {
    for (const reference of this.#references.values()) reference.close();
    this.#references.clear();
    this.#begins.clear();
    this.#suspended.clear();
  }

  /** What is wrong with the node now. The log must have been read before. */
  async violations(node: SimulatedNode, asked: Asked = {}): Promise<readonly string[]> {
    const ready = [...node.watched].filter(({ isReady, live }) => isReady && live.status !== 'denied');
    return [...this.#ownRows(node, ready), ...(await this.#upstream(node, ready, asked))].map(
      (violation) => `${node.name}: ${violation}`,
    );
  }

  /** Of a follower to which nothing is on its way, and which has nothing pending: whether its rows are the authority's. */
  heldViolations(node: SimulatedNode, authority: SimulatedNode): readonly string[] {
    return node.collections.flatMap((collection) => {
      const same = authority.collections.find(({ name }) => name === collection.name);
      if (same === undefined) return [];
      const isAlike = columnsOf(same).join() === columnsOf(collection).join();
      const sql = `SELECT id, ${isAlike ? 'hex(_versions), ' : ''}hex(_head), _deleted FROM ${quoted(`_${collection.name}`)}`;
      const [own, known] = [spellCells(node.disk.read(sql)), new Set(spellCells(authority.disk.read(sql)))];
      const wrong = own.find((row) => !known.has(row));
      if (wrong === undefined) return [];
      const there = [...known].find((row) => row.slice(ID_FROM, ID_TO) === wrong.slice(ID_FROM, ID_TO));
      return [`${node.name}: a row of ${collection.name} is not as the authority has it: ${wrong}, there ${there}`];
    });
  }

  /** Of a durable node: whether its tables are the fold of the log. */
  async tableViolations(node: SimulatedNode): Promise<readonly string[]> {
    const reference = await this.#referenceOf(node);
    reference.advance(this.#log, this.#log.position);
    return node.collections.flatMap((collection) => {
      const own = spellCells(node.disk.read(`${allOf(heldTable(collection))} ORDER BY id`));
      const expected = spellCells(reference.rows(`${allOf(quoted(collection.name))} ORDER BY id`, []));
      if (own.join() === expected.join()) return [];
      return [`${node.name}: its table ${collection.name} is not the fold of its log: ${difference(own, expected)}`];
    });
  }

  #ownRows(node: SimulatedNode, watched: readonly Watched[]): readonly string[] {
    const found: string[] = [];
    for (const each of watched) {
      if (each.live.error !== null && each.live.status === 'local') continue;
      const sql = sqlOf(each, heldTable);
      const shown = this.#shown(each, () => node.disk.columns(sql));
      const all = inOrder(each, spellCells(node.disk.read(sql, valuesOf(each))));
      const held = isWindow(each) && node.upstream !== null ? all.slice(0, shown.length) : all;
      if (shown.join() !== held.join()) {
        found.push(
          `a live query differs from the rows held (${each.live.status}): ${asText(each)}: ${difference(shown, held)}`,
        );
      }
    }
    return found;
  }

  /** To be told after each event, so that no session's begin or end is missed. - `nodes`: upstreams before their followers. */
  observe(nodes: Iterable<SimulatedNode>): void {
    if (this.#suspended.size === 0) return;
    for (const { name, node, upstream } of nodes) {
      if (node?.report().upstream?.state !== 'connected') this.#suspended.delete(name);
      // A relay that does not know yet tells of the log that is no more.
      else if (upstream !== null && this.#suspended.has(upstream.name)) this.#suspended.add(name);
    }
  }

  async #upstream(
    node: SimulatedNode,
    watched: readonly Watched[],
    { touched, isAtEnd = false }: Asked,
  ): Promise<readonly string[]> {
    if (this.#suspended.has(node.name) || (!isAtEnd && !isInItsOrder(node))) return [];
    const isPending = node.upstream !== null && node.running.report().upstream!.outbox.transactions > 0;
    const own = isPending ? ownPendingOf(node) : NOTHING;
    if (own === null && touched === undefined) return [];
    const { operations, left } = own ?? { operations: [], left: touched! };
    const complete = watched.filter(({ live }) => live.status === 'complete');
    if (complete.length === 0) return [];
    const reference = await this.#referenceOf(node);
    const begin = isAtEnd ? this.#log.position : reference.position;
    let wrong: string | null = null;
    for (let position = begin; position <= this.#log.position; position += 1) {
      reference.advance(this.#log, position);
      wrong = reference.withOwn(operations, (unclear) => {
        return this.#firstWrong(reference, complete, {
          letBe: new Set([...left, ...unclear]),
          pending: operations.length,
        });
      });
      if (wrong === null) return [];
    }
    this.reopened(node);
    return [`no position from ${begin} to ${this.#log.position} of the authority's log explains it: ${wrong}`];
  }

  /**
   * - `letBe`: ids of rows that are not judged. Where there are such, a window may show less than its LIMIT, or rows of what
   *   is kept beyond it: of those it is asked only whether they match.
   * - `pending`: operations; a window may lack as many rows at its end, which lie beyond what the node is told of.
   */
  #firstWrong(reference: Reference, complete: readonly Watched[], { letBe, pending }: Doubt): string | null {
    for (const each of complete) {
      // What a statement makes of rows cannot be told apart by rows.
      if (letBe.size > 0 && each.collection === null) continue;
      const isPartial = letBe.size > 0 && isWindow(each);
      const sql = sqlOf(each, ({ name }) => quoted(name), isPartial);
      const isJudged = (row: string) => letBe.size === 0 || !letBe.has(row.slice(ID_FROM, ID_TO));
      const expected = inOrder(each, spellCells(reference.rows(sql, valuesOf(each)))).filter(isJudged);
      const shown = this.#shown(each, () => reference.columns(sql)).filter(isJudged);
      if (isPartial) {
        if (shown.some((row) => !expected.includes(row))) return `${asText(each)}: ${difference(shown, expected)}`;
      } else if (pending > 0 && isWindow(each)) {
        const missing = expected.length - shown.length;
        const isBeginning = missing >= 0 && missing <= pending;
        if (!isBeginning || shown.join() !== expected.slice(0, shown.length).join()) {
          return `${asText(each)}: ${difference(shown, expected)}`;
        }
      } else if (shown.join() !== expected.join()) return `${asText(each)}: ${difference(shown, expected)}`;
    }
    return null;
  }

  #shown(watched: Watched, columns: () => readonly string[]): readonly string[] {
    const { collection, live } = watched;
    return inOrder(watched, this.#spelling.rows(live.rows, collection === null ? columns() : columnsOf(collection)));
  }

  async #referenceOf(node: SimulatedNode): Promise<Reference> {
    const known = this.#references.get(node.name);
    if (known !== undefined) return known;
    const reference = new Reference(await this.#openSqlite(), node.collections);
    reference.advance(this.#log, Math.min(this.#begins.get(node.name) ?? 0, this.#log.position));
    this.#references.set(node.name, reference);
    return reference;
  }
}

/** Whether what it is told comes in the order of the authority's log. */
function isInItsOrder(node: SimulatedNode): boolean {
  for (let at = node; at.upstream !== null; at = at.upstream) if (at.isDurable) return false;
  return true;
}

/** A whole statement without ORDER BY may give its rows in any order. */
function inOrder({ collection, text }: Watched, rows: readonly string[]): readonly string[] {
  return collection === null && !/\bORDER\s+BY\b/i.test(text) ? [...rows].sort() : rows;
}

/** The living rows of a node's table, past its views and its indexes. */
function heldTable(collection: Collection): string {
  const columns = columnsOf(collection).map(quoted).join(', ');
  return `(SELECT ${columns} FROM ${quoted(`_${collection.name}`)} NOT INDEXED WHERE _deleted IS NULL)`;
}

function allOf(table: string): string {
  return `SELECT * FROM ${table}`;
}

function asText({ collection, text, parameters }: Watched): string {
  return `${collection?.name ?? 'statement'} [${text}] ${JSON.stringify(parameters)}`;
}

function difference(shown: readonly string[], expected: readonly string[]): string {
  const [extra, missing] = [
    shown.filter((row) => !expected.includes(row)),
    expected.filter((row) => !shown.includes(row)),
  ];
  if (extra.length + missing.length === 0)
    return `other order: ${shown.slice(0, SHOWN_ROWS)} for ${expected.slice(0, SHOWN_ROWS)}`;
  return `shown and should not be: ${extra.slice(0, SHOWN_ROWS)}; missing: ${missing.slice(0, SHOWN_ROWS)}`;
}
