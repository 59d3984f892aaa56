/**
 * Answers: what a session asks once, run after all that it uploaded before, and said in parts.
 *
 * Invariants
 *   - nothing is said before the COMMIT of the group in which its turn came; a statement that writes is a transaction of
 *     this node inside that group;
 *   - what only reads runs after that COMMIT: where SQLite runs out of memory over it, it takes back the transaction that
 *     is open, and with it what others wrote;
 *   - an answer larger than MAX_WHOLE_ANSWER_ROWS or MAX_WHOLE_ANSWER_BYTES is none, because it is held until it was said.
 */
import { assert, TendrilError } from '../../errors.ts';
import { bindStatement, type Cell, pieceValues, type RawRow, type StatementColumn } from '../../query/index.ts';
import type { TransactionId } from '../../storage/index.ts';
import { type CatalogEntry, collectionNotHere } from '../catalog.ts';
import type { Core } from '../core.ts';
import type { Reader } from '../reader.ts';
import { type SqlRow, typeOf } from '../sql-result.ts';
import type { Answer, AnswerColumn, RequestOf } from '../stream.ts';
import { acceptTransaction } from '../write/accept.ts';
import { type Member, NOTHING_DONE, type Outcome } from '../write/commit-queue.ts';
import { insideGroup } from '../write/standpoint.ts';
import { createStatementRunner, type StatementRunner } from '../write/statement-run.ts';
import { WriteSet } from '../write/write-set.ts';
import type { Follower } from './follower.ts';
import type { Job } from './job.ts';
import { MAX_ANSWER_ROWS, MAX_CHUNK_BYTES, MAX_WHOLE_ANSWER_BYTES, MAX_WHOLE_ANSWER_ROWS } from './limits.ts';

export type Ask = RequestOf<'ask'>;

export interface AnswerParts {
  readonly core: Core;
  readonly reader: Reader;
  /** Gives each result row as it is, under the name `cells`. */
  readonly statements: StatementRunner;
}

export function createAnswerParts(core: Core, reader: Reader): AnswerParts {
  return {
    core,
    reader,
    statements: createStatementRunner(
      core,
      () =>
        (cells): SqlRow => ({ cells }),
    ),
  };
}

/** One question on its way through the commit queue. */
export class Asking implements Member {
  readonly #parts: AnswerParts;
  readonly #ask: Ask;
  readonly #end: (result: Answer | TendrilError | null, failure: unknown) => void;
  #result: Answer | TendrilError | null = null;

  /** - `end`: called once: with the answer, why there is none, or (null) what failed here. */
  constructor(parts: AnswerParts, ask: Ask, end: (result: Answer | TendrilError | null, failure: unknown) => void) {
    this.#parts = parts;
    this.#ask = ask;
    this.#end = end;
  }

