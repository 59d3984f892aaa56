/** What one would write to follow flights and to write some: a socket, and the rows in SQLite. */
import { WebSocket } from 'ws';
import { createHandKeeper, type HandId, type HandKeeper } from '../by-hand.ts';
import type { NewFlight } from '../flights.ts';
import type { Sample } from '../sample.ts';
import { type FlightsMessage, flightOf, messageOf, pack, unpack } from './hand-messages.ts';

export interface HandFollower {
  readonly keeper: HandKeeper;
  /** Written here, and sent. */
  readonly write: (id: HandId, flight: NewFlight) => void;
  /** Asks for all there is. */
  readonly all: () => void;
  readonly close: () => void;
}

/** - `told`: how many flights came and are written; 0 at the end of `all`. - `settled`: how many of its own are. */
export async function openHandFollower(
  url: string,
  sample: Sample,
  told: (flights: number) => void,
  settled: (flights: number) => void = () => {},
): Promise<HandFollower> {
  const keeper = createHandKeeper(':memory:', sample);
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const [begin, end] = [keeper.database.prepare('BEGIN IMMEDIATE'), keeper.database.prepare('COMMIT')];
  socket.on('message', (content) => {
    const message = unpack(content as Buffer) as FlightsMessage | number;
    if (typeof message === 'number') {
      settled(message);
      return;
    }
    begin.run();
    for (const each of message) {
      const { id, flight } = flightOf(each);
      keeper.insert(id, flight);
    }
    end.run();
    told(message.length);
  });
  return {
    keeper,
    write: (id, flight) => {
      keeper.insert(id, flight);
      socket.send(pack([messageOf(id, flight)]));
    },
    all: () => socket.send(pack('all')),
    close: () => {
      socket.terminate();
      keeper.database.close();
    },
  };
}
