/**
 * One change to 1,000 sessions with equal selections, until the last of them has it.
 *
 * By hand: a ws server that sends as many bytes to each socket, and nothing else: no commit, no row. The followers, all
 * in this process, are the same sockets on both sides: once they follow, they only count the frames that come.
 */
import { WebSocket } from 'ws';
import { createCodec } from '../../net/codec.ts';
import { createFrameReader, createFrameWriter, MAX_FRAME_BYTES } from '../../net/frames.ts';
import { type Message, PROTOCOL_VERSION } from '../../net/messages.ts';
import type { NodeId } from '../../storage/index.ts';
import type { Bench } from '../bench.ts';
import { countedIds } from '../by-hand.ts';
import { atLeast } from '../figure.ts';
import { duel, typicalMilliseconds } from '../measure.ts';
import type { HandServer } from './hand-server.ts';
import type { NodeServer } from './node-server.ts';
import { startProgram } from './program.ts';

const SESSIONS = 1_000;
const CHANGES = 30;

export const fanOut: Bench = {
  name: 'net fan-out',
  run: async function* (say, { isShort }) {
    const server = await startProgram<NodeServer>('./node-server.ts', ':memory:', '1');
    const byHand = await startProgram<HandServer>('./hand-server.ts', ':memory:', '0');
    say('1,000 sessions, twice');
    const ours = await openFollowers(await server.ask('url'), follow);
    const limit = await openFollowers(await byHand.ask('url'), async () => {});
    await ours.whenAllHave(() => server.ask('change'));
    const bytes = ours.lastLength();
    const changes = Array.from({ length: CHANGES }, (_, index) => index);
    yield await duel({
      ...{ name: 'a change to 1,000 sessions', unit: 'ms', reach: atLeast(0.8) },
      ...{ rounds: isShort ? 5 : 15, warmUp: 5 },
      ours: () => typicalMilliseconds(changes, () => ours.whenAllHave(() => server.ask('change'))),
      limit: () => typicalMilliseconds(changes, () => limit.whenAllHave(() => byHand.ask('broadcast', bytes))),
    });
    ours.close();
    limit.close();
    await server.end();
    await byHand.end();
  },
};

interface Followers {
  /** Resolves when each has got one frame more. */
  readonly whenAllHave: (change: () => Promise<unknown>) => Promise<void>;
  readonly lastLength: () => number;
  readonly close: () => void;
}

/** - `greet`: resolves when the socket has got all that it gets without a change. */
async function openFollowers(url: string, greet: (socket: WebSocket) => Promise<void>): Promise<Followers> {
  const sockets: WebSocket[] = [];
  let missing = 0;
  let length = 0;
  let end = () => {};
  for (let number = 0; number < SESSIONS; number += 1) {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    sockets.push(socket);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    await greet(socket);
    socket.on('message', (content: Buffer) => {
      length = content.length;
      missing -= 1;
      if (missing === 0) end();
    });
  }
  return {
    whenAllHave: async (change) => {
      missing = SESSIONS;
      const allHave = new Promise<void>((resolve) => {
        end = resolve;
      });
      await change();
      await allHave;
    },
    lastLength: () => length,
    close: () => {
      for (const socket of sockets) socket.terminate();
    },
  };
}

const codec = createCodec();
const write = createFrameWriter();
const ids = countedIds();

/** Says hello, and follows all flights. */
function follow(socket: WebSocket): Promise<void> {
  const node = ids.next().text as NodeId;
  const send = (message: Message) => {
    for (const frame of write([codec.encodeMessage(message)])) socket.send(frame);
  };
  const read = createFrameReader({ limit: () => MAX_FRAME_BYTES });
  send({ kind: 'hello', protocol: PROTOCOL_VERSION, node, author: node, system: null, credential: null, cursor: null });
  return new Promise((resolve) => {
    const listen = (content: Buffer) => {
      for (const message of codec.decodeMessages(read(content)!)) {
        if (message.kind === 'welcome')
          send({ kind: 'subscribe', subscription: 1, collection: 'flight', text: '', parameters: [], had: null });
        if (message.kind !== 'chunk' || !message.last) continue;
        socket.off('message', listen);
        resolve();
      }
    };
    socket.on('message', listen);
  });
}
