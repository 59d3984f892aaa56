/** What the followers and the server that are written by hand say to each other: MessagePack lists, no more than is needed. */
import { Packr } from 'msgpackr';
import type { HandId } from '../by-hand.ts';
import type { NewFlight } from '../flights.ts';

/** A flight as it travels. */
export type FlightMessage = readonly [
  text: string,
  bytes: Uint8Array,
  origin: string,
  destination: string,
  departsMs: number,
  distance: number,
  delay: number | null,
];

/** From a follower, the one of a transaction; to it, those of one group, or of a chunk. None: the end of all. */
export type FlightsMessage = readonly FlightMessage[];

const packr = new Packr({ useRecords: false });
export const pack = (message: unknown): Uint8Array => packr.pack(message);
export const unpack = (bytes: Uint8Array): never => packr.unpack(bytes) as never;

export function messageOf({ text, bytes }: HandId, flight: NewFlight): FlightMessage {
  const { origin, destination, departs, distance, delay } = flight;
  return [text, bytes, origin, destination, departs.getTime(), distance, delay];
}

export function flightOf([text, bytes, origin, destination, departsMs, distance, delay]: FlightMessage): {
  readonly id: HandId;
  readonly flight: NewFlight;
} {
  const flight = { origin, destination, departs: new Date(departsMs), distance, delay: delay ?? null };
  return { id: { text, bytes: bytes as Buffer }, flight };
}