  run(): Outcome {
    try {
      if (isRead(this.#parts, this.#ask)) return NOTHING_DONE;
      const { answer, outcome } = writeFor(this.#parts, this.#ask);
      this.#result = answer;
      return outcome;
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      this.#result = error;
      return { kind: 'left' };
    }
  }

  committed(): void {
    let failure: unknown = null;
    try {
      this.#result ??= readFor(this.#parts, this.#ask);
    } catch (error) {
      if (error instanceof TendrilError) this.#result = error;
      else failure = error;
    }
    this.#end(this.#result, failure);
  }

  failed(error: unknown): void {
    this.#end(null, error);
  }
}

/** An answer on its way out, part by part: at least one. */
export class Answering implements Job {
  readonly #follower: Follower;
  readonly #request: number;
  readonly #answer: Answer;
  readonly #onLast: () => void;
  #said = 0;

  constructor(follower: Follower, request: number, answer: Answer, onLast: () => void) {
    this.#follower = follower;
    this.#request = request;
    this.#answer = answer;
    this.#onLast = onLast;
  }

  advance(): boolean {
    const { columns, rows, changes } = this.#answer;
    const from = this.#said;
    let bytes = 0;
    while (this.#said < rows.length && this.#said - from < MAX_ANSWER_ROWS && bytes < MAX_CHUNK_BYTES) {
      bytes += sizeOf(rows[this.#said]!);
      this.#said += 1;
    }
    const last = this.#said === rows.length;
    if (last) this.#onLast();
    const part = rows.slice(from, this.#said);
    this.#follower.say({ kind: 'answer', request: this.#request, columns, rows: part, changes, last });
    return !last;
  }
}

/** @throws {TendrilError} why it has no answer. */
function isRead({ statements }: AnswerParts, { collection, text }: Ask): boolean {
  return collection !== null || statements.analyse(text).kind === 'select';
}

/** @throws {TendrilError} why it has no answer. */
function readFor(parts: AnswerParts, ask: Ask): Answer {
  if (ask.collection !== null) return selected(parts, ask, ask.collection);
  const { core, statements } = parts;
  const statement = statements.analyse(ask.text);
  assert(statement.kind === 'select', 'a statement that writes outside a group');
  const values = pieceValues(statement.rows, bindStatement(statement, ask.parameters));
  const rows = bounded(core.driver.iterate(statement.rows.sql, values));
  return { columns: typed(core, statement.columns), rows, changes: 0 };
}

/** @throws {TendrilError} why it has no answer. */
function writeFor({ core, statements }: AnswerParts, ask: Ask): { readonly answer: Answer; readonly outcome: Outcome } {
  const statement = statements.analyse(ask.text);
  assert(statement.kind !== 'select', 'a read inside a group');
  const inside = insideGroup(core);
  const writes = new WriteSet(inside);
  const result = statements.run(ask.text, ask.parameters, writes, inside);
  const rows = bounded(result.map(({ cells }) => cells as RawRow));
  const columns = typed(core, statement.returning?.columns ?? []);
  const outcome = acceptTransaction(core, core.mint.next() as TransactionId, writes.drafts, null);
  return { answer: { columns, rows, changes: result.changes }, outcome };
}

function selected({ core, reader }: AnswerParts, { text, parameters }: Ask, collection: string): Answer {
  const entry = core.catalog.named(collection);
  if (entry === null) throw collectionNotHere(collection);
  return { columns: columnsOf(entry), rows: bounded(reader.rows(reader.select(entry, text, parameters))), changes: 0 };
}

function columnsOf({ properties }: CatalogEntry): readonly AnswerColumn[] {
  return [{ name: 'id', type: null }, ...properties.map(({ name, rule }) => ({ name, type: rule.type }))];
}

function typed({ catalog }: Core, columns: readonly StatementColumn[]): readonly AnswerColumn[] {
  return columns.map((column) => ({ name: column.name, type: typeOf(catalog, column) }));
}

/** @throws {TendrilError} `limit-exceeded`, as soon as it is known. */
function bounded(rows: Iterable<RawRow>): readonly RawRow[] {
  const kept: RawRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += sizeOf(row);
    kept.push(row);
    if (kept.length > MAX_WHOLE_ANSWER_ROWS || bytes > MAX_WHOLE_ANSWER_BYTES) throw tooLarge();
  }
  return kept;
}

/** Bytes, about. */
function sizeOf(row: RawRow): number {
  return row.reduce((sum: number, cell) => sum + sizeOfCell(cell), 0);
}

function sizeOfCell(cell: Cell): number {
  return typeof cell === 'string' || cell instanceof Uint8Array ? cell.length + 2 : 9;
}

function tooLarge(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `The answer has more than ${MAX_WHOLE_ANSWER_ROWS} rows or ${MAX_WHOLE_ANSWER_BYTES} bytes.`,
    remedy: 'Ask for fewer rows with LIMIT and a condition on the last key, or keep them by a live query.',
    facts: { rows: MAX_WHOLE_ANSWER_ROWS, bytes: MAX_WHOLE_ANSWER_BYTES },
  });
}
