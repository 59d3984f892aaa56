/**
 * Session life: what the node does as a session with the upstream begins, says something, and ends.
 *
 * Invariants
 *   - a session begins with all that the node uses and all that it has pending; its rows amend those before, or replace them,
 *     in one step;
 *   - what comes in waits its turn in the commit queue like any transaction made here;
 *   - a frame that cannot be taken ends the session, and leaves no trace.
 */
import { TendrilError } from '../../../errors.ts';
import type { Said, Welcome } from '../../stream.ts';
import { type CommitQueue, NOTHING_DONE, type Outcome } from '../../write/commit-queue.ts';
import { letGoUntoldAtEnd } from '../confirming/untold.ts';
import { becomeWhole } from '../confirming/whole.ts';
import { beginUploads } from '../incoming/first-upload.ts';
import { dropForeign } from '../incoming/foreign-step.ts';
import { Frame } from '../incoming/incoming.ts';
import type { IncomingParts } from '../incoming/incoming-parts.ts';
import { interrupted } from './session-errors.ts';

export interface SessionLifeParts {
  readonly incoming: IncomingParts;
  readonly queue: CommitQueue;
  /** Under whom operations are made from now on. */
  readonly become: (author: string) => void;
  /** A group was committed. */
  readonly committed: () => void;
  readonly onError: (error: unknown) => void;
}

export class SessionLife {
  readonly #parts: SessionLifeParts;
  /** What the last session had said and is not in the tables can be built on. */
  #isStageUsable = false;
  /** A frame could not be taken, or is being taken. */
  #hasFailed = false;

  constructor(parts: SessionLifeParts) {
    this.#parts = parts;
  }

  began(welcome: Welcome): void {
    const { time, maxId, epoch, position } = welcome;
    const { core, confirming, collections, connection, following, heldIds, quarantine, stages, standing, ...parts } =
      this.#parts.incoming;
    parts.adjustClock(time);
    if (maxId !== null) {
      core.mint.observe(maxId);
      confirming.observe(maxId);
    }
    connection.send(collections.describe());
    const resumes = standing.begin(epoch, position, welcome.resumes);
    const replaces = !resumes || stages.present?.replaces === true;
    const isOther = replaces && !standing.isFirst;
    const followed = following.begin(resumes, this.#isStageUsable);
    const held = heldIds.begin(resumes, isOther);
    stages.begin([...followed, ...held], resumes);
    this.#isStageUsable = false;
    // What is pending may stand on what another log does not have: first its rows are to be known.
    if (isOther) stages.whenWhole(() => this.#upload(welcome));
    else this.#upload(welcome);
    parts.served()?.began(!replaces);
    if (followed.length + held.length === 0) this.#wholeAtOnce();
    for (const [collection, ids] of quarantine.ids()) {
      // Whether it can be read now.
      for (const id of ids) void heldIds.want(collection, id).catch(() => undefined);
    }
  }

  said(messages: readonly Said[]): void {
    const { incoming, queue, committed } = this.#parts;
    const { connection, following, heldIds } = incoming;
    const { session } = connection;
    const frame = new Frame(incoming);
    queue.add({
      run: () => {
        // Another session may have begun while it waited; and behind a frame that was not taken none is.
        if (session !== connection.session || this.#hasFailed) return NOTHING_DONE;
        this.#hasFailed = true;
        const outcome = frame.run(messages);
        this.#hasFailed = false;
        return outcome;
      },
      committed: () => {
        committed();
        frame.committed();
        following.givingUp.goOn();
        heldIds.makeRoom(0);
      },
      failed: this.#failed,
    });
  }

  lost(reason: TendrilError): void {
    const { standing, sender, served, questions, verifying, settlements, heldIds, following } = this.#parts.incoming;
    if (standing.session !== null) this.#standStill();
    sender.end();
    served()?.lost(reason);
    questions.lost(reason);
    verifying.lost(reason);
    settlements.giveUp();
    heldIds.lost(reason);
    this.#dropForeign();
    following.tellAll();
  }

  #upload(welcome: Welcome): void {
    const { incoming, queue, become } = this.#parts;
    beginUploads({ incoming, queue, connection: incoming.connection, become, failed: this.#failed }, welcome);
  }

  /** Nothing was asked for: what is held of a session before belongs to nobody. */
  #wholeAtOnce(): void {
    const { incoming, queue } = this.#parts;
    const { kept, stages, standing, served, following } = incoming;
    const present = stages.arrived([]);
    if (present === null) return;
    queue.add({
      run: () => {
        kept.begin();
        const commit = becomeWhole({ ...incoming, lacking: () => undefined }, present);
        // Nothing is held, and so it stands wherever the session does.
        if (standing.session !== null) standing.told(standing.session.position, true, false);
        kept.flush(true);
        return { ...NOTHING_DONE, commits: commit === null ? [] : [commit] };
      },
      committed: () => {
        served()?.committed();
        for (const task of stages.takeTasks()) task();
        following.tellAll();
      },
      failed: this.#failed,
    });
  }

  #dropForeign(): void {
    const { incoming, queue, onError } = this.#parts;
    if (incoming.foreign.size === 0) return;
    const run = (): Outcome => {
      const commit = dropForeign(incoming).end(() => []);
      return { ...NOTHING_DONE, commits: commit === null ? [] : [commit] };
    };
    queue.add({ run, committed: () => undefined, failed: onError });
  }

  /** The session has ended: what it had said of what is not whole is kept for the next one, where that can build on it. */
  #standStill(): void {
    const { incoming } = this.#parts;
    const { stages, standing, following, heldIds } = incoming;
    const isCaughtUp = stages.isWhole || (following.subscriptions.isCaughtUp && heldIds.isCaughtUp);
    this.#isStageUsable = isCaughtUp && !this.#hasFailed && this.#letGoUntold();
    this.#hasFailed = false;
    standing.lost(this.#isStageUsable);
    following.lost();
    if (this.#isStageUsable) return;
    stages.drop();
    following.dropStaged();
  }

  /** False where the storage fails: then nothing of the stage is kept. */
  #letGoUntold(): boolean {
    const { incoming, onError } = this.#parts;
    const { present } = incoming.stages;
    try {
      if (present !== null) letGoUntoldAtEnd(incoming, present);
      return true;
    } catch (error) {
      onError(error);
      return false;
    }
  }

  readonly #failed = (error: unknown): void => {
    const { incoming, onError } = this.#parts;
    // What it had put on stages, or taken from them, was not taken back with the tables.
    this.#hasFailed = incoming.standing.session !== null;
    onError(error);
    const reason = error instanceof TendrilError ? error : interrupted(String(error));
    incoming.connection.end(reason, reason.code === 'protocol-violation');
  };
}
