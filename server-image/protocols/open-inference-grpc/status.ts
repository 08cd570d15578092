// Errors as gRPC's status codes, and gRPC's status codes as the HTTP statuses that outcomes are counted by.

import { status } from "@grpc/grpc-js";

import { InferenceError, type InferenceErrorCode } from "../../inference-error.ts";
import type { Log } from "../../log.ts";

const CODES = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  TOO_LARGE: status.RESOURCE_EXHAUSTED,
  UNSUPPORTED_ENCODING: status.UNIMPLEMENTED,
  CANCELLED: status.CANCELLED,
  INTERNAL: status.INTERNAL,
  UNSUPPORTED: status.UNIMPLEMENTED,
  UNAVAILABLE: status.UNAVAILABLE,
} as const satisfies Record<InferenceErrorCode, status>;

const HTTP_STATUS: Readonly<Record<number, number>> = {
  [status.OK]: 200,
  [status.CANCELLED]: 499,
  [status.INVALID_ARGUMENT]: 400,
  [status.DEADLINE_EXCEEDED]: 504,
  [status.NOT_FOUND]: 404,
  // Only grpc-js gives it, for messages above the limit.
  [status.RESOURCE_EXHAUSTED]: 413,
  [status.UNIMPLEMENTED]: 501,
  [status.UNAVAILABLE]: 503,
};

/** How a call ends. */
export interface CallStatus {
  readonly code: status;
  readonly details: string;
}

export const OK: CallStatus = { code: status.OK, details: "OK" };

export const NO_ROOM: CallStatus = {
  code: status.UNAVAILABLE,
  details: "the server holds too many large requests now; try again later",
};

export const TOO_MANY_ANSWERS: CallStatus = {
  code: status.UNAVAILABLE,
  details: "the server holds too many answers that clients do not take; try again later",
};

export const TOO_MANY_CALLS: CallStatus = {
  code: status.UNAVAILABLE,
  details: "too many calls are open; try again later",
};

export const TOO_MANY_COMPRESSED: CallStatus = {
  code: status.UNAVAILABLE,
  details: "too many compressed streams are open; send without compression, or try again later",
};

export const LATE: CallStatus = { code: status.DEADLINE_EXCEEDED, details: "the request did not arrive in time" };

/** Details travel in a header, percent-encoded, and clients take 8 KiB of headers. */
const MAX_DETAILS = 800;

/** Anything that is no InferenceError is a fault of this server and stays inside. */
export function toStatus(error: unknown, log: Log): CallStatus {
  if (!(error instanceof InferenceError)) {
    log.error({ err: error }, "gRPC request failed unexpectedly");
    return { code: status.INTERNAL, details: "internal error" };
  }
  return { code: CODES[error.code], details: shorten(error.message) };
}

/** @param code of gRPC */
export function httpStatusOf(code: number): number {
  return HTTP_STATUS[code] ?? 500;
}

function shorten(message: string): string {
  const text = message.length <= MAX_DETAILS ? message : `${message.slice(0, MAX_DETAILS)}...`;
  // Half of a character cannot be percent-encoded.
  return text.toWellFormed();
}
