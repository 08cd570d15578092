// One GET: follows redirects under the rules below, turns every failure into one that says whether trying again can help.

import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";

import { LoadError, type LoadErrorCode } from "../load-error.ts";
import { type GuardedAgents, makeGuardedAgents, type ResolveHost } from "./guarded-agent.ts";
import { isPublic, NetworkPolicy } from "./network-policy.ts";
import { RetryableError } from "./remote-file.ts";
import { invalidUri, withoutSecrets } from "./storage-uri.ts";

/** The network as far as downloads may use it. */
export interface HttpAccess {
  readonly agents: GuardedAgents;
  /** Reaches public addresses only: for where a public one sends us. */
  readonly publicAgents: GuardedAgents;
  /** Whether anybody could connect to this address. */
  readonly isPublic: (address: string) => boolean;
  /** Without a single byte, in each attempt. */
  readonly stallTimeoutMs: number;
}

export interface GetOptions {
  readonly access: HttpAccess;
  readonly signal: AbortSignal;
  readonly headers?: OutgoingHttpHeaders;
  /** Sent to the first host only, and never after a redirect to another. */
  readonly authorization?: string | undefined;
  /** What is asked for, for messages; undefined: its address. */
  readonly label?: string | undefined;
  /** What a refusal means here, where that is more than its status says in general. */
  readonly explain?: Explain | undefined;
}

/** Undefined: the general explanation will do. */
export type Explain = (status: number, headers: IncomingHttpHeaders) => Explanation | undefined;
export type Explanation = readonly [code: LoadErrorCode, advice: string];

export interface Answer {
  /** 200 or 206. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Throws a RetryableError when the connection breaks, stalls or ends too early. */
  readonly chunks: AsyncIterable<Buffer>;
  /** Ends the connection; harmless after the last chunk. */
  readonly close: () => void;
}

/** An answer that says the request was wrong. */
export class StatusError extends LoadError {
  readonly status: number;

  constructor(status: number, [code, advice]: Explanation, label: string) {
    super("download", code, `${label}: HTTP ${status}; ${advice}`);
    this.status = status;
  }
}

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const RETRYABLE_STATUSES = new Set([408, 425, 429]);

export function makeHttpAccess(
  allowedNetworks: readonly string[],
  resolve: ResolveHost,
  stallTimeoutMs: number,
): HttpAccess {
  return {
    agents: makeGuardedAgents(
      new NetworkPolicy(allowedNetworks),
      resolve,
      "allow its network with --storage-allowed-networks",
    ),
    publicAgents: makeGuardedAgents(
      new NetworkPolicy([]),
      resolve,
      "a public host must not redirect into a private network",
    ),
    isPublic,
    stallTimeoutMs,
  };
}

/**
 * Follows up to five redirects. Another host gets no credentials; encryption is never given up; and what the internet
 * answers never leads into a private network, which the pod can reach but the answering server cannot.
 * Rejects with a RetryableError, a LoadError, or the signal's reason.
 */
export async function get(url: URL, options: GetOptions): Promise<Answer> {
  let current = url;
  let agents = options.access.agents;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const headers: OutgoingHttpHeaders = { accept: "*/*", "accept-encoding": "identity", ...options.headers };
    if (options.authorization !== undefined && current.origin === url.origin) {
      headers["authorization"] = options.authorization;
    }
    const { request, response } = await send(current, { ...options, agents, headers });
    const status = response.statusCode ?? 0;
    if (status === 200 || status === 206) {
      return { status, headers: response.headers, chunks: readChunks(response), close: () => request.destroy() };
    }
    const cameFromPublic = options.access.isPublic(response.socket.remoteAddress ?? "");
    request.destroy();
    if (!REDIRECTS.has(status)) {
      throw statusError(response, { ...options, label: options.label ?? withoutSecrets(current) });
    }
    current = redirectTarget(current, response.headers.location);
    agents = cameFromPublic ? options.access.publicAgents : agents;
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

interface SendOptions {
  readonly access: HttpAccess;
  readonly agents: GuardedAgents;
  readonly headers: OutgoingHttpHeaders;
  readonly signal: AbortSignal;
}

async function send(url: URL, { access, agents, headers, signal }: SendOptions): Promise<Exchange> {
  const secure = url.protocol === "https:";
  const { request: open } = secure ? await import("node:https") : await import("node:http");
  const { promise, resolve, reject } = Promise.withResolvers<Exchange>();
  // As an option, unlike by `setTimeout`, the limit holds for the time before the connection as well.
  const timeout = access.stallTimeoutMs;
  const request = open(url, { agent: secure ? agents.https : agents.http, signal, headers, timeout });
  let receiver: ClientRequest | IncomingMessage = request;
  request.on("timeout", () => {
    receiver.destroy(new RetryableError(`no data for ${access.stallTimeoutMs / 1000} s`));
  });
  request.on("response", (response) => {
    receiver = response;
    resolve({ request, response });
  });
  request.on("error", (error) => reject(toRetryable(error)));
  request.end();
  return promise;
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

/** Failures of the network as RetryableErrors; what is no failure of the network stays as it is. */
export function toRetryable(error: unknown): Error {
  if (error instanceof RetryableError || error instanceof LoadError) {
    return error;
  }
  if (error instanceof Error && error.name === "AbortError") {
    return error;
  }
  const { code = "", message } = error as NodeJS.ErrnoException;
  // A host with several addresses gives an AggregateError, whose message is empty.
  const text = message.includes(code) ? message : `${message} ${code}`.trim();
  return new RetryableError(text, { cause: error });
}

function statusError(
  { statusCode: status = 0, headers }: IncomingMessage,
  { label, explain }: { label: string; explain?: Explain | undefined },
): Error {
  if (isRetryableStatus(status)) {
    const seconds = Number(headers["retry-after"]);
    return new RetryableError(`HTTP ${status}`, { retryAfterMs: seconds > 0 ? seconds * 1000 : undefined });
  }
  return new StatusError(status, explain?.(status, headers) ?? explainStatus(status), label);
}

export function isRetryableStatus(status: number): boolean {
  return status >= 500 || RETRYABLE_STATUSES.has(status);
}

function explainStatus(status: number): Explanation {
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

/** Throws a LoadError when the redirect must not be followed. */
export function redirectTarget(from: URL, location: string | undefined): URL {
  const target = location === undefined ? null : URL.parse(location, from.href);
  if (target === null) {
    const message = `${withoutSecrets(from)}: a redirect without a valid address`;
    throw new LoadError("download", "STORAGE_UNAVAILABLE", message);
  }
  const problem = problemOf(from, target);
  if (problem !== undefined) {
    throw invalidUri(
      `${withoutSecrets(from)}: redirects to ${withoutSecrets(target)}, ${problem}; give the final address`,
    );
  }
  return target;
}

function problemOf(from: URL, target: URL): string | undefined {
  if (target.protocol !== "https:" && target.protocol !== "http:") {
    return "which is neither https nor http";
  }
  if (from.protocol === "https:" && target.protocol === "http:") {
    return "which is not encrypted";
  }
  return target.username === "" && target.password === "" ? undefined : "with a user name or password";
}
