/** Traffic: what went over the links of one server, or of one follower, counted. */
export interface Traffic {
  framesSent: number;
  bytesSent: number;
  framesTaken: number;
  bytesTaken: number;
}

export function createTraffic(): Traffic {
  return { framesSent: 0, bytesSent: 0, framesTaken: 0, bytesTaken: 0 };
}
