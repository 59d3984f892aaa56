/** Serve link: a node for one follower, over one link that is not a socket: another thread, a pipe, a connector of yours. */
import type { Upstream } from '../engine/index.ts';
import type { Connector } from './link.ts';
import { memoryLink } from './links/memory.ts';
import type { Authority } from './serve-session.ts';
import { type Access, judgeFor, Serving, type ServingOptions, type ServingReport } from './serving.ts';
import { over, type UpstreamOptions } from './upstream.ts';

export type ServeLinkOptions = ServingOptions & Access<readonly [credential: string | null]>;

export interface ServedLink {
  /** Says goodbye; resolves when the link is closed, within seconds. */
  readonly close: () => Promise<void>;
  readonly report: () => ServingReport;
}

/**
 * Serves a node to whoever is at the other end of the link that `connector` makes.
 *
 * @throws {TendrilError} `invalid-option`
 */
export function serveLink(authority: Authority, connector: Connector, options: ServeLinkOptions): ServedLink {
  const judge = judgeFor(options);
  const serving = new Serving(authority, options);
  serving.begin(
    connector,
    judge((credential) => [credential]),
  );
  return { close: () => serving.close(), report: () => serving.report() };
}

/**
 * The upstream of nodes that live in the same process as the one they follow: each session gets a memory link.
 *
 * @throws {TendrilError} `invalid-option`
 */
export function inProcess(
  authority: Authority,
  options: ServeLinkOptions & UpstreamOptions,
): Upstream & { readonly report: () => ServingReport } {
  const judge = judgeFor(options);
  const serving = new Serving(authority, options);
  const connector: Connector = {
    name: 'in process',
    connect: (events, scheduler) => {
      const [here, there] = memoryLink();
      serving.begin(
        there,
        judge((credential) => [credential]),
      );
      return here.connect(events, scheduler);
    },
  };
  return { ...over(connector, options), report: () => serving.report() };
}
