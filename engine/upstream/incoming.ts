/**
 * Incoming: what the authority says, on its way into the tables.
 *
 * Invariants
 *   - a frame is taken inside a group, between local transactions, message by message, in order;
 *   - each transaction of the authority is one commit here, and so one change set for a live query;
 *   - what a frame means to anybody beside the tables happens after the group's COMMIT.
 */
import type { TendrilError } from '../../errors.ts';
import { quoteName } from '../../query/index.ts';
import type { EntityId, TransactionId } from '../../storage/index.ts';
import type { Bound, Commit } from '../change.ts';
import type { Core } from '../core.ts';
import { parametersOf } from '../live/plan.ts';
import type { Outcome } from '../write/commit-queue.ts';
import type { Collections } from './collections.ts';
import type { Confirming } from './confirming.ts';
import type { Followed, Following } from './following.ts';
import type { HeldIds } from './held-ids.ts';
import { type Outbox, type Pending, rowKey } from './outbox.ts';
import { type Overlay, OverlayStep } from './overlay.ts';
import type { Questions } from './questions.ts';
import { type Reminted, rebase, refuse } from './remint.ts';
import type { Sender } from './sender.ts';
import type { Settlements } from './settlements.ts';
import type { Stage, Stages } from './stages.ts';
import type { Said, Step } from './stream.ts';

export interface IncomingParts {
  readonly core: Core;
  readonly overlay: Overlay;
  readonly outbox: Outbox;
  readonly collections: Collections;
  readonly confirming: Confirming;
  readonly stages: Stages;
  readonly following: Following;
  readonly heldIds: HeldIds;
  readonly questions: Questions;
  readonly sender: Sender;
  readonly settlements: Settlements;
  /** The authority's clock shows this. */
  readonly adjustClock: (time: number) => void;
}

type SaidOf<Kind extends Said['kind']> = Extract<Said, { readonly kind: Kind }>;

/** One frame. Made for it, and then done. */
export class Frame {
  readonly #parts: IncomingParts;
  readonly #commits: Commit[] = [];
  /** After the COMMIT. */
  readonly #tasks: (() => void)[] = [];

  constructor(parts: IncomingParts) {
    this.#parts = parts;
  }

  /** Inside a group. @throws {TendrilError} `protocol-violation`: then nothing of the frame is taken. */
  run(messages: readonly Said[]): Outcome {
    for (const message of messages) this.#take(message);
    const operations = this.#commits.reduce((sum, { changes }) => sum + changes.length, 0);
    return { kind: 'done', commits: this.#commits, operations, bytes: 0 };
  }

  committed(): void {
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
        this.#refused(message);
        return;
      case 'rebase':
        this.#rebase(message);
        return;
      case 'answer':
        this.#tasks.push(() => questions.answered(message.request, message, message.last));
        return;
      case 'unanswered':
        this.#tasks.push(() => questions.failed(message.request, message.error));
    }
  }

