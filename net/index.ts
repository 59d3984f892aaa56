/** Net: what is replicated. What only Node can load stands in server.ts. */
export type { Connector, Link, LinkEvents } from './link.ts';
export { type MessagePortLike, messagePort, messagePortConnector, type PortSource } from './links/message-port.ts';
export { webSocket } from './links/web-socket.ts';
export { inProcess, type ServedLink, type ServeLinkOptions, serveLink } from './serve-link.ts';
export type { Authority, Context } from './serve-session.ts';
export type { Access, ServingOptions, ServingReport } from './serving.ts';
export { type Credential, over, type UpstreamOptions } from './upstream.ts';
