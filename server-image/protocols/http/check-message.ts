// What is wrong with a request before its path or body matters.

import type { IncomingMessage } from "node:http";

import { errorAnswer, type HttpAnswer } from "./exchange.ts";

/** Node drops further ones without a word, so its limit must be higher. */
export const MAX_HEADERS = 200;

const CONTINUE = "100-continue";

/** Undefined where nothing is. */
export function checkMessage({ httpVersion, rawHeaders, headers }: IncomingMessage): HttpAnswer | undefined {
  const { host, expect, "transfer-encoding": coding } = headers;
  if (httpVersion !== "1.1" && httpVersion !== "1.0") {
    return errorAnswer(505, "send HTTP/1.1 or HTTP/1.0");
  }
  // Names and values.
  if (rawHeaders.length > 2 * MAX_HEADERS) {
    return errorAnswer(431, `there are more than ${MAX_HEADERS} request headers`);
  }
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    return errorAnswer(501, `Transfer-Encoding ${JSON.stringify(coding)} is not supported; only chunked is`);
  }
  // Of HTTP/1.0 neither is a part. Several hosts come as a list.
  if (httpVersion === "1.1" && (host === undefined || host.includes(","))) {
    return errorAnswer(400, "a request must have the header Host, once");
  }
  if (httpVersion === "1.1" && expect !== undefined && expect.toLowerCase() !== CONTINUE) {
    return errorAnswer(417, `Expect ${JSON.stringify(expect)} is not supported; only ${CONTINUE} is`);
  }
  return undefined;
}

/** Whether the client waits for word that its body is wanted. */
export function keepsBodyBack({ httpVersion, headers }: IncomingMessage): boolean {
  return headers.expect !== undefined && httpVersion === "1.1";
}