  #described({ differing }: SaidOf<'described'>): void {
    const { collections, following } = this.#parts;
    const refused = new Set(collections.described(differing));
    for (const followed of [...following.all()]) {
      const { name } = followed.entry.collection;
      if (refused.has(name)) this.#denied(followed.subscription, collections.refusalOf(name)!);
    }
  }

  #chunk({ subscription, selection, rows, last, edge }: SaidOf<'chunk'>): void {
    const { following, stages, confirming } = this.#parts;
    const followed = following.bySubscription(subscription);
    if (followed === undefined) return;
    const stage = stages.of(followed);
    const step = new OverlayStep(this.#parts.overlay);
    for (const bytes of rows) confirming.enter(step, stage, followed.entry, confirming.read(followed.entry, bytes));
    if (!last) return;
    following.completed(followed, selection, edge);
    const own = stages.take(followed);
    if (own === null) {
      this.#arrived(followed);
      return;
    }
    this.#tasks.push(() => followed.tell());
    this.#unstage(step, own);
    this.#end(step, [followed]);
  }

  #denied(subscription: number, error: TendrilError): void {
    const { following, stages } = this.#parts;
    const followed = following.denied(subscription, error);
    if (followed === undefined) return;
    stages.take(followed);
    this.#tasks.push(() => followed.tell());
    this.#arrived(followed);
  }

  #unsubscribed({ subscription }: SaidOf<'unsubscribed'>): void {
    const { following, core, overlay, stages } = this.#parts;
    const followed = following.unsubscribed(subscription);
    if (followed === undefined) return;
    stages.take(followed);
    const { name } = followed.entry.collection;
    const step = new OverlayStep(overlay);
    const { plan, asked } = followed;
    // What does not match as it is shown has operations pending, and stays.
    for (const [id] of core.driver.all(plan.sql, parametersOf(plan, asked.selection, Number.POSITIVE_INFINITY))) {
      this.#evict(step, name, id as EntityId);
    }
    this.#end(step, []);
    this.#arrived(followed);
  }

  #held({ collection, ids, rows }: SaidOf<'held'>): void {
    const { collections, confirming, heldIds, stages } = this.#parts;
    const entry = collections.entryOf(collection);
    const step = new OverlayStep(this.#parts.overlay);
    for (const bytes of rows) confirming.enter(step, stages.session, entry, confirming.read(entry, bytes));
    this.#end(step, []);
    this.#tasks.push(() => {
      for (const task of heldIds.answered(collection, ids)) task();
    });
    this.#arrived(collection);
  }

  #released({ collection, ids }: SaidOf<'released'>): void {
    const step = new OverlayStep(this.#parts.overlay);
    for (const id of this.#parts.heldIds.released(collection, ids)) this.#evict(step, collection, id);
    this.#end(step, []);
  }

  #step({ position, parts, edges, settled }: Step): void {
    const { overlay, confirming, following } = this.#parts;
    const step = new OverlayStep(overlay);
    if (settled !== null) this.#settle(step, settled, position);
    for (const part of parts) confirming.take(step, part, position);
    const moved: Followed[] = [];
    for (const { selection, entity } of edges) {
      for (const followed of following.bySelection(selection)) {
        followed.edge = entity;
        moved.push(followed);
      }
    }
    this.#end(step, moved);
  }

  #settle(step: OverlayStep, transaction: TransactionId, position: Step['position']): void {
    const { outbox, confirming, collections, heldIds, sender, settlements } = this.#parts;
    const pending = outbox.get(transaction);
    this.#tasks.push(() => {
      sender.arrived(transaction);
      settlements.applied(transaction);
    });
    if (pending === undefined) return;
    outbox.remove(pending);
    const byRow = new Map<string, Pending['operations'][number][]>();
    for (const each of pending.operations) {
      const key = rowKey(each.operation.collection, each.operation.entity);
      const others = byRow.get(key);
      if (others === undefined) byRow.set(key, [each]);
      else others.push(each);
    }
    for (const operations of byRow.values()) {
      const { collection, entity } = operations[0]!.operation;
      confirming.settle(step, collections.entryOf(collection), entity, operations, position);
      heldIds.settled(collection, entity);
    }
  }

  #refused({ transaction, attempt, error }: SaidOf<'refused'>): void {
    const { core, outbox, overlay, settlements, sender } = this.#parts;
    const pending = outbox.get(transaction);
    if (pending?.attempt !== attempt) return;
    const step = new OverlayStep(overlay);
    const reminted = refuse(core, outbox, step, pending);
    this.#end(step, []);
    this.#tasks.push(() => {
      sender.arrived(transaction);
      for (const each of reminted.refused) settlements.refused(each, transaction, error);
    });
    this.#uploadAgain(reminted);
  }

  #rebase({ transaction, attempt, reason, time }: SaidOf<'rebase'>): void {
    const { core, outbox, overlay, confirming, sender, adjustClock } = this.#parts;
    const pending = outbox.get(transaction);
    if (pending?.attempt !== attempt) return;
    if (reason === 'clock-drift') {
      adjustClock(time);
      core.mint.reset(confirming.greatest);
    }
    const step = new OverlayStep(overlay);
    const reminted = rebase(core, outbox, step, [pending]);
    this.#end(step, []);
    this.#tasks.push(() => sender.arrived(transaction));
    this.#uploadAgain(reminted);
  }

  #uploadAgain({ renewed, refused }: Reminted): void {
    const { sender } = this.#parts;
    this.#tasks.push(() => {
      for (const { transaction } of refused) sender.arrived(transaction);
      sender.upload(renewed);
    });
  }

  /** What was asked for at the session's begin has come: with the last of it, the session's rows replace those before. */
  #arrived(what: unknown): void {
    const stage = this.#parts.stages.arrived(what);
    if (stage === null) return;
    this.#commits.push(...replaceAll(this.#parts, stage));
    this.#tasks.push(() => this.#parts.following.tellAll());
  }

  #unstage(step: OverlayStep, { rows }: Stage): void {
    for (const { entry, row } of rows.values()) this.#parts.confirming.enter(step, null, entry, row);
  }

  /** Unless something else covers it. */
  #evict(step: OverlayStep, collection: string, id: EntityId): void {
    const { overlay, following, heldIds, collections } = this.#parts;
    const row = overlay.confirmed(collection, id);
    if (row === null || overlay.hasPending(collection, id) || heldIds.has(collection, id)) return;
    const isCovered = row.deleted === null && following.covers(collection, row.values);
    if (!isCovered) step.confirm(collections.entryOf(collection), id, null);
  }

  #end(step: OverlayStep, moved: readonly Followed[]): void {
    const commit = step.end(() => boundsOf(this.#parts.following, moved));
    if (commit !== null) this.#commits.push(commit);
  }
}

/** The rows of a session's begin replace all confirmed rows held before it. */
export function replaceAll({ core, overlay, following }: IncomingParts, { rows }: Stage): readonly Commit[] {
  const step = new OverlayStep(overlay);
  for (const entry of core.catalog.entries) {
    const { name } = entry.collection;
    for (const [id] of core.driver.all(`SELECT id FROM ${quoteName(`_${name}`)}`)) {
      const isPending = overlay.hasPending(name, id as EntityId);
      if (!rows.has(rowKey(name, id as EntityId)) && !isPending) step.confirm(entry, id as EntityId, null);
    }
  }
  for (const { entry, id, row } of rows.values()) step.confirm(entry, id, row);
  const commit = step.end(() => boundsOf(following, [...following.all()]));
  return commit === null ? [] : [commit];
}

function boundsOf(following: Following, moved: readonly Followed[]): readonly Bound[] {
  return moved.filter(({ isWindow }) => isWindow).map((followed) => following.asBound(followed));
}
