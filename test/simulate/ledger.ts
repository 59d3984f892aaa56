/**
 * Ledger: every write of a simulation, what its author was told of it, and what the authority's log says.
 *
 * What it checks
 *   - a write that was called settled is in the log, whole, in one transaction, once, for ever;
 *   - one that was called refused is not;
 *   - writes of one author to one entity stand in the log in the order in which they were made, but for those that were
 *     begun before others and made after them; a node that kept nothing is another author in its next life, and what it
 *     sent before may still arrive after what it sends then;
 *   - what was refused was bound to be: it asked for what the authority has not, or built on such a thing.
 */
import type { Operation } from '../../storage/index.ts';

/**
 * - `later`: it is or will be applied at its node; nobody can say which.
 * - `kept`: applied at its node, and nobody is told of its outcome: its author's life has ended since, say.
 * - `lost`: nobody can say what becomes of it.
 */
export type WriteState = 'open' | 'later' | 'applied' | 'kept' | 'settled' | 'refused' | 'failed' | 'lost';

export interface Write {
  readonly mark: number;
  readonly node: string;
  /** Lives of the node before. */
  readonly life: number;
  /** Rows it wrote, of every collection. */
  readonly entities: string[];
  /** Those of them that it made. */
  readonly created: string[];
  /** It asks for what the authority has not. */
  isDoomed: boolean;
  /** What was written after it was begun may be applied before it. */
  isSlow: boolean;
  /** An event has ended since it was applied: it was committed. */
  isCommitted: boolean;
  state: WriteState;
}

interface Logged {
  readonly position: number;
  readonly transaction: string;
  operations: number;
}

/** What of the world's log it reads. */
export interface ReadableLog {
  readonly position: number;
  readonly at: (position: number) => readonly Operation[];
}

export class Ledger {
  readonly #writes = new Map<number, Write>();
  readonly #unsettled = new Set<Write>();
  #made = 0;
  readonly #logged = new Map<number, Logged>();
  /** By author and entity, the last mark in the log. */
  readonly #last = new Map<string, number>();
  readonly #violations: string[] = [];
  /** Called settled since the log was read. */
  readonly #called: Write[] = [];
  #read = 0;
  #wasRestored = false;
  /** Marks that were in the log before an earlier state of it was put back. */
  readonly #gone = new Set<number>();

  begin(node: string, life: number): Write {
    this.#made += 1;
    const mark = this.#made;
    const write: Write = {
      mark,
      node,
      life,
      entities: [],
      created: [],
      isDoomed: false,
      isSlow: false,
      isCommitted: false,
      state: 'open',
    };
    this.#writes.set(mark, write);
    this.#unsettled.add(write);
    return write;
  }

  get writes(): Iterable<Write> {
    return this.#writes.values();
  }

  /** How many of a node's present life are applied there and not settled; and how many may be. */
  pending(node: string, life: number): { readonly applied: number; readonly later: number } {
    let [applied, later] = [0, 0];
    for (const write of this.#unsettled) {
      if (write.node !== node) continue;
      if (write.state === 'applied' && write.life === life) applied += 1;
      else if (['later', 'kept', 'lost'].includes(write.state)) later += 1;
    }
    return { applied, later };
  }

