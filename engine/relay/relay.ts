/**
 * Relay: an ephemeral node that is followed itself: a worker for its tabs, an edge server.
 *
 * Invariants
 *   - it gives no positions of its own: what it tells its followers stands where its upstream's log stood, in that order, and
 *     is what the upstream has confirmed; only the authority settles;
 *   - each change of a confirmed row is told once it is committed here, before anything else learns of it; while a session is
 *     not whole no position is promised that the tables do not have, and the upstream is said to be out of reach: what was
 *     settled meanwhile may be in the tables, and what stood before it in the log not;
 *   - where a session replaces what was held before, positions may be those of another log: the followers begin anew,
 *     and what they followed is given up before any of them is back: its rows are those of the log before.
 */
import { TendrilError } from '../../errors.ts';
import type { Statement } from '../../query/index.ts';
import { type EntityId, fingerprintOf, type Position, type TransactionId } from '../../storage/index.ts';
import type { Bound, Source } from '../change.ts';
import type { Prepared } from '../core.ts';
import { createFeed, type Feed, type FeedReport } from '../feed/feed.ts';
import type { OpenWindow } from '../feed/followed/followed-collection.ts';
import { UploadLoad } from '../feed/uploads/upload-load.ts';
import { identityClash } from '../ingest/ingest-check.ts';
import type { Parts } from '../parts.ts';
import { rowKey } from '../row-key.ts';
import type { Answer, FeedSession, Peer } from '../stream.ts';
import type { Pending } from '../upstream/outbox/outbox.ts';
import type { ConfirmedChange } from '../upstream/overlay/overlay.ts';
import type { Replica } from '../upstream/replica.ts';
import type { Concluded, Served, TakenStep } from '../upstream/served.ts';
import { ask, concernsOf } from '../upstream/session/asking.ts';
import { rowKeyOf } from '../write/prepared.ts';
import { tooManyRelayed } from './awaited-ids.ts';
import { confirmedCore } from './confirmed-rows.ts';
import { ConfirmedSteps } from './confirmed-steps.ts';
import { type Brought, type Forwarded, Forwarding } from './forwarding.ts';
import { MAX_RELAYED_IDS } from './limits.ts';
import { PendingWrites } from './pending-writes.ts';
import { Pins } from './pins.ts';
import type { RelayDesk, RelayedQuestion } from './relay-desk.ts';
import { RelaySession } from './relay-session.ts';
import { RelayedWindow } from './relayed-window.ts';

export interface RelayParts extends Parts {
  readonly replica: Replica;
  /** Told what a peer throws. */
  readonly onError: (error: unknown) => void;
}

