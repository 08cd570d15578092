// What the calibration of the I/O and its client thread say to each other.

/** Given to the client at its start; it says "open" when all connections are there. */
export interface ProbeClientSettings {
  readonly port: number;
  readonly connections: number;
}

/** Asks for one stretch of requests; "end" ends the thread. */
export interface ProbeCommand {
  /** The whole request, HTTP head included. */
  readonly bytes: Uint8Array;
  readonly milliseconds: number;
}

export interface ProbeReport {
  readonly answered: number;
  /** Before the time was over; the others came when no new requests were sent any more. */
  readonly answeredInTime: number;
  /** Of the answered ones, those with another status than 200. */
  readonly failed: number;
  /** Of the client's thread. */
  readonly cpuSeconds: number;
}
