/** Opening an ephemeral node: it holds what its queries ask for and its own unsettled writes; its upstream has the rest. */
import type { Answers } from '../answers.ts';
import type { Core } from '../core.ts';
import { type NodeOptions, openStorage } from '../open-store.ts';
import { assemble, type Parts } from '../parts.ts';
import { type AuthorityClock, createAuthorityClock } from './authority-clock.ts';
import { Replica } from './replica.ts';
import type { Upstream } from './stream.ts';
import { upstreamAnswers } from './upstream-answers.ts';

export interface EphemeralParts extends Parts {
  readonly role: 'ephemeral';
  readonly answers: Answers;
  readonly replica: Replica;
  readonly upstream: Upstream;
  readonly clock: AuthorityClock;
}

export async function openEphemeral(options: NodeOptions, upstream: Upstream): Promise<EphemeralParts> {
  const clock = createAuthorityClock(options.ports?.clock);
  const ports = { ...options.ports, clock };
  const onError = options.onError ?? console.error;
  return openStorage({ ...options, ports }, (base) => {
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
      application: (transaction) => overlay.application(transaction),
      covers,
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
    });
    const { queue, reader, transactor, reactor } = parts;
    replica.start({ core, queue, reader, readers: transactor.open, views: () => reactor.report().views });
    const { heldIds, following, questions, sender, connection, collections } = replica;
    const { refusalOf } = collections;
    const up = { heldIds, following, questions, sender, refusalOf, connection: connection.state };
    const answers = upstreamAnswers(parts, up);
    return { ...parts, role: 'ephemeral', answers, replica, upstream, clock };
  });
}
