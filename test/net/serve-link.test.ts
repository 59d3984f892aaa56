/** Serving without a server: memory, and ports to another thread. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { MAX_CLOSE_MS, MAX_HELLO_MS, MAX_IDLE_MS, MAX_QUEUE_BYTES } from '../../net/limits.ts';
import { memoryLink } from '../../net/links/memory.ts';
import { messagePort, messagePortConnector } from '../../net/links/message-port.ts';
import { inProcess, type ServeLinkOptions, serveLink } from '../../net/serve-link.ts';
import { over } from '../../net/upstream.ts';
import { failureOf } from '../support/failure.ts';
import { createTestScheduler } from '../support/ports.ts';
import { fakeAuthority, step, subscribe } from './fake-authority.ts';
import { Follower, GREETING } from './followers.ts';
import { HandLink } from './hand-link.ts';
import { ID, packed } from './hostile-frames.ts';

const settled = () => new Promise((resolve) => setTimeout(resolve, 30));

describe('in one process', () => {
  test('every session has a link of its own, and one step for all is encoded once', async () => {
    const authority = fakeAuthority();
    const upstream = inProcess(authority, { access: 'open' });
    const followers = [await new Follower(upstream).welcomed(), await new Follower(upstream).welcomed()];
    const before = upstream.report().encodings;
    authority.say(step(8));
    for (const follower of followers) await follower.until(() => follower.said.length === 1);
    expect(upstream.report().encodings - before).toBe(1);
    followers[0]!.session.close();
    await followers[0]!.ended();
    expect(upstream.report().sessions).toBe(1);
    expect((await new Follower(upstream).welcomed()).welcomes.length).toBe(1);
    expect(upstream.name).toBe('in process');
  });

  test('it must be said who is let in, and credentials are asked about', async () => {
    const authority = fakeAuthority();
    expect(failureOf(() => inProcess(authority, {})).code).toBe('invalid-option');
    expect(failureOf(() => serveLink(authority, memoryLink()[0], {} as ServeLinkOptions)).code).toBe('invalid-option');
    const authenticate = (credential: string | null) => (credential === 'secret' ? { actor: 'ana' } : null);
    const let_in = await new Follower(inProcess(authority, { authenticate, credential: 'secret' })).welcomed();
    expect(let_in.welcomes.length).toBe(1);
    const { reason, final } = await new Follower(inProcess(authority, { authenticate })).ended();
    expect([reason.code, final]).toEqual(['policy-denied', true]);
  });

  test('a served link that closes says goodbye, and is gone', async () => {
    const [here, there] = memoryLink();
    const served = serveLink(fakeAuthority(), there, { access: 'open' });
    const follower = await new Follower(over(here)).welcomed();
    await served.close();
    await served.close();
    expect((await follower.ended()).reason.code).toBe('offline');
    expect(served.report()).toMatchObject({ sessions: 0, ended: { closed: 1 } });
  });

  test('at the limit of sessions nobody else is taken', async () => {
    const upstream = inProcess(fakeAuthority(), { access: 'open', limits: { sessions: 1 } });
    const follower = await new Follower(upstream).welcomed();
    const { reason, final } = await new Follower(upstream).ended();
    expect([reason.code, final]).toEqual(['limit-exceeded', false]);
    expect(upstream.report()).toMatchObject({ sessions: 1, ended: { 'limit-exceeded': 1 } });
    follower.session.close();
    await follower.ended();
    expect((await new Follower(upstream).welcomed()).welcomes.length).toBe(1);
  });

  test('a follower of another version is told so, however its hello goes on', async () => {
    for (const wire of [
      [64, 1, ID, 'ana', null, null],
      [64, 9, ID, 'ana', null, null, 'what will come', [[true]]],
    ]) {
      const authority = fakeAuthority();
      const link = new HandLink();
      serveLink(authority, link.connector, { access: 'open' });
      link.events.opened();
      link.events.frame(new Uint8Array(Buffer.concat([Buffer.of(0), packed(wire), packed([68])])));
      await settled();
      expect(link.messages()).toMatchObject([{ kind: 'refuse', error: { code: 'protocol-mismatch' } }]);
      expect(authority.sessions).toEqual([]);
    }
  });

  test('an end that is in use is not given twice', async () => {
    const [here, there] = memoryLink();
    serveLink(fakeAuthority(), there, { access: 'open' });
    await new Follower(over(here)).welcomed();
    const second = await new Follower(over(here)).ended();
    expect(second.reason.problem).toContain('in use');
  });
});

describe('over message ports', () => {
  test('both ways, and the end is known at the other end', async () => {
    const authority = fakeAuthority();
    const { port1, port2 } = new MessageChannel();
    const served = serveLink(authority, messagePortConnector(port2), { access: 'open' });
    const follower = await new Follower(messagePort(port1)).welcomed();
    follower.send(subscribe(1));
    authority.say(step(8));
    await follower.until(() => follower.said.length === 1);
    while (authority.sessions[0]!.taken.length === 0) await settled();
    follower.session.close();
    await follower.ended();
    while (served.report().sessions > 0) await settled();
    expect(authority.sessions[0]!.isClosed).toBe(true);
  });

  test('a fresh port for each session, where a function gives them', async () => {
    const authority = fakeAuthority();
    const upstream = messagePort(() => {
      const { port1, port2 } = new MessageChannel();
      serveLink(authority, messagePortConnector(port2), { access: 'open' });
      return port1;
    });
    for (let count = 0; count < 2; count += 1) {
      const follower = await new Follower(upstream).welcomed();
      expect(follower.welcomes.length).toBe(1);
      follower.session.close();
      await follower.ended();
    }
  });

  test('a side that takes nothing is cut off at the limit, and one that is silent is noticed', async () => {
    const authority = fakeAuthority();
    const scheduler = createTestScheduler();
    const { port1, port2 } = new MessageChannel();
    const served = serveLink(authority, messagePortConnector(port2), { access: 'open', ports: { scheduler } });
    // Speaks by hand: it greets, and answers no frame.
    const hello = await helloFrame();
    port1.start();
    port1.postMessage(hello);
    while (authority.sessions.length === 0) await settled();
    for (let count = 0; count < MAX_QUEUE_BYTES / 100_000 + 1; count += 1) authority.say(step(count, 100_000));
    await settled();
    expect(served.report().ended).toEqual({ 'limit-exceeded': 1 });
    scheduler.pass(MAX_CLOSE_MS);
    expect(served.report().sessions).toBe(0);

    const other = new MessageChannel();
    const silent = serveLink(authority, messagePortConnector(other.port2), { access: 'open', ports: { scheduler } });
    await settled();
    scheduler.pass(MAX_HELLO_MS);
    await settled();
    scheduler.pass(MAX_IDLE_MS);
    expect(silent.report().sessions).toBe(0);
    for (const port of [port1, other.port1]) port.close();
  });

  test.each([[{ not: 'a frame' }], [-5], [Number.NaN], [1e9], [null]])(
    '%o on the port ends the link',
    async (rubbish) => {
      const { port1, port2 } = new MessageChannel();
      const served = serveLink(fakeAuthority(), messagePortConnector(port2), { access: 'open' });
      (port1 as MessagePort).postMessage(rubbish);
      while (served.report().sessions > 0) await settled();
      expect(served.report().ended).toEqual({ offline: 1 });
      port1.close();
    },
  );
});

/** The first frame that a follower sends. */
async function helloFrame(): Promise<Uint8Array> {
  const { port1, port2 } = new MessageChannel();
  const frame = new Promise<Uint8Array>((resolve) => port2.once('message', resolve));
  const follower = new Follower(messagePort(port1), GREETING);
  const bytes = await frame;
  follower.session.close();
  await follower.ended();
  port2.close();
  return bytes;
}
