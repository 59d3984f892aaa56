/** Memory links: both ends in one process. Frames arrive when the code that sent them has ended, in order, uncopied. */
import type { Scheduler } from '../../engine/index.ts';
import type { Connector, Link, LinkEvents } from '../link.ts';

interface End {
  readonly events: LinkEvents;
  readonly scheduler: Scheduler;
  queued: number;
  isOver: boolean;
  isPaused: boolean;
  /** Came while it is paused. For the other end they are still queued. */
  readonly kept: Uint8Array[];
}

/** The two ends of one link, each to be connected once; it opens when both are. */
export function memoryLink(): readonly [Connector, Connector] {
  const ends: [End | null, End | null] = [null, null];
  const connector = (mine: 0 | 1): Connector => ({
    name: 'memory',
    connect: (events, scheduler) => {
      const end: End = { events, scheduler, queued: 0, isOver: ends[mine] !== null, isPaused: false, kept: [] };
      if (end.isOver) {
        scheduler.soon(() => events.closed('this end is in use'));
        return linkOf(end, () => null);
      }
      ends[mine] = end;
      const other = () => ends[mine === 0 ? 1 : 0];
      const peer = other();
      if (peer !== null && !peer.isOver) scheduler.soon(() => openBoth(end, peer));
      else if (peer !== null) finish(end, 'closed by the other side');
      return linkOf(end, other);
    },
  });
  return [connector(0), connector(1)];
}

function openBoth(...ends: readonly [End, End]): void {
  for (const { isOver, events } of ends) if (!isOver) events.opened();
}

function linkOf(end: End, other: () => End | null): Link {
  return {
    send: (frame) => {
      if (end.isOver) return;
      end.queued += frame.length;
      end.scheduler.soon(() => deliver(frame, end, other()));
    },
    queued: () => end.queued,
    pause: () => {
      end.isPaused = true;
    },
    resume: () => {
      if (!end.isPaused) return;
      end.isPaused = false;
      end.scheduler.soon(() => deliverKept(end, other()));
    },
    close: (reason) => {
      const peer = other();
      finish(end, reason);
      if (peer !== null) finish(peer, reason);
    },
  };
}

function deliver(frame: Uint8Array, from: End, to: End | null): void {
  if (to !== null && !to.isOver) {
    if (to.isPaused || to.kept.length > 0) {
      to.kept.push(frame);
      return;
    }
    to.events.frame(frame);
  }
  from.queued -= frame.length;
  if (!from.isOver) from.events.drained();
}

function deliverKept(to: End, from: End | null): void {
  const frames = to.kept.splice(0);
  for (const [index, frame] of frames.entries()) {
    if (to.isPaused || from === null) {
      to.kept.unshift(...frames.slice(index));
      return;
    }
    deliver(frame, from, to);
  }
}

function finish(end: End, reason: string): void {
  if (end.isOver) return;
  end.isOver = true;
  end.scheduler.soon(() => end.events.closed(reason));
}
