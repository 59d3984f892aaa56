/**
 * Ending: the two phases in which nothing is taken any more, alike for both roles. Every event has its rule here, as in
 * the tables they belong to: a role to which less can happen leaves the rest unused.
 */
import { close, stay } from './transitions.ts';

/** What was said leaves; it ends when that is done, or cannot be, or takes too long. */
export const closing = {
  opened: stay,
  heard: stay,
  hello: stay,
  welcome: stay,
  refuse: stay,
  bye: stay,
  ping: stay,
  pong: stay,
  request: stay,
  said: stay,
  admitted: stay,
  rejected: stay,
  paused: stay,
  resumed: stay,
  timeout: close,
  broken: stay,
  overflow: stay,
  leave: stay,
  emptied: close,
  lost: close,
};

/** Nothing happens any more. */
export const closed = {
  opened: stay,
  heard: stay,
  hello: stay,
  welcome: stay,
  refuse: stay,
  bye: stay,
  ping: stay,
  pong: stay,
  request: stay,
  said: stay,
  admitted: stay,
  rejected: stay,
  paused: stay,
  resumed: stay,
  timeout: stay,
  broken: stay,
  overflow: stay,
  leave: stay,
  emptied: stay,
  lost: stay,
};
