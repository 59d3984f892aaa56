/**
 * Selection view: the rows of one selection, maintained from the rows that transactions change.
 *
 * Invariants
 *   - what is shown equals the selection's SQL at the last transaction that the view was brought to;
 *   - a transaction at or below the position at which the view was read is ignored: it is in the rows already;
 *   - a view that could not be matched or read is stale, and read anew with the next transaction that concerns it.
 */
import type { RawRow, Selection, Table } from '../../query/index.ts';
import type { Position } from '../../storage/index.ts';
import type { Source } from '../change.ts';
import { type Explanation, explainSelection } from '../explain.ts';
import { type Differences, isEmpty } from './change-set.ts';
import { diff } from './diff.ts';
import { Member } from './member.ts';
import { type Place, type RowChange, rowsAt } from './place.ts';
import { limitOf, type Plan, parametersOf } from './plan.ts';
import { asFailure, View } from './view.ts';
import { capacityOf, cut, maintain, Window } from './window.ts';
import type { Work } from './work.ts';

/** What the views of one collection share. */
export interface ViewHome<Row> {
  readonly table: Table;
  readonly decode: (raw: RawRow) => Row;
  readonly source: Source;
  readonly work: Work;
  readonly onError: (error: unknown) => void;
  /** Told of a view that nobody watches any more. */
  readonly drop: (view: SelectionView<Row>) => void;
}

export class SelectionView<Row> extends View<Row> {
  /** For the selection index. */
  mark = 0;
  readonly number: number;
  readonly selection: Selection;
  readonly #home: ViewHome<Row>;
  readonly #plan: Plan<Row>;
  readonly #hydratedAt: Position;
  #window: Window<Member<Row>>;
  /** What the transaction at hand does to the rows: null until it is known to concern them. */
  #left: Member<Row>[] | null = null;
  #came: Member<Row>[] | null = null;
  #isStale = false;
  #bound: RawRow | null = null;

  constructor(home: ViewHome<Row>, plan: Plan<Row>, selection: Selection) {
    super();
    this.#home = home;
    this.#plan = plan;
    this.selection = selection;
    home.work.views += 1;
    this.number = home.work.views;
    this.#hydratedAt = home.source.position();
    this.#window = this.#windowOf(home.source.boundOf(home.table.name, selection), (rows) => this.#read(rows));
  }

  /** The node holds the selection up to another row now: the rows are to be read anew. True as `meet` is. */
  rebound(bound: RawRow | null, position: Position): boolean {
    if (position <= this.#hydratedAt) return false;
    const isFirst = this.#left === null;
    this.#left ??= [];
    this.#bound = bound;
    this.#isStale = true;
    return isFirst;
  }

  /** Takes in one changed row. True if it is the first of its transaction that concerns the view: then `maintain` is due. */
  meet(change: RowChange<Row>, position: Position): boolean {
    if (position <= this.#hydratedAt) return false;
    const isFirst = this.#left === null;
    try {
      if (!this.#note(change) && !this.#isStale) return false;
    } catch (error) {
      this.#goStale(error);
    }
    this.#left ??= [];
    return isFirst;
  }

  /** Brings the rows to the end of the transaction whose rows were met. */
  maintain(place: Place): void {
    const [left, came] = [this.#left ?? [], this.#came ?? []];
    this.#left = null;
    this.#came = null;
    try {
      const differences = this.#isStale
        ? this.#readAnew(place)
        : maintain(this.#window, this.#plan, left, came, () => this.#readAgain(place));
      if (differences !== null && this.publish(differences)) this.#home.work.changeSets += 1;
    } catch (error) {
      this.#goStale(error);
    }
  }

  shown(): readonly Member<Row>[] {
    const { items, limit } = this.#window;
    return items.length <= limit ? items : items.slice(0, limit);
  }

  decode(raw: RawRow): Row {
    return this.#home.decode(raw);
  }

  identityOf(member: Member<Row>): unknown {
    return member.raw[0];
  }

  explain(): Explanation {
    return explainSelection(this.selection, this.watchers, this.#plan.sql, (sql) =>
      this.#home.source.select(sql, parametersOf(this.#plan, this.selection, capacityOf(this.#window.limit))),
    );
  }

  protected drop(): void {
    this.#home.drop(this);
  }

  /** Whether the row was, or is, of the selection. */
  #note(change: RowChange<Row>): boolean {
    const { work } = this.#home;
    const { before, after } = change;
    work.visited += 1;
    const was = before !== null && this.#matches(before);
    const is = after !== null && this.#matches(after);
    if (!was && !is) return false;
    work.concerned += 1;
    this.#left ??= [];
    this.#came ??= [];
    if (was) this.#left.push(this.#memberOf(before, change.memberBefore(before)));
    if (is) this.#came.push(this.#memberOf(after, change.memberAfter(after)));
    return true;
  }

  #matches(row: RawRow): boolean {
    this.#home.work.evaluated += 1;
    return this.#plan.matches(row, this.selection.values);
  }

  #memberOf(raw: RawRow, shared: Member<Row> | null): Member<Row> {
    const { order } = this.#plan;
    if (order.plain) return shared ?? new Member(raw);
    return new Member(raw, order.keysOf(raw, this.selection.values), shared);
  }

  #windowOf(bound: RawRow | null, read: (rows: number) => Member<Row>[]): Window<Member<Row>> {
    const limit = limitOf(this.selection);
    const last = bound === null ? null : this.#memberOf(bound, null);
    this.#bound = bound;
    return new Window(cut(read(limit), last, this.#plan.compare), limit, limit, last);
  }

  /** The first rows as they are now. */
  #read(rows: number): Member<Row>[] {
    if (rows === 0) return [];
    const raws = this.#home.source.select(this.#plan.sql, parametersOf(this.#plan, this.selection, rows));
    this.#home.work.hydrated += raws.length;
    return raws.map((raw) => this.#memberOf(raw, null));
  }

  /** The first rows as they were at the place, though later transactions are in the tables already. */
  #readAt(place: Place, rows: number): Member<Row>[] {
    const then = rowsAt(place, this.#home.table.name);
    if (then.size === 0) return this.#read(rows);
    const items = this.#read(rows + then.size).filter(({ raw }) => !then.has(raw[0] as string));
    for (const raw of then.values()) if (raw !== null && this.#matches(raw)) items.push(this.#memberOf(raw, null));
    return items.sort(this.#plan.compare).slice(0, rows);
  }

  #readAgain(place: Place): readonly Member<Row>[] {
    this.#home.work.refills += 1;
    try {
      return cut(this.#readAt(place, capacityOf(this.#window.limit)), this.#window.bound, this.#plan.compare);
    } catch (error) {
      // What the transaction did to the rows at hand is told all the same, so that listeners keep up with `shown`.
      this.#goStale(error);
      return [];
    }
  }

  #readAnew(place: Place): Differences<Member<Row>> | null {
    const old = this.shown();
    this.#window = this.#windowOf(this.#bound, (rows) => this.#readAt(place, rows));
    this.#isStale = false;
    this.setError(null);
    const differences = diff(old, this.shown(), this.#plan.identityOf);
    return isEmpty(differences) ? null : differences;
  }

  #goStale(error: unknown): void {
    this.#isStale = true;
    this.setError(asFailure(error));
    this.#home.onError(error);
  }
}
