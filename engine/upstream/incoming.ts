/**
 * Incoming: what the authority says, on its way into the tables.
 *
 * Invariants
 *   - a frame is taken inside a group, between local transactions, message by message, in order;
 *   - each transaction of the authority is one commit here, and so one change set for a live query;
 *   - what a frame means to anybody beside the tables happens after the group's COMMIT.
 */
import { TendrilError } from '../../errors.ts';
import { quoteName } from '../../query/index.ts';
import type { EntityId, TransactionId } from '../../storage/index.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Bound, Commit } from '../change.ts';
import type { Core } from '../core.ts';
import { parametersOf } from '../live/plan.ts';
import type { Outcome } from '../write/commit-queue.ts';
import { byEntity } from '../write/prepared.ts';
import type { Collections } from './collections.ts';
import type { Confirming } from './confirming.ts';
import type { Followed, Following } from './following.ts';
import type { HeldIds } from './held-ids.ts';
import { MAX_ATTEMPTS } from './limits.ts';
import { type Outbox, rowKey } from './outbox.ts';
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
  /** Whether there is any view, be it of a collection or of a statement. */
  readonly isWatched: () => boolean;
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
    const { collections, following, sender } = this.#parts;
    const refused = new Set(collections.described(differing));
    for (const { entry, subscription } of [...following.all()]) {
      const { name } = entry.collection;
      if (!refused.has(name)) continue;
      this.#denied(subscription, collections.refusalOf(name)!);
      this.#tasks.push(() => sender.request({ kind: 'unsubscribe', subscription }));
    }
  }

  #chunk({ subscription, selection, rows, last, edge }: SaidOf<'chunk'>): void {
    const { following, stages, confirming } = this.#parts;
    const followed = following.bySubscription(subscription);
    if (followed === undefined) return;
    const stage = stages.of(followed);
    const step = new OverlayStep(this.#parts.overlay);
    for (const bytes of rows) confirming.enter(step, stage, followed.entry, bytes);
    if (!last) return;
    following.completed(followed, selection, edge);
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

  #denied(subscription: number, error: TendrilError): void {
    const { following, stages } = this.#parts;
    const followed = following.denied(subscription, error);
    if (followed === undefined) return;
    stages.take(followed);
    this.#tasks.push(() => followed.tell());
    this.#arrived([followed]);
  }

  #unsubscribed({ subscription }: SaidOf<'unsubscribed'>): void {
    const { following, core, overlay, stages } = this.#parts;
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

  #held({ collection, ids, rows }: SaidOf<'held'>): void {
    const { collections, confirming, heldIds, stages } = this.#parts;
    const entry = collections.entryOf(collection);
    const refusal = collections.refusalOf(collection);
    if (refusal !== null) {
      this.#tasks.push(() => heldIds.denied(collection, ids, refusal));
      this.#arrived(ids.map((id) => rowKey(collection, id)));
      return;
    }
    const step = new OverlayStep(this.#parts.overlay);
    for (const bytes of rows) confirming.enter(step, stages.session, entry, bytes);
    this.#end(step, []);
    const tell = () => heldIds.answered(collection, ids);
    if (stages.isWhole) this.#tasks.push(tell);
    else stages.whenWhole(tell);
    this.#arrived(ids.map((id) => rowKey(collection, id)));
  }

  #released({ collection, ids }: SaidOf<'released'>): void {
    const step = new OverlayStep(this.#parts.overlay);
    this.#parts.heldIds.released(collection, ids);
    for (const id of ids) this.#evict(step, collection, id);
    this.#end(step, []);
  }

  #step({ position, parts, edges, settled }: Step): void {
    const { overlay, confirming, following, stages } = this.#parts;
    const step = new OverlayStep(overlay);
    if (settled !== null) this.#settle(step, settled, position);
    for (const part of parts) confirming.take(step, part, position);
    const moved: Followed[] = [];
    for (const { selection, entity } of edges) {
      for (const followed of following.bySelection(selection)) {
        followed.edge = entity;
        // Of a session that cannot be seen yet, its rows' edge cannot either.
        if (!followed.isHeld || !stages.isWhole) continue;
        following.show(followed);
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
    for (const operations of byEntity(pending.operations)) {
      const { collection, entity } = operations[0]!.operation;
      confirming.settle(step, collections.entryOf(collection), entity, operations, position);
      if (collections.refusalOf(collection) === null) heldIds.settled(collection, entity);
    }
  }

  #refused({ transaction, attempt, error }: Omit<SaidOf<'refused'>, 'kind'>): void {
    const { core, outbox, overlay, heldIds, settlements, sender } = this.#parts;
    const pending = outbox.get(transaction);
    if (pending?.attempt !== attempt) return;
    const step = new OverlayStep(overlay);
    const reminted = refuse(core, outbox, step, pending);
    this.#end(step, []);
    this.#tasks.push(() => {
      sender.arrived(transaction);
      for (const each of reminted.refused) {
        for (const { operation } of each.operations) heldIds.refused(operation.collection, operation.entity);
        settlements.refused(each, transaction, error);
      }
    });
    this.#uploadAgain(reminted);
  }

  #rebase({ transaction, attempt, reason, time }: SaidOf<'rebase'>): void {
    const { core, outbox, overlay, confirming, sender, adjustClock } = this.#parts;
    const pending = outbox.get(transaction);
    if (pending?.attempt !== attempt) return;
    if (pending.rebases >= MAX_ATTEMPTS) {
      this.#refused({ transaction, attempt, error: tooOften(transaction, reason) });
      return;
    }
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
  #arrived(whole: Iterable<unknown>): void {
    const stage = this.#parts.stages.arrived(whole);
    if (stage === null) return;
    this.#commits.push(...replaceAll(this.#parts, stage));
    this.#tasks.push(...this.#parts.stages.takeTasks(), () => this.#parts.following.tellAll());
  }

  #unstage(step: OverlayStep, stage: Stage): void {
    for (const [entry, , row] of stage.rows()) this.#parts.confirming.confirm(step, entry, row);
  }

  /** Unless something else covers it. */
  #evict(step: OverlayStep, collection: string, id: EntityId): void {
    const { overlay, following, heldIds, collections, stages } = this.#parts;
    const row = overlay.confirmed(collection, id);
    // Before a new session is whole, the tables hold the rows of the one before, and nobody keeps them current.
    if (row === null || !stages.isWhole || heldIds.follows(collection, id)) return;
    const isCovered = row.deleted === null && following.covers(collection, row.values);
    if (!isCovered) step.leave(collections.entryOf(collection), id);
  }

  #end(step: OverlayStep, moved: readonly Followed[]): void {
    const commit = step.end(() => boundsOf(this.#parts.following, moved));
    if (commit !== null) this.#commits.push(commit);
  }
}

