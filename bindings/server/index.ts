/** Tendril as a server: a node for whoever connects, a durable one, or an ephemeral one as a relay of its upstream. */
export {
  type Access,
  type Authority,
  type Connector,
  type Context,
  type HttpServer,
  type Link,
  type LinkEvents,
  type ServedLink,
  type ServeLinkOptions,
  type ServeOptions,
  type Server,
  type ServerReport,
  type ServingReport,
  serve,
  serveLink,
  type UpgradeRequest,
} from '../../net/server.ts';