export class Relay implements Served {
  readonly #parts: RelayParts;
  readonly #feed: Feed;
  readonly #desk: RelayDesk;
  readonly #sessions = new Set<RelaySession>();
  readonly #pins = new Pins();
  readonly #forwarding: Forwarding<RelaySession>;
  readonly #pending = new PendingWrites(this.#sessions);
  readonly #steps: ConfirmedSteps;
  #linkError: TendrilError | null;
  /** The upstream's session replaces what was held before. */
  #isReplaced = false;
  /** What the present group made whole is to be told. */
  #hasBecomeWhole = false;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    const { replica, reader, queue, core, onError } = parts;
    const { following, heldIds, connection, collections, sender, standing, journal, quarantine } = replica;
    const confirmed = confirmedCore(core, replica);
    const position = () => standing.kept!.position;
    const reasonOf = (collection: string, id: EntityId) => quarantine.reasonOf(collection, id);
    this.#steps = new ConfirmedSteps({ journal, confirmed: confirmed.rows.read, reasonOf, position });
    const openWindow: OpenWindow = (window, limit) => {
      const followed = following.find(window.collection, window.selection)!;
      return new RelayedWindow(window, limit, following.boundOf(followed));
    };
    const select: Source['select'] = (sql, parameters) => confirmed.driver.all(sql, parameters);
    const source: Source = { position, boundOf: () => null, select };
    const probe = core.driver.all;
    this.#feed = createFeed({ core: confirmed, reader, queue, source, onError, probe, openWindow });
    this.#forwarding = new Forwarding(
      (request) => sender.requestInTurn(request),
      (forwarded) => {
        this.#letGo(forwarded);
        this.#pending.withdraw(forwarded.transaction);
      },
    );
    const { reaches, whole, error } = connection.state();
    this.#linkError = reaches && !whole ? catchingUp() : reaches ? null : unreachable(error);
    this.#desk = {
      core,
      reader,
      following,
      heldIds,
      pins: this.#pins,
      load: new UploadLoad(() => this.#sessions.size),
      makeRoomForIds: (own, more) => this.#makeRoomForIds(own, more),
      refusalOf: collections.refusalOf,
      unreadable: () => quarantine.all(),
      openFeed: (peer) => this.#feed.open(peer),
      isOnline: () => connection.state().online,
      isLinked: () => this.#linkError === null,
      linkError: () => this.#linkError,
      joined: (session) => this.#pending.join(session),
      checkBrought: (brought) => this.#checkBrought(brought),
      forward: (session, brought) => this.#forward(session, brought),
      ask: (session, question) => this.#ask(session, question),
      forget: (session) => this.#forget(session),
    };
    for (const pending of replica.outbox.inOrder()) this.wrote(pending);
  }

  open(peer: Peer): FeedSession {
    const session = new RelaySession(this.#desk, peer);
    this.#sessions.add(session);
    return session;
  }

  report(): FeedReport {
    return { ...this.#feed.report(), waitingUploads: this.#forwarding.size };
  }

  /** Ends all sessions. */
  end(error: TendrilError): void {
    for (const session of [...this.#sessions]) session.fail(error);
  }

  close(): void {
    for (const session of [...this.#sessions]) session.close();
  }

  forwarded(transaction: TransactionId) {
    return this.#forwarding.get(transaction)?.operations ?? null;
  }

  holds(collection: string, id: EntityId): boolean {
    return this.#pins.has(rowKey(collection, id));
  }

  took(taken: TakenStep): void {
    this.#steps.took(taken);
  }

  leftOut(changes: readonly ConfirmedChange[]): void {
    this.#steps.leftOut(this.#position(), changes);
  }

  becameWhole(changes: readonly ConfirmedChange[], bounds: readonly Bound[]): void {
    this.#hasBecomeWhole = true;
    if (!this.#isReplaced) this.#steps.becameWhole(this.#position(), changes, bounds);
  }

  committed(): void {
    const commits = this.#steps.take();
    if (commits.length > 0) {
      const ends = commits.map(({ transaction }) => (transaction === null ? null : this.#begin(transaction)));
      this.#feed.commit(commits);
      for (const end of ends) end?.();
      for (const { transaction } of commits) if (transaction !== null) this.#settled(transaction);
    }
    if (!this.#hasBecomeWhole) return;
    this.#hasBecomeWhole = false;
    const { reaches, error } = this.#parts.replica.connection.state();
    // An upstream that is a relay may have told it all, and be cut off itself.
    this.#linkError = reaches ? null : unreachable(error);
    if (this.#isReplaced) this.#beginAnew();
    for (const session of [...this.#sessions]) {
      session.checkHeld();
      if (reaches) session.linked();
    }
  }

  concluded(said: Concluded): void {
    const forwarded = this.#forwarding.conclude(said.transaction, said.attempt);
    if (forwarded === undefined) return;
    this.#letGo(forwarded);
    forwarded.session?.concluded(forwarded);
    forwarded.session?.say(said);
    this.#pending.withdraw(said.transaction);
  }

  wrote({ transaction, operations }: Pending): void {
    const actor = this.#parts.replica.author;
    this.#pending.show({ transaction, actor, origin: null, operations: operations.map(({ bytes }) => bytes) });
  }

  reminted(renewed: readonly Pending[], refused: readonly Pending[]): void {
    for (const { transaction } of refused) this.#pending.withdraw(transaction);
    for (const pending of renewed) this.wrote(pending);
  }

  began(amends: boolean): void {
    this.#isReplaced = !amends;
    this.#forwarding.begin();
  }

  lost(reason: TendrilError): void {
    this.#hasBecomeWhole = false;
    this.#linkError = reason;
    // Also those that it drops: their authors offer them.
    this.#steps.lost((transaction) => this.#forwarding.get(transaction) !== undefined);
    this.#forwarding.lost(reason);
    for (const session of [...this.#sessions]) session.unlinked(true);
  }

  /** The upstream is a relay, too, and has been cut off, or is no longer. */
  linked(error: TendrilError | null): void {
    const { whole, answers } = this.#parts.replica.connection.state();
    // What that was cut off from comes now; as it is whole, the followers are told.
    if (error === null && !whole) return;
    this.#linkError = error;
    for (const session of [...this.#sessions])
      if (error === null) session.linked();
      else session.unlinked(!answers);
  }

  #makeRoomForIds(own: number, more: number): void {
    while (this.#pins.size + more > MAX_RELAYED_IDS) {
      const [greatest] = [...this.#sessions].sort((left, right) => right.ids - left.ids);
      if (greatest === undefined || greatest.ids <= own) throw tooManyRelayed();
      greatest.fail(tooManyRelayed());
      // Its ids are let go now: whoever serves it looks at its end later.
      greatest.close();
    }
  }

  #position(): Position {
    const { session, kept } = this.#parts.replica.standing;
    return (session ?? kept)!.position;
  }

  /** The feed tells the transaction's author that it is settled. Returns what ends that. */
  #begin(transaction: TransactionId): (() => void) | null {
    const { session = null, operations = [] } = this.#forwarding.get(transaction) ?? {};
    if (session === null) return null;
    return this.#feed.uploaded(session.feed, transaction, new Set(operations.map(({ operation }) => operation.id)));
  }

  #settled(transaction: TransactionId): void {
    const forwarded = this.#forwarding.conclude(transaction, null);
    forwarded?.session?.concluded(forwarded);
    forwarded?.session?.holdsFromNow(forwarded.operations.map(rowKeyOf));
    this.#pending.withdraw(transaction);
  }

  /** Positions may be those of another log from now on. */
  #beginAnew(): void {
    for (const transaction of this.#steps.drop()) this.#settled(transaction);
    for (const session of [...this.#sessions]) {
      session.fail(replaced());
      // What it follows goes now: whoever serves it looks at its end later, and others may have come by then.
      session.close();
    }
  }

  /** Who knows the id of what another has on its way gets no hold of it: neither of its place nor of its outcome. */
  #checkBrought({ transaction, attempt, operations, pieces }: Brought): void {
    const earlier = this.#forwarding.get(transaction);
    if (earlier === undefined) return;
    const isSame = earlier.attempt !== attempt || fingerprintOf(earlier.pieces) === fingerprintOf(pieces);
    const [{ operation }] = operations as [Prepared];
    if (!isSame || earlier.operations[0]!.operation.author !== operation.author) throw identityClash(operation);
  }

  #forward(session: RelaySession, brought: Brought): void {
    const { transaction, attempt, operations, pieces } = brought;
    const earlier = this.#forwarding.get(transaction);
    const isGivenUp = this.#endGivenUp(session, earlier?.session ?? session);
    if (isGivenUp) {
      session.concluded(brought);
      return;
    }
    if (earlier !== undefined) earlier.session?.concluded(earlier);
    if (earlier?.attempt === attempt) {
      earlier.session = session;
      return;
    }
    // What only that attempt wrote nobody will say anything of.
    if (earlier !== undefined) this.#letGo(earlier);
    const { heldIds } = this.#parts.replica;
    for (const { operation } of operations) heldIds.wrote(operation.collection, operation.entity);
    const actor = operations[0]!.operation.author;
    this.#pending.show({ transaction, actor, origin: session, operations: pieces });
    this.#forwarding.upload({ transaction, attempt, operations, pieces, session, isSent: false });
  }

  /**
   * Of two sessions that bring one transaction its author has given up the one that began first, whatever of that still
   * arrives, and hears nothing in it. Returns whether that is the one that brings it now.
   */
  #endGivenUp(session: RelaySession, holder: RelaySession): boolean {
    if (session === holder) return false;
    const first = [...this.#sessions].find((each) => each === session || each === holder)!;
    first.fail(givenUp());
    return first === session;
  }

  #ask(session: RelaySession, { collection, text, parameters }: RelayedQuestion): Promise<Answer> {
    const { replica, statements } = this.#parts;
    const { reaches, error } = replica.connection.state();
    if (!reaches) return Promise.reject(unreachable(error));
    const statement = collection === null ? understood(statements, text) : null;
    const concerns = collection !== null ? [collection] : statement === null ? [] : concernsOf(statement);
    const writes = statement !== null && statement.kind !== 'select';
    return new Promise((resolve, reject) => {
      this.#forwarding.question(session, {
        send: () => ask(replica, { collection, text, parameters, concerns, writes }).then(resolve, reject),
        lost: reject,
      });
    });
  }

  /** Its operations are none of the authority's. */
  #letGo({ operations }: Forwarded<RelaySession>): void {
    const { heldIds } = this.#parts.replica;
    for (const { operation } of operations) heldIds.refused(operation.collection, operation.entity);
  }

  #forget(session: RelaySession): void {
    this.#sessions.delete(session);
    for (const forwarded of this.#forwarding.all()) if (forwarded.session === session) session.concluded(forwarded);
    this.#forwarding.gone(session);
  }
}

/** Null where the text means nothing here: what it names may be the upstream's alone. */
function understood({ analyse }: Parts['statements'], text: string): Statement | null {
  try {
    return analyse(text);
  } catch (error) {
    if (error instanceof TendrilError) return null;
    throw error;
  }
}

/** What a follower is told that cannot be served yet: before this node has met its upstream there is no system to name. */
export function notServing(): TendrilError {
  return new TendrilError({
    code: 'offline',
    problem: 'The node that was to be followed has not met its own upstream yet.',
    remedy: 'Wait until it has: another session is made by itself.',
  });
}

function unreachable(cause: unknown): TendrilError {
  if (cause instanceof TendrilError) return cause;
  return new TendrilError({
    code: 'offline',
    problem: 'The upstream of the node that is followed cannot be reached.',
    remedy: 'Wait until it is; what is held can be read meanwhile, and what is written waits.',
    cause,
  });
}

function catchingUp(): TendrilError {
  return new TendrilError({
    code: 'offline',
    problem: 'The node that is followed has only begun to hear from its upstream what it has missed.',
    remedy: 'Wait until it has; what is held can be read meanwhile, and what is written goes on.',
  });
}

function replaced(): TendrilError {
  return new TendrilError({
    code: 'offline',
    problem:
      "The node that is followed could not go on where it stood in its upstream's log: its followers begin anew.",
    remedy: 'Another session is made by itself.',
  });
}

function givenUp(): TendrilError {
  return new TendrilError({
    code: 'offline',
    problem: 'What this session brought is brought by a later one: its follower has given this one up.',
    remedy: 'Nothing, where the follower is in another session already; else another one is made by itself.',
  });
}
