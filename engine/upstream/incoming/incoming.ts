/**
 * Incoming: what the authority says, on its way into the tables.
 *
 * Invariants
 *   - a frame is taken inside a group, between local transactions, message by message, in order;
 *   - each transaction of the authority is one commit here, and so one change set for a live query;
 *   - what a frame means to anybody beside the tables happens after the group's COMMIT.
 */
import type { TendrilError } from '../../../errors.ts';
import { type EntityId, idOfRow, type Position, positionOfRow, type TransactionId } from '../../../storage/index.ts';
import type { Bound, Commit } from '../../change.ts';
import type { Prepared } from '../../core.ts';
import { parametersOf } from '../../live/plan.ts';
import { rowKey } from '../../row-key.ts';
import type { Said, SaidOf, Step } from '../../stream.ts';
import type { Outcome } from '../../write/commit-queue.ts';
import { rowKeyOf } from '../../write/prepared.ts';
import type { Stage } from '../confirming/stages.ts';
import { pushedOutOf } from '../confirming/untold.ts';
import { becomeWhole } from '../confirming/whole.ts';
import type { Followed } from '../following/followed.ts';
import type { Following } from '../following/following.ts';
import { OverlayStep } from '../overlay/overlay-step.ts';
import { violation } from '../session/session-errors.ts';
import { takeForeign } from './foreign-step.ts';
import type { IncomingParts } from './incoming-parts.ts';
import { settle } from './settle.ts';
import { Verdicts } from './verdicts.ts';

/** One frame. Made for it, and then done. */
export class Frame {
  readonly #parts: IncomingParts;
  readonly #commits: Commit[] = [];
  #position = 0 as Position;
  /** The upstream, a relay, does not reach its own. */
  #isCut = false;
  /** After the COMMIT. */
  readonly #tasks: (() => void)[] = [];
  readonly #verdicts: Verdicts;

  constructor(parts: IncomingParts) {
    this.#parts = parts;
    this.#verdicts = new Verdicts(parts, this.#tasks, (step) => this.#end(step, []));
  }