/** The rows of a session's begin replace all confirmed rows held before it. */
export function replaceAll({ core, overlay, following, isWatched }: IncomingParts, stage: Stage): readonly Commit[] {
  const step = new OverlayStep(overlay);
  const heldBefore = new Map<CatalogEntry, ReadonlySet<EntityId>>();
  for (const entry of core.catalog.entries) {
    const { name } = entry.collection;
    const held = new Set<EntityId>();
    for (const [id] of core.driver.all(`SELECT id FROM ${quoteName(`_${name}`)}`)) {
      const row = stage.get(entry, id as EntityId);
      if (row === null) step.leave(entry, id as EntityId);
      else step.confirm(entry, id as EntityId, row);
      held.add(id as EntityId);
    }
    heldBefore.set(entry, held);
  }
  step.enterAll(stage.rows(heldBefore));
  for (const followed of following.all()) if (followed.isHeld) following.show(followed);
  const commit = step.end(() => boundsOf(following, [...following.all()]), isWatched());
  return commit === null ? [] : [commit];
}

function boundsOf(following: Following, moved: readonly Followed[]): readonly Bound[] {
  return moved.filter(({ isWindow }) => isWindow).map((followed) => following.asBound(followed));
}

function tooOften(transaction: TransactionId, reason: SaidOf<'rebase'>['reason']): TendrilError {
  return new TendrilError({
    code: 'conflict',
    problem: `The upstream could not take transaction ${transaction}, made anew ${MAX_ATTEMPTS} times: ${reason}.`,
    remedy: 'Look at what it changes as the upstream has it now, and write it again.',
    facts: { transaction, reason, limit: MAX_ATTEMPTS },
  });
}
