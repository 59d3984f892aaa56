/**
 * Statement view: the result of one whole statement, run again for every transaction that touches what it reads.
 *
 * Invariants
 *   - run at most once for each transaction, and only if that changed a row of a collection the statement names;
 *   - its rows have no identity: they are told apart by all their values, equal ones by which of them they are.
 *
 * This is the general rule. It is right for every statement, and costs what the statement costs.
 */

import type { RawRow, SqlValue } from '../../query/index.ts';
import type { Position } from '../../storage/index.ts';
import type { Commit, Source } from '../change.ts';
import { type Explanation, explainStatement } from '../explain.ts';
import type { SqlRow } from '../sql-result.ts';
import { isEmpty } from './change-set.ts';
import { diff } from './diff.ts';
import { Member } from './member.ts';
import type { Due, Place } from './place.ts';
import { asFailure, View } from './view.ts';
import type { Work } from './work.ts';

/** A SELECT with its parameters bound. */
export interface LiveStatement {
  /** Equal keys mean the same statement with the same values. */
  readonly key: string;
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** Names of collections. */
  readonly reads: readonly string[];
  readonly decode: (row: RawRow) => SqlRow;
}

/** What all statement views of a node share. */
export interface StatementViewsParts {
  readonly source: Source;
  readonly work: Work;
  readonly onError: (error: unknown) => void;
}

export class StatementViews {
  readonly parts: StatementViewsParts;
  readonly #open = new Map<string, StatementView>();

  constructor(parts: StatementViewsParts) {
    this.parts = parts;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The view of a statement, run now if none is open. @throws {TendrilError} `storage-failed`. */
  viewOf(statement: LiveStatement): StatementView {
    const view = this.#open.get(statement.key) ?? new StatementView(this, statement);
    this.#open.set(statement.key, view);
    return view;
  }

  drop(view: StatementView): void {
    this.#open.delete(view.statement.key);
  }

  /** Appends to `due` the views that must be maintained for a transaction. */
  meet({ changes, position }: Commit, due: Due[]): void {
    if (this.#open.size === 0 || changes.length === 0) return;
    const touched = new Set(changes.map(({ collection }) => collection));
    for (const view of this.#open.values()) if (view.isConcernedBy(touched, position)) due.push(view);
  }
}

export class StatementView extends View<SqlRow> implements Due {
  readonly statement: LiveStatement;
  readonly number: number;
  readonly #home: StatementViews;
  readonly #ranAt: Position;
  #members: readonly Member<SqlRow>[];

  constructor(home: StatementViews, statement: LiveStatement) {
    super();
    const { source, work } = home.parts;
    this.#home = home;
    this.statement = statement;
    work.views += 1;
    this.number = work.views;
    this.#ranAt = source.position();
    this.#members = this.#run();
  }

  isConcernedBy(touched: ReadonlySet<string>, position: Position): boolean {
    return position > this.#ranAt && this.statement.reads.some((name) => touched.has(name));
  }

  maintain(place: Place): void {
    const { work, onError } = this.#home.parts;
    work.reruns += 1;
    try {
      const old = this.#members;
      this.#members = this.#runAt(place);
      this.setError(null);
      const differences = diff(old, this.#members, (member) => this.identityOf(member));
      if (!isEmpty(differences) && this.publish(differences)) work.changeSets += 1;
    } catch (error) {
      // It stays as it was, and is run again for the next transaction that touches what it reads.
      this.setError(asFailure(error));
      onError(error);
    }
  }

  shown(): readonly Member<SqlRow>[] {
    return this.#members;
  }

  decode(raw: RawRow): SqlRow {
    return this.statement.decode(raw);
  }

  identityOf(member: Member<SqlRow>): unknown {
    return member.keys[0];
  }

  explain(): Explanation {
    const { values } = this.statement;
    return explainStatement(this.statement, this.watchers, (sql) => this.#home.parts.source.select(sql, values));
  }

  protected drop(): void {
    this.#home.drop(this);
  }

  #runAt({ commits, at }: Place): readonly Member<SqlRow>[] {
    return this.#run(at + 1 === commits.length ? undefined : commits[at]!.position);
  }

  #run(position?: Position): readonly Member<SqlRow>[] {
    const { source, work } = this.#home.parts;
    const { sql, values } = this.statement;
    const raws = source.select(sql, values, position);
    work.hydrated += raws.length;
    const seen = new Map<string, number>();
    return raws.map((raw) => {
      const spelled = raw.map(spellCell).join();
      const nth = seen.get(spelled) ?? 0;
      seen.set(spelled, nth + 1);
      return new Member<SqlRow>(raw, [`${nth} ${spelled}`]);
    });
  }
}

/** Unambiguous beside others: text and blobs start with their length. */
export function spellCell(cell: RawRow[number] | SqlValue): string {
  if (typeof cell === 'string') return `${cell.length}:${cell}`;
  if (typeof cell === 'bigint') return `${cell}n`;
  return cell instanceof Uint8Array ? `${cell.length}#${cell.join(' ')}` : String(cell);
}
