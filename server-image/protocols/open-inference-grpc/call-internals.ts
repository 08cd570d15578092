// What grpc-js knows of a call and has no way to ask for: its HTTP/2 stream, and whether its messages are compressed.

import { constants, type Http2Session, type ServerHttp2Stream } from "node:http2";

import type { ServerInterceptingCallInterface } from "@grpc/grpc-js";

export interface CallInternals {
  /** Bytes can be counted here while a message arrives. */
  readonly stream: ServerHttp2Stream;
  /** The connection; undefined where it is gone already. */
  readonly session: Http2Session | undefined;
  readonly compressed: boolean;
}

/** Throws where grpc-js has changed: better no call than one without limits. */
export function internalsOf(call: ServerInterceptingCallInterface): CallInternals {
  const { stream, incomingEncoding } = call as unknown as { stream?: ServerHttp2Stream; incomingEncoding?: unknown };
  if (typeof stream?.on !== "function" || typeof incomingEncoding !== "string") {
    throw new Error("this version of @grpc/grpc-js keeps the stream of a call elsewhere");
  }
  return { stream, session: stream.session, compressed: incomingEncoding !== "identity" };
}

/** The status of a call that grpc-js answered by itself, as at a deadline; undefined where there was no such answer. */
export function answeredStatus({ sentHeaders, sentTrailers }: ServerHttp2Stream): number | undefined {
  const code = sentTrailers?.["grpc-status"] ?? sentHeaders?.["grpc-status"];
  return code === undefined ? undefined : Number(code);
}

/**
 * For calls that are over: where nothing but a status was sent, the client need not send the rest of its request. After
 * more than that it would overtake the status.
 */
export function stopSending({ stream }: CallInternals): void {
  if (stream.sentHeaders?.["grpc-status"] !== undefined) {
    stream.close(constants.NGHTTP2_NO_ERROR);
  }
}
