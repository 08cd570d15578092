// One GET: follows redirects on the same host, turns every failure into one that says whether trying again can help.

import type { ClientRequest, IncomingMessage } from "node:http";

import { LoadError, type LoadErrorCode } from "../load-error.ts";

/** A failure that another attempt may not meet: connection, stall, overload. */
export class RetryableError extends Error {
  override readonly name = "RetryableError";
}

export interface RequestOptions {
  readonly stallTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** A body in progress. */
export interface ResponseStream {
  /** Undefined where the server does not say. */
  readonly expectedBytes: number | undefined;
  /** Throws a RetryableError when the connection breaks, stalls or ends too early. */
  readonly chunks: AsyncIterable<Buffer>;
  /** Ends the connection; harmless after the last chunk. */
  readonly close: () => void;
}

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const RETRYABLE_STATUSES = new Set([408, 425, 429]);

/** Rejects with a RetryableError, a LoadError, or the signal's reason. */
export async function openStream(url: URL, options: RequestOptions): Promise<ResponseStream> {
  let current = url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const { request, response } = await send(current, options);
    const status = response.statusCode ?? 0;
    if (status === 200) {
      return toStream(request, response);
    }
    request.destroy();
    if (!REDIRECTS.has(status)) {
      throw statusError(status, current);
    }
    current = redirectTarget(current, response.headers.location);
  }
  throw new LoadError(
    "download",
    "STORAGE_UNAVAILABLE",
    `${withoutSecrets(url)}: more than ${MAX_REDIRECTS} redirects`,
  );
}

interface Exchange {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
}

async function send(url: URL, { stallTimeoutMs, signal }: RequestOptions): Promise<Exchange> {
  const { get } = url.protocol === "https:" ? await import("node:https") : await import("node:http");
  const { promise, resolve, reject } = Promise.withResolvers<Exchange>();
  // `agent: false`: one connection per request, gone with it.
  const request = get(url, { agent: false, signal, headers: { accept: "*/*" } });
  let receiver: ClientRequest | IncomingMessage = request;
  request.setTimeout(stallTimeoutMs, () => {
    receiver.destroy(new RetryableError(`no data for ${stallTimeoutMs / 1000} s`));
  });
  request.on("response", (response) => {
    receiver = response;
    resolve({ request, response });
  });
  request.on("error", (error) => reject(toRetryable(error)));
  return promise;
}

function toStream(request: ClientRequest, response: IncomingMessage): ResponseStream {
  const length = Number(response.headers["content-length"]);
  return {
    expectedBytes: response.headers["content-length"] === undefined ? undefined : length,
    chunks: readChunks(response),
    close: () => request.destroy(),
  };
}

async function* readChunks(response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) {
      yield chunk as Buffer;
    }
  } catch (error) {
    throw toRetryable(error);
  }
  if (!response.complete) {
    throw new RetryableError("the connection ended before the body was complete");
  }
}

function toRetryable(error: unknown): Error {
  if (error instanceof RetryableError || (error instanceof Error && error.name === "AbortError")) {
    return error;
  }
  const { code = "", message } = error as NodeJS.ErrnoException;
  // A host with several addresses gives an AggregateError, whose message is empty.
  const text = message.includes(code) ? message : `${message} ${code}`.trim();
  return new RetryableError(text, { cause: error });
}

function statusError(status: number, url: URL): Error {
  if (status >= 500 || RETRYABLE_STATUSES.has(status)) {
    return new RetryableError(`HTTP ${status}`);
  }
  const [code, advice] = explainStatus(status);
  return new LoadError("download", code, `${withoutSecrets(url)}: HTTP ${status}; ${advice}`);
}

function explainStatus(status: number): [LoadErrorCode, string] {
  switch (status) {
    case 401:
    case 403:
      return ["ACCESS_DENIED", "the storage wants credentials or refuses them"];
    case 404:
    case 410:
      return ["MODEL_NOT_FOUND", "check the path of the storage URI"];
    default:
      return ["STORAGE_UNAVAILABLE", "a plain GET of the storage URI must answer 200"];
  }
}

/** Another host could be anything, also one inside the network that the user cannot reach but the pod can. */
function redirectTarget(from: URL, location: string | undefined): URL {
  const target = location === undefined ? null : URL.parse(location, from.href);
  if (target === null) {
    throw new LoadError(
      "download",
      "STORAGE_UNAVAILABLE",
      `${withoutSecrets(from)}: a redirect without a valid address`,
    );
  }
  if (target.host !== from.host || target.protocol !== from.protocol) {
    const message = `${withoutSecrets(from)}: redirects to ${withoutSecrets(target)}; other hosts are not followed, give the final address`;
    throw new LoadError("download", "INVALID_STORAGE_URI", message);
  }
  return target;
}

/** Messages end in logs and in status: no user name, password or signed query. */
export function withoutSecrets(url: URL): string {
  return `${url.origin}${url.pathname}`;
}