  /** Rows of which a node has something pending, perhaps. */
  touchedBy(node: string): ReadonlySet<string> {
    const touched = new Set<string>();
    for (const write of this.#unsettled) if (write.node === node) for (const id of write.entities) touched.add(id);
    return touched;
  }

  /** An event has ended. */
  turn(): void {
    for (const write of this.#unsettled) {
      if (write.state === 'applied') write.isCommitted = true;
      else if (write.state !== 'open' && write.state !== 'later' && write.state !== 'kept' && write.state !== 'lost') {
        this.#unsettled.delete(write);
      }
    }
  }

  settled(write: Write): void {
    write.state = 'settled';
    if (write.entities.length > 0) this.#called.push(write);
  }

  /** It was committed at its node, which will not be told what becomes of it. */
  kept(write: Write): void {
    if (write.state === 'later') write.state = write.entities.length > 0 ? 'kept' : 'settled';
  }

  refused(write: Write, code: string): void {
    write.state = 'refused';
    if (this.#logged.has(write.mark)) this.#violations.push(`${said(write)} was refused (${code}), and is in the log`);
    const isBound = this.#wasRestored || this.#isBound(write);
    if (!isBound) this.#violations.push(`${said(write)} was refused without need: ${code}`);
  }

  /** - `looked`: those looked at on the way here. */
  #isBound(write: Write, looked = new Set<Write>()): boolean {
    looked.add(write);
    return write.isDoomed || write.entities.some((entity) => this.#wasRefused(write.node, entity, looked));
  }

  /** The node is gone; unless it is persistent it has kept nothing. */
  died(node: string, isPersistent: boolean): void {
    for (const write of this.#unsettled) {
      if (write.node !== node) continue;
      if (isPersistent && write.state === 'applied' && write.isCommitted) write.state = 'kept';
      else if (['open', 'later', 'applied'].includes(write.state)) write.state = 'lost';
      else if (!isPersistent && write.state === 'kept') write.state = 'lost';
    }
  }

  /** Reads on in the log, which must hold what was called settled since. */
  read(log: ReadableLog): void {
    for (; this.#read < log.position; this.#read += 1) {
      const position = this.#read + 1;
      for (const operation of log.at(position)) this.#take(position, operation);
    }
    for (const write of this.#called.splice(0)) this.#mustBeLogged(write);
  }

  /** An earlier state of the log was put back. */
  restored(log: ReadableLog): void {
    this.#wasRestored = true;
    for (const mark of this.#logged.keys()) this.#gone.add(mark);
    this.#logged.clear();
    this.#last.clear();
    this.#read = 0;
    this.read(log);
    for (const mark of this.#logged.keys()) this.#gone.delete(mark);
    for (const write of this.#writes.values()) {
      if (write.state === 'settled' && !this.#logged.has(write.mark)) write.state = 'lost';
    }
  }

  /** What was found since it was last asked. */
  takeViolations(): readonly string[] {
    return this.#violations.splice(0);
  }

  /** When all is quiet: every write has its outcome, and the log agrees. */
  end(): readonly string[] {
    for (const write of this.#writes.values()) {
      if (write.state === 'applied' || write.state === 'later') this.#violations.push(`${said(write)} has no outcome`);
      if (write.state === 'kept') this.#endOfKept(write);
      if (write.state === 'settled' && write.entities.length > 0) this.#mustBeLogged(write);
      const isUnwanted = write.state === 'refused' || write.state === 'failed';
      if (isUnwanted && this.#logged.has(write.mark)) {
        this.#violations.push(`${said(write)} is ${write.state}, and in the log`);
      }
    }
    return this.takeViolations();
  }

  #take(position: number, { edits, transaction, entity, author }: Operation): void {
    const edit = edits.find((each) => each.property === 'mark');
    if (edit?.kind !== 'set' || edit.value === null) return;
    const mark = Number(edit.value);
    const write = this.#writes.get(mark);
    if (write === undefined) {
      this.#violations.push(`the log holds mark ${mark}, which nobody wrote`);
      return;
    }
    const logged = this.#logged.get(mark) ?? { position, transaction, operations: 0 };
    this.#logged.set(mark, logged);
    logged.operations += 1;
    if (logged.transaction !== transaction || logged.position !== position) {
      this.#violations.push(`${said(write)} is in the log twice: at ${logged.position} and ${position}`);
    }
    if (write.isSlow) return;
    const key = `${author} ${entity}`;
    const last = this.#last.get(key) ?? 0;
    if (last > mark)
      this.#violations.push(`${said(write)} follows mark ${last} in the log, which was written after it`);
    this.#last.set(key, mark);
  }

  #mustBeLogged(write: Write): void {
    const logged = this.#logged.get(write.mark);
    // What is still on its way from a log that is no more may say so.
    if (logged === undefined && this.#gone.has(write.mark)) write.state = 'lost';
    else if (logged === undefined) this.#violations.push(`${said(write)} was called settled, and is not in the log`);
    else if (logged.operations !== write.entities.length) {
      this.#violations.push(
        `${said(write)} has ${logged.operations} operations in the log, not ${write.entities.length}`,
      );
    }
  }

  /** Its author is told nothing any more. */
  #endOfKept(write: Write): void {
    if (write.entities.length === 0 || this.#logged.has(write.mark) || this.#wasRestored) return;
    if (this.#isBound(write)) write.state = 'refused';
    else this.#violations.push(`${said(write)} was kept over a crash, and is not in the log`);
  }

  /** Whether a refused write of the node made the entity, or one of whose outcome nobody is told, and that was bound to be. */
  #wasRefused(node: string, entity: string, looked: Set<Write>): boolean {
    for (const write of this.#writes.values()) {
      if (write.node !== node || !write.created.includes(entity)) continue;
      if (write.state === 'refused' || write.isDoomed) return true;
      const isUntold = write.state === 'kept' || write.state === 'lost';
      if (isUntold && !looked.has(write) && this.#isBound(write, looked)) return true;
    }
    return false;
  }
}

function said({ mark, node }: Write): string {
  return `write ${mark} of ${node}`;
}
