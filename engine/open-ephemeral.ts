/** Opening an ephemeral node: it holds what its queries ask for and its own unsettled writes; its upstream has the rest. */
import type { Answers } from './answers.ts';
import type { Core } from './core.ts';
import { withLocalCovers } from './local-collection.ts';
import { type NodeOptions, openStorage } from './open-store.ts';
import { assemble, type Parts } from './parts.ts';
import { RelayOnDemand } from './relay/relay-on-demand.ts';
import type { Upstream } from './stream.ts';
import { checkOnline } from './upstream/outbox/held-back.ts';
import { Refused } from './upstream/refusals/refused.ts';
import { Replica } from './upstream/replica.ts';
import { type AuthorityClock, createAuthorityClock } from './upstream/session/authority-clock.ts';
import { upstreamAnswers } from './upstream/upstream-answers.ts';

export interface EphemeralParts extends Parts {
  readonly role: 'ephemeral';
  readonly answers: Answers;
  readonly replica: Replica;
  readonly upstream: Upstream;
  readonly clock: AuthorityClock;
  /** Those that follow this node itself. */
  readonly followers: RelayOnDemand;
}

export async function openEphemeral(options: NodeOptions, upstream: Upstream): Promise<EphemeralParts> {
  const clock = createAuthorityClock(options.ports?.clock);
  const ports = { ...options.ports, clock };
  const onError = options.onError ?? console.error;
  return openStorage(
    { ...options, ports },
    (base) => {
      const replica = new Replica({ base, clock, upstream, onError });
      const { overlay, recent, covers, settlements, journal } = replica;
      const core: Core = {
        ...base,
        get author() {
          return replica.author;
        },
        readAt: recent.readAt,
        rowAt: recent.rowAt,
        position: overlay.position,
        application: (transaction, staging) => overlay.application(transaction, staging),
        checkOnline: (staging) => {
          const { reaches, error } = replica.connection.state();
          checkOnline(staging, reaches && replica.connection.peer !== null, error);
        },
        covers: withLocalCovers(covers, base.catalog.local),
        settled: settlements.of,
      };
      const parts = assemble(core, {
        mark: journal.mark,
        rewind: journal.rewind,
        boundOf: (collection, selection) => {
          const followed = replica.following.find(collection, selection);
          return followed === undefined ? null : replica.following.boundOf(followed);
        },
        committed: (commits) => replica.committed(commits),
        onError,
        staging: options.staging,
      });
      const { queue, reader, transactor, reactor } = parts;
      replica.start({ core, queue, reader, readers: transactor.open, views: () => reactor.report().views });
      const { heldIds, following, questions, sender, connection, collections } = replica;
      const up = { heldIds, following, questions, sender, collections, connection: connection.state };
      const answers = upstreamAnswers(parts, up);
      const followers = new RelayOnDemand({ ...parts, replica, onError });
      return { ...parts, role: 'ephemeral', answers, replica, upstream, clock, followers };
    },
    [Refused],
  );
}
