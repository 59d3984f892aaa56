/** Upstream: the follower's side, from a connector to the port of the engine. */
import type { Greeting, Receiver, Said, Upstream, UpstreamSession } from '../engine/index.ts';
import { TendrilError } from '../errors.ts';
import { utf8Length } from '../query/index.ts';
import { createCodec } from './codec.ts';
import { followerMachine } from './follower-session.ts';
import { createFrameWriter } from './frames.ts';
import { MAX_CREDENTIAL_BYTES, MAX_UPLOAD_QUEUE_BYTES } from './limits.ts';
import type { Connector } from './link.ts';
import { type Hello, PROTOCOL_VERSION } from './messages.ts';
import { offline } from './session-errors.ts';
import { type SessionGround, SessionRun } from './session-run.ts';
import { createTraffic } from './traffic.ts';
import { createTurnEnd } from './turn-end.ts';

/** What proves to the server who is asking: a text, or what gives one whenever a session begins. */
export type Credential = string | (() => string | Promise<string>);

export interface UpstreamOptions {
  /** Handed to the server's `authenticate`, at most 8 KiB. None by default. */
  readonly credential?: Credential;
}

/**
 * An upstream over a connector of your own (docs/connectors.md). Each session makes a link.
 *
 * @throws {TendrilError} `invalid-option`
 */
export function over(connector: Connector, { credential }: UpstreamOptions = {}): Upstream {
  if (typeof credential === 'string') checkCredential(credential);
  const shared = { codec: createCodec(), write: createFrameWriter(), traffic: createTraffic() };
  return {
    name: connector.name,
    connect: (greeting, receiver, { scheduler }) => {
      // What the engine throws, against its contract, stands as the cause in the end that it is told.
      const ground = {
        ...shared,
        scheduler,
        atTurnEnd: createTurnEnd(scheduler),
        maxQueueBytes: MAX_UPLOAD_QUEUE_BYTES,
        onError: () => {},
      };
      return follow(connector, ground, greeting, receiver, credential);
    },
  };
}

function follow(
  connector: Connector,
  ground: SessionGround,
  greeting: Greeting,
  receiver: Receiver,
  credential: Credential | undefined,
): UpstreamSession {
  const hello = (proof: string | null): Hello => ({
    kind: 'hello',
    protocol: PROTOCOL_VERSION,
    ...greeting,
    credential: proof,
  });
  const run: SessionRun<Said> = new SessionRun(connector, ground, {
    machine: followerMachine,
    greet: () => {
      if (typeof credential !== 'function') run.greet(hello(credential ?? null));
      else
        void proofFrom(credential).then(
          (proof) => run.greet(hello(proof)),
          (error) => run.happen({ kind: 'leave', error }),
        );
    },
    judge: () => {},
    welcomed: receiver.welcomed,
    deliver: receiver.said,
    ended: receiver.ended,
    gone: () => {},
    progress: () => {},
  });
  return {
    send: (request) => run.say(request),
    close: () => run.happenSoon({ kind: 'leave', error: null }),
  };
}

/** @throws {TendrilError} `invalid-option`, `offline` where the program's own function failed. */
async function proofFrom(credential: () => string | Promise<string>): Promise<string> {
  let proof: string;
  try {
    proof = await credential();
  } catch (error) {
    throw offline('The credential could not be had: its function threw.', error);
  }
  checkCredential(proof);
  return proof;
}

function checkCredential(credential: string): void {
  if (typeof credential === 'string' && utf8Length(credential) <= MAX_CREDENTIAL_BYTES) return;
  throw new TendrilError({
    code: 'invalid-option',
    problem: 'A credential is a text of at most 8 KiB.',
    remedy: 'Give a token rather than what it stands for.',
    facts: { limit: MAX_CREDENTIAL_BYTES },
  });
}