  /** Inside a group. @throws {TendrilError} `protocol-violation`: then nothing of the frame is taken. */
  run(messages: readonly Said[]): Outcome {
    const { standing, stages, kept } = this.#parts;
    kept.begin();
    this.#isCut = this.#parts.connection.isCut;
    for (const message of messages) {
      this.#take(message);
      const position = positionOf(message, this.#isCut);
      if (position !== null && position > this.#position) this.#position = position;
    }
    standing.told(this.#position, stages.isWhole, this.#isCut);
    kept.flush(stages.isWhole);
    const operations = this.#commits.reduce((sum, { changes }) => sum + changes.length, 0);
    return { kind: 'done', commits: this.#commits, operations, bytes: 0 };
  }

  committed(): void {
    this.#parts.served()?.committed();
    for (const task of this.#tasks) task();
  }

  #take(message: Said): void {
    const { questions } = this.#parts;
    switch (message.kind) {
      case 'described':
        this.#described(message);
        return;
      case 'chunk':
        this.#chunk(message);
        return;
      case 'denied':
        this.#denied(message.subscription, message.error);
        return;
      case 'unsubscribed':
        this.#unsubscribed(message);
        return;
      case 'held':
        this.#held(message);
        return;
      case 'released':
        this.#released(message);
        return;
      case 'step':
        this.#step(message);
        return;
      case 'refused':
        this.#tasks.push(() => this.#parts.served()?.concluded(message));
        this.#verdicts.refused(message);
        return;
      case 'rebase':
        this.#tasks.push(() => this.#parts.served()?.concluded(message));
        this.#verdicts.rebase(message);
        return;
      case 'answer':
        this.#tasks.push(() => questions.answered(message.request, message, message.last));
        return;
      case 'unanswered':
        this.#tasks.push(() => questions.failed(message.request, message.error));
        return;
      case 'at':
        return;
      case 'unreadable':
        this.#unreadable(message);
        return;
      case 'pending':
      case 'withdrawn':
        this.#end(takeForeign(this.#parts, message), []);
        return;
      case 'linked':
        this.#linked(message);
        return;
      case 'logged':
      case 'taken':
        throw violation(`${message.kind}, which this node does not take`);
    }
  }

  #described({ differing }: SaidOf<'described'>): void {
    const { collections, confirming, core, following, sender, verifying } = this.#parts;
    const refused = new Set(collections.described(differing));
    this.#tasks.push(
      () => sender.askAgain(),
      () => verifying.described(),
    );
    for (const entry of core.catalog.entries) confirming.described(entry);
    for (const { entry, subscription } of [...following.all()]) {
      const { name } = entry.collection;
      if (!refused.has(name)) continue;
      this.#denied(subscription, collections.refusalOf(name)!);
      this.#tasks.push(() => sender.request({ kind: 'unsubscribe', subscription }));
    }
  }

  #chunk(chunk: SaidOf<'chunk'>): void {
    const { subscription, selection, rows, left, last, edge } = chunk;
    const { following, stages, confirming, verifying } = this.#parts;
    if (verifying.owns(subscription)) {
      this.#verify(chunk);
      return;
    }
    const followed = following.subscriptions.get(subscription);
    if (followed === undefined) return;
    const { entry } = followed;
    const stage = stages.of(followed);
    const step = new OverlayStep(this.#parts.overlay);
    for (const bytes of rows) confirming.enter(step, stage, entry, bytes);
    // What this session has said of it for something else holds.
    for (const id of left) if (!stage.isTold(entry, id)) stage.leave(entry, id);
    followed.answered(chunk.basis, chunk.differing, throughOf(chunk), { received: rows.length, total: chunk.total });
    if (!last) return;
    following.subscriptions.completed(followed, selection, edge);
    const { present } = stages;
    if (present !== null) followed.pushedOut = pushedOutOf(this.#parts, present, followed);
    const own = stages.take(followed);
    if (own === null) {
      this.#arrived([followed]);
      return;
    }
    this.#tasks.push(() => followed.tell());
    this.#unstage(step, own);
    following.show(followed);
    this.#end(step, [followed]);
  }

  /** What was asked for a second time, to be compared. */
  #verify(chunk: SaidOf<'chunk'>): void {
    const { overlay, verifying } = this.#parts;
    const step = new OverlayStep(overlay);
    verifying.chunk(step, chunk);
    this.#endRepair(step, chunk.position);
    if (chunk.last) this.#tasks.push(() => verifying.chunked());
  }

  /** What was not as the authority has it is: also for whoever follows this node. */
  #endRepair(step: OverlayStep, position: Position): void {
    if (step.isIdle) return;
    const { following, served } = this.#parts;
    const windows = [...following.all()].filter(({ isWindow, hasRows }) => isWindow && hasRows);
    this.#end(step, windows);
    const { confirmedChanges: changes } = step;
    if (changes.length === 0) return;
    const told: Step = { kind: 'step', position, parts: [], edges: [], settled: null };
    served()?.took({ step: told, operations: [], changes, bounds: boundsOf(following, windows), isWhole: true });
  }

  #denied(subscription: number, error: TendrilError): void {
    const { following, stages, verifying } = this.#parts;
    if (verifying.owns(subscription)) this.#tasks.push(() => verifying.denied(error));
    const followed = following.denied(subscription, error);
    if (followed === undefined) return;
    // Of its rows nobody can tell any more who else needs them: another session tells all others, and passes it over.
    if (followed.isPassedOver) throw error;
    stages.take(followed);
    this.#tasks.push(() => followed.tell());
    this.#arrived([followed]);
  }

