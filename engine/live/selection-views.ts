/**
 * Selection views: all that are open on one collection, found by what they ask and by what changes.
 *
 * Invariants
 *   - identical selections share one view;
 *   - a view that nobody watches leaves no entry, here or in the index.
 */
import type { Selection } from '../../query/index.ts';
import type { Position } from '../../storage/index.ts';
import type { Bound, Change } from '../change.ts';
import { type Due, RowChange } from './place.ts';
import { type Plans, registrationsOf } from './plan.ts';
import { type IndexSizes, SelectionIndex } from './selection-index.ts';
import { SelectionView, type ViewHome } from './selection-view.ts';

export interface SelectionViewsParts<Row> extends Omit<ViewHome<Row>, 'drop'> {
  readonly plans: Plans<Row>;
}

export class SelectionViews<Row> {
  readonly #home: ViewHome<Row>;
  readonly #plans: Plans<Row>;
  readonly #open = new Map<string, SelectionView<Row>>();
  readonly #index = new SelectionIndex<SelectionView<Row>>();

  constructor({ plans, ...shared }: SelectionViewsParts<Row>) {
    this.#plans = plans;
    this.#home = { ...shared, drop: (view) => this.#drop(view) };
  }

  get size(): number {
    return this.#open.size;
  }

  get indexSizes(): IndexSizes {
    return this.#index.sizes();
  }

  /** The view of a selection, read now if none is open. @throws {TendrilError} `storage-failed`. */
  viewOf(selection: Selection): SelectionView<Row> {
    const known = this.#open.get(selection.key);
    if (known !== undefined) return known;
    const view = new SelectionView(this.#home, this.#plans(selection.shape), selection);
    this.#open.set(selection.key, view);
    this.#index.add(registrationsOf(selection), view);
    return view;
  }

  /** Shows a changed row to the views it may concern; appends to `due` those that must be maintained for it. */
  meet(change: Change, position: Position, due: Due[]): void {
    if (this.#open.size === 0) return;
    const row = new RowChange<Row>(change);
    for (const view of this.#index.concerned(change.before, change.after)) {
      if (view.meet(row, position)) due.push(view);
    }
  }

  /** The node holds a selection up to another row now. */
  rebound({ key, row }: Bound, position: Position, due: Due[]): void {
    const view = this.#open.get(key);
    if (view?.rebound(row, position)) due.push(view);
  }

  #drop(view: SelectionView<Row>): void {
    this.#open.delete(view.selection.key);
    this.#index.remove(registrationsOf(view.selection), view);
  }
}
