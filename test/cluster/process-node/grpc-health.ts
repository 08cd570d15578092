// Asks a server for its health by the gRPC health checking protocol, grpc.health.v1.

import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from "node:http2";

export interface GrpcHealthRequest {
  readonly host: string;
  readonly port: number;
  /** Empty: the server as a whole. */
  readonly service: string;
  readonly signal: AbortSignal;
}

const statusNames = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/** @throws Error unless the server says that it is serving. */
export async function checkGrpcHealth({ host, port, service, signal }: GrpcHealthRequest): Promise<void> {
  signal.throwIfAborted();
  const session = connect(`http://${host}:${port}`);
  const abort = (): void => session.destroy(new Error("aborted"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    const status = await call(session, service);
    if (status !== 1) throw new Error(`service unhealthy (responded with "${statusNames[status] ?? status}")`);
  } finally {
    signal.removeEventListener("abort", abort);
    session.destroy();
  }
}

function call(session: ClientHttp2Session, service: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: "/grpc.health.v1.Health/Check",
    [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
    [constants.HTTP2_HEADER_TE]: "trailers",
    "user-agent": "kube-probe/1.36",
  });
  const chunks: Buffer[] = [];
  const readStatus = (headers: IncomingHttpHeaders): void => {
    const { "grpc-status": code = "0", "grpc-message": message = "" } = headers;
    if (code === "0") return;
    reject(new Error(`health check failed with gRPC status ${headerText(code)}: ${headerText(message)}`));
  };
  stream.on("response", readStatus);
  stream.on("trailers", readStatus);
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => resolve(decodeHealthStatus(Buffer.concat(chunks))));
  stream.on("error", reject);
  session.on("error", reject);
  stream.end(encodeHealthRequest(service));
  return promise;
}

/** A length-prefixed HealthCheckRequest: field 1 is the service's name. */
export function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  // Service names are DNS-like and far below the 128 bytes that a one-byte length can say.
  if (name.length > 127) throw new RangeError(`the service name "${service}" is longer than 127 bytes`);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** The `status` of a length-prefixed HealthCheckResponse; a message without the field says 0, UNKNOWN. */
export function decodeHealthStatus(frame: Buffer): number {
  return frame.length >= 7 && frame[5] === 0x08 ? (frame[6] ?? 0) : 0;
}

function headerText(value: string | string[]): string {
  return typeof value === "string" ? value : value.join(", ");
}
