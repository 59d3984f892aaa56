/** Relay on demand: what an ephemeral node has for its followers: nothing, until the first one comes. */
import type { TendrilError } from '../../errors.ts';
import type { FeedReport } from '../feed/feed.ts';
import type { FeedSession, Peer } from '../stream.ts';
import { notServing, Relay, type RelayParts } from './relay.ts';

export class RelayOnDemand {
  readonly #parts: RelayParts;
  #relay: Relay | null = null;

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** @throws {TendrilError} `offline` where this node has never been told anything by its upstream. */
  open(peer: Peer): FeedSession {
    const { replica } = this.#parts;
    if (this.#relay === null) {
      if (replica.standing.kept === null || replica.system === null) throw notServing();
      this.#relay = new Relay(this.#parts);
      replica.serve(this.#relay);
    }
    return this.#relay.open(peer);
  }

  /** Null before the first follower. */
  report(): FeedReport | null {
    return this.#relay?.report() ?? null;
  }

  end(error: TendrilError): void {
    this.#relay?.end(error);
  }

  close(): void {
    this.#relay?.close();
  }
}
