/**
 * Pending views: the selections of a node that name `_pending`, kept current beside all others.
 *
 * Invariants
 *   - they are shown each row with its pendency as a last cell, and also transactions that changed nothing but that;
 *   - they are of what the node holds: no edge cuts them.
 * While none is open a commit costs nothing here.
 */
import type { Selection } from '../../query/index.ts';
import type { Commit } from '../change.ts';
import { asksPending, commitWithPending } from '../pending-column.ts';
import type { Due } from './place.ts';
import type { SelectionView } from './selection-view.ts';
import { SelectionViews, type SelectionViewsParts } from './selection-views.ts';

/** The views of one collection. */
export class CollectionViews<Row> {
  readonly plain: SelectionViews<Row>;
  readonly pending: SelectionViews<Row>;

  constructor(parts: SelectionViewsParts<Row>) {
    this.plain = new SelectionViews(parts);
    this.pending = new SelectionViews({ ...parts, source: { ...parts.source, boundOf: () => null } });
  }

  viewOf(selection: Selection): SelectionView<Row> {
    return (asksPending(selection) ? this.pending : this.plain).viewOf(selection);
  }
}

/** Commits as those views see them, each made once. To be asked only while such a view is open. */
export class PendingCommits {
  readonly #made = new WeakMap<Commit, Commit>();

  /**
   * Shows the rows of a commit to the views it may concern; appends to `due` those that must be maintained for it.
   *
   * - `commits`: as in `Place`. - `viewsOf`: of the collection with this name.
   */
  meet(
    commits: readonly Commit[],
    at: number,
    viewsOf: (collection: string) => SelectionViews<unknown> | undefined,
    due: Due[],
  ): void {
    const met: Due[] = [];
    const commit = this.#seen(commits[at]!);
    for (const change of commit.changes) viewsOf(change.collection)?.meet(change, commit.position, met);
    for (const view of met) {
      const maintain = () => view.maintain({ commits: commits.map((each) => this.#seen(each)), at });
      due.push({ number: view.number, maintain });
    }
  }

  #seen(commit: Commit): Commit {
    const made = this.#made.get(commit) ?? commitWithPending(commit);
    this.#made.set(commit, made);
    return made;
  }
}
