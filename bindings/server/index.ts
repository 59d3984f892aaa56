/** Tendril as a server: a durable node for whoever connects. */
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