  #unsubscribed({ subscription }: SaidOf<'unsubscribed'>): void {
    const { following, core, overlay, stages, verifying } = this.#parts;
    if (verifying.owns(subscription)) this.#tasks.push(() => verifying.unsubscribed());
    const followed = following.unsubscribed(subscription);
    if (followed === undefined) return;
    stages.take(followed);
    const { name } = followed.entry.collection;
    const step = new OverlayStep(overlay);
    const { plan, asked } = followed;
    for (const [id] of core.driver.all(plan.sql, parametersOf(plan, asked.selection, Number.POSITIVE_INFINITY))) {
      this.#evict(step, name, id as EntityId);
    }
    // They may not match as they are shown.
    for (const id of overlay.idsPending(name)) this.#evict(step, name, id);
    this.#end(step, []);
    this.#arrived([followed]);
  }

  #held(held: SaidOf<'held'>): void {
    const { collection, ids, rows, position } = held;
    const { collections, confirming, heldIds, stages, verifying } = this.#parts;
    const entry = collections.entryOf(collection);
    const refusal = collections.refusalOf(collection);
    if (refusal !== null) {
      this.#tasks.push(() => heldIds.denied(collection, ids, refusal));
      this.#arrived(ids.map((id) => rowKey(collection, id)));
      return;
    }
    const step = new OverlayStep(this.#parts.overlay);
    const isVerified = verifying.heard(step, entry, held);
    for (const bytes of rows) confirming.enter(step, stages.session, entry, bytes);
    heldIds.heard(collection, ids);
    if (isVerified) {
      this.#endRepair(step, position);
      this.#tasks.push(() => verifying.heardAll());
    } else this.#end(step, []);
    const tell = () => heldIds.answered(collection, ids);
    if (stages.isWhole) this.#tasks.push(tell);
    else stages.whenWhole(tell);
    this.#arrived(ids.map((id) => rowKey(collection, id)));
  }

  #released(released: SaidOf<'released'>): void {
    const { collection, ids } = released;
    const step = new OverlayStep(this.#parts.overlay);
    this.#parts.heldIds.released(collection, ids);
    this.#tasks.push(() => this.#parts.verifying.released(released));
    for (const id of ids) this.#evict(step, collection, id);
    this.#end(step, []);
  }

  #step(said: Step): void {
    const { position, parts, edges, settled } = said;
    const { overlay, confirming, following, stages, served } = this.#parts;
    const step = new OverlayStep(overlay);
    const operations = settled === null ? [] : this.#settle(step, settled, position);
    this.#parts.verifying.changed(said, operations);
    const settledRows = new Set(operations.map(rowKeyOf));
    for (const part of parts) {
      // What the authority added to these operations (it narrows a head) comes as items at the same position.
      const isSettled = part.kind === 'items' && settledRows.has(rowKey(part.collection, part.entity));
      confirming.take(step, part, position, isSettled);
    }
    const moved: Followed[] = [];
    for (const { selection, entity } of edges) {
      for (const followed of following.subscriptions.bySelection(selection)) {
        followed.edge = entity;
        // Of a session that cannot be seen yet, its rows' edge cannot either.
        if (!followed.isHeld || !stages.isWhole) continue;
        following.show(followed);
        moved.push(followed);
      }
    }
    this.#end(step, moved);
    const { isWhole } = stages;
    const { confirmedChanges: changes } = step;
    served()?.took({ step: said, operations, changes, bounds: boundsOf(following, moved), isWhole });
  }

  #settle(step: OverlayStep, transaction: TransactionId, position: Position): readonly Prepared[] {
    const { sender, settlements, stages, standing, kept } = this.#parts;
    this.#tasks.push(() => {
      sender.arrived(transaction);
      settlements.applied(transaction);
    });
    const operations = settle(this.#parts, step, transaction, position);
    if (operations.length > 0 && !stages.isWhole) {
      standing.settledAhead();
      kept.keepCursor();
    }
    return operations;
  }

  /** What was asked for at the session's begin has come: with the last of it, the session's rows replace those before. */
  #arrived(whole: Iterable<unknown>): void {
    const present = this.#parts.stages.arrived(whole);
    if (present === null) return;
    const commit = becomeWhole(
      { ...this.#parts, lacking: (step, rows) => this.#verdicts.lacking(step, rows) },
      present,
    );
    if (commit !== null) this.#commits.push(commit);
    this.#tasks.push(...this.#parts.stages.takeTasks(), () => this.#parts.following.tellAll());
  }

  #linked({ online, error }: SaidOf<'linked'>): void {
    const { connection, served, settlements, following } = this.#parts;
    const cause = online ? null : error;
    const { timesReached } = connection;
    const hear = () => {
      connection.linked(cause);
      served()?.linked(cause);
    };
    this.#isCut = !online;
    // Before the rows that come next are seen; but that it reaches its upstream again, after those that came before.
    if (!online) hear();
    this.#tasks.push(() => {
      // One that it reaches it again, taken before this, is heard only now.
      if (online || connection.timesReached !== timesReached) hear();
      if (!online) settlements.giveUp();
      following.tellAll();
    });
  }

  /** Nothing is held of it until it comes and can be read. */
  #unreadable({ collection, entity, error }: SaidOf<'unreadable'>): void {
    const { collections, quarantine, stages, overlay } = this.#parts;
    const entry = collections.entryOf(collection);
    quarantine.note(collection, entity, error);
    stages.session?.leave(entry, entity);
    if (!stages.isWhole) return;
    const step = new OverlayStep(overlay);
    step.leave(entry, entity);
    this.#end(step, []);
    this.#parts.served()?.leftOut(step.confirmedChanges);
  }

  #unstage(step: OverlayStep, stage: Stage): void {
    for (const [entry, , row] of stage.rows()) this.#parts.confirming.confirm(step, entry, row);
  }

  /** Unless something else covers it. */
  #evict(step: OverlayStep, collection: string, id: EntityId): void {
    const { overlay, following, heldIds, collections, stages } = this.#parts;
    const row = overlay.confirmed(collection, id);
    // Before a new session is whole, the tables hold the rows of the one before, and nobody keeps them current.
    if (row === null || !stages.isWhole || heldIds.isHere(rowKey(collection, id))) return;
    const isCovered = row.deleted === null && following.subscriptions.covers(collection, row.values);
    if (!isCovered) step.leave(collections.entryOf(collection), id);
  }

  #end(step: OverlayStep, moved: readonly Followed[]): void {
    const commit = step.end(() => boundsOf(this.#parts.following, moved));
    if (commit !== null) this.#commits.push(commit);
  }
}

/**
 * Up to which all has been said with it; null where it tells nothing of that. What is settled again says where it was settled
 * first, and a row that comes whole with it where it stands now.
 *
 * - `isCut`: by a relay that has not said yet all that came before such a row.
 */
function positionOf(message: Said, isCut: boolean): Position | null {
  const { kind } = message;
  if (kind !== 'chunk' && kind !== 'held' && kind !== 'step' && kind !== 'at') return null;
  let { position } = message;
  if (kind !== 'step' || isCut) return position;
  for (const part of message.parts) {
    const at = part.kind === 'whole' ? positionOfRow(part.row) : null;
    if (at !== null && at > position) position = at;
  }
  return position;
}

/** The last id that a chunk speaks of. */
function throughOf({ rows, left }: SaidOf<'chunk'>): EntityId | null {
  const row = rows.at(-1);
  const [here = '', gone = ''] = [row === undefined ? undefined : idOfRow(row), left.at(-1)];
  const last = here > gone ? here : gone;
  return last === '' ? null : last;
}

function boundsOf(following: Following, moved: readonly Followed[]): readonly Bound[] {
  return moved.filter(({ isWindow }) => isWindow).map((followed) => following.asBound(followed));
}
