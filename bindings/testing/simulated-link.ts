/** Simulated link: two ends and the two channels between them. */
import type { Connector, Link, LinkEvents } from '../../net/index.ts';
import type { Arrivals, Channel } from './channel.ts';
import type { Incarnation } from './incarnation.ts';
import type { Host } from './network.ts';

export interface LinkParts {
  readonly from: Host;
  readonly to: Host;
  /** Of the dialling side. */
  readonly events: LinkEvents;
  readonly incarnation: Incarnation;
  /** When the call has come there. */
  readonly isReachable: () => boolean;
  readonly channel: (from: string, to: string, arrivals: Arrivals) => Channel;
}

/** One side of a link. */
class End {
  readonly events: LinkEvents;
  readonly incarnation: Incarnation;
  isOver = false;

  constructor(events: LinkEvents, incarnation: Incarnation) {
    this.events = events;
    this.incarnation = incarnation;
  }

  /** Whether it hears anything. */
  get listens(): boolean {
    return !this.isOver && this.incarnation.isAlive;
  }

  finish(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.incarnation.ports.scheduler.soon(() => this.events.closed(reason));
  }
}

export class SimulatedLink {
  readonly from: Host;
  readonly to: Host;
  /** What the dialling side was given. */
  readonly dialled: Link;
  readonly #parts: LinkParts;
  readonly #near: End;
  #far: End | null = null;
  readonly #there: Channel;
  readonly #back: Channel;

  constructor(parts: LinkParts) {
    const { from, to, events, incarnation, channel } = parts;
    this.#parts = parts;
    this.from = from;
    this.to = to;
    this.#near = new End(events, incarnation);
    this.#there = channel(from.name, to.name, {
      opened: () => this.#answer(),
      ...this.#arrivals(
        () => this.#far,
        () => this.#near,
      ),
    });
    this.#back = channel(to.name, from.name, {
      opened: () => this.#near.listens && this.#near.events.opened(),
      ...this.#arrivals(
        () => this.#near,
        () => this.#far,
      ),
    });
    this.dialled = this.#side(this.#near, this.#there);
    this.#there.send({ kind: 'open' });
  }

  channels(): readonly Channel[] {
    return [this.#there, this.#back];
  }

  wake(): void {
    for (const channel of this.channels()) channel.wake();
  }

  isIdle(): boolean {
    return this.channels().every(({ isIdle }) => isIdle);
  }

  isOver(): boolean {
    return (
      this.channels().every(({ underway }) => underway === 0) && !this.#near.listens && this.#far?.listens !== true
    );
  }

  /** Both sides listen. */
  isWhole(): boolean {
    return this.#near.listens && this.#far?.listens === true;
  }

  queued(): number {
    return this.#there.queued + this.#back.queued;
  }

  /** Nobody is there to hear what arrives at `name`. */
  vanish(name: string): void {
    if (this.from.name === name) this.#back.drop();
    if (this.to.name === name) this.#there.drop();
  }

  /** The call has come to the other side. */
  #answer(): void {
    const { to, isReachable } = this.#parts;
    const incarnation = to.incarnation();
    if (incarnation === null || !isReachable()) {
      this.#back.send({ kind: 'end', reason: 'nobody is there' });
      return;
    }
    const accepted: Connector = {
      name: `simulated ${this.from.name}`,
      connect: (events) => {
        const far = new End(events, incarnation);
        this.#far = far;
        incarnation.ports.scheduler.soon(() => far.listens && events.opened());
        return this.#side(far, this.#back);
      },
    };
    to.accept(accepted);
    this.#back.send({ kind: 'open' });
  }

  #side(end: End, out: Channel): Link {
    return {
      send: (bytes) => {
        if (!end.isOver) out.send({ kind: 'frame', bytes });
      },
      queued: () => out.queued,
      close: (reason) => {
        if (end.isOver) return;
        end.finish(reason);
        out.send({ kind: 'end', reason });
      },
    };
  }

  #arrivals(hearer: () => End | null, sayer: () => End | null): Omit<Arrivals, 'opened'> {
    return {
      frame: (bytes) => {
        const end = hearer();
        if (end?.listens === true) end.events.frame(bytes);
      },
      left: () => {
        const end = sayer();
        if (end?.listens === true) end.events.drained();
      },
      ended: (reason) => {
        const end = hearer();
        if (end?.incarnation.isAlive === true) end.finish(reason);
      },
    };
  }
}
