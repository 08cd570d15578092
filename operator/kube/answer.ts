// Reading the API server's answers: whole JSON bodies and endless streams of lines, both bounded.

import type { IncomingMessage } from "node:http";
import type { Clock } from "./clock.ts";
import { AnswerTooLargeError, ApiError, ConnectionError, type Status } from "./errors.ts";

const newline = 0x0a;

/** The whole body. Throws `AnswerTooLargeError` past `maxBytes`, `ConnectionError` when it is cut short. */
export async function readBody(response: IncomingMessage, attempted: string, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new AnswerTooLargeError(attempted, maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof AnswerTooLargeError) throw error;
    throw new ConnectionError(`${attempted}: the answer broke off`, { cause: error });
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Parses JSON; what is not JSON did not come from an API server. */
export function parseJson(text: string, attempted: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConnectionError(`${attempted}: the answer is not JSON: ${JSON.stringify(text.slice(0, 120))}`, {
      cause: error,
    });
  }
}

/** The `ApiError` for an answer that is not 2xx. Its body may be a Status, text from a proxy, or nothing. */
export function apiError(response: IncomingMessage, body: string, attempted: string): ApiError {
  const status = response.statusCode ?? 0;
  let answer: Status = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null) answer = parsed;
  } catch {
    answer = body === "" ? {} : { message: `HTTP ${status}: ${body.slice(0, 200)}` };
  }
  const retryAfterSeconds = Number.parseInt(response.headers["retry-after"] ?? "", 10);
  if (!Number.isNaN(retryAfterSeconds)) answer = { ...answer, details: { ...answer.details, retryAfterSeconds } };
  return new ApiError(attempted, status, answer);
}

export interface LineOptions {
  readonly attempted: string;
  readonly maxLineBytes: number;
  /** The stream is given up after this long without a byte. */
  readonly silenceMs: number;
  readonly clock: Clock;
}

/**
 * The lines of a stream, without their newline. Ends when the sender ends the stream between two lines; throws
 * `ConnectionError` when it breaks, falls silent or ends within a line. Lines are cut as bytes, so a character that is
 * split over two chunks stays whole.
 */
export async function* readLines(response: IncomingMessage, options: LineOptions): AsyncGenerator<string> {
  const { attempted, clock } = options;
  let silent = false;
  const watchdog = (): (() => void) =>
    clock.schedule(options.silenceMs, () => {
      silent = true;
      response.destroy();
    });
  let stopWatchdog = watchdog();
  let pending: Buffer[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      stopWatchdog();
      let start = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
        pending.push(chunk.subarray(start, end));
        yield Buffer.concat(pending).toString("utf8");
        pending = [];
        start = end + 1;
      }
      if (start < chunk.length) pending.push(chunk.subarray(start));
      if (byteLength(pending) > options.maxLineBytes) throw new AnswerTooLargeError(attempted, options.maxLineBytes);
      stopWatchdog = watchdog();
    }
  } catch (error) {
    if (error instanceof AnswerTooLargeError) throw error;
    const what = silent ? `nothing came for ${options.silenceMs / 1000} s` : "the stream broke off";
    throw new ConnectionError(`${attempted}: ${what}`, { cause: error });
  } finally {
    stopWatchdog();
  }
  if (byteLength(pending) > 0) throw new ConnectionError(`${attempted}: the stream ended within a line`);
}

function byteLength(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
