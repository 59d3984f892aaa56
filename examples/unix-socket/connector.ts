/** A connector of your own, whole: each frame goes over a Unix socket behind its length. docs/connectors.md explains it. */
import { connect, type Socket } from 'node:net';
import type { Connector, Link, LinkEvents } from '../../net/index.ts';

const LENGTH_BYTES = 4;
/** Larger ones are never sent; whoever announces one is cut off before it is waited for. */
const MAX_FRAME_BYTES = 1_024 * 1_024;

export function dial(path: string): Connector {
  return { name: `unix:${path}`, connect: (events) => linkOver(connect(path), events) };
}

export function accepted(socket: Socket): Connector {
  return { name: 'unix socket', connect: (events) => linkOver(socket, events) };
}

function linkOver(socket: Socket, events: LinkEvents): Link {
  let isOver = false;
  let came: Uint8Array = new Uint8Array(0);
  const open = () => isOver || events.opened();
  const close = (reason: string) => {
    if (isOver) return;
    isOver = true;
    process.nextTick(events.closed, reason);
    if (socket.connecting || socket.writableLength > 0) socket.destroy();
    else socket.destroySoon();
  };
  const take = (bytes: Uint8Array) => {
    came = came.length === 0 ? bytes : Buffer.concat([came, bytes]);
    while (!isOver && came.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + new DataView(came.buffer, came.byteOffset).getUint32(0);
      if (end > LENGTH_BYTES + MAX_FRAME_BYTES) return close('a frame is too long');
      if (came.length < end) return;
      events.frame(Uint8Array.from(came.subarray(LENGTH_BYTES, end)));
      came = came.subarray(end);
    }
  };
  if (socket.connecting) socket.on('connect', open);
  else process.nextTick(open);
  socket.on('data', take).on('error', ({ message }) => close(message));
  socket.on('end', () => close('closed by the other side')).on('close', () => close('closed'));
  return {
    send: (frame) => {
      if (isOver) return;
      const length = new Uint8Array(LENGTH_BYTES);
      new DataView(length.buffer).setUint32(0, frame.length);
      socket.write(length);
      socket.write(frame, () => isOver || events.drained());
    },
    queued: () => socket.writableLength,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close,
  };
}
