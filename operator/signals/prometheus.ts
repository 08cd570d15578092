// Asks Prometheus instant queries, and takes nothing for an answer that is not one.

import type { UnknownReason } from "../scaling/signal.ts";

/** One element of an instant vector. `value` may be NaN or infinite: who asks decides what that means. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Why a query has no result. `reason` is what becomes of every signal that depended on it. */
export class QueryError extends Error {
  readonly code = "PROMETHEUS_QUERY";
  readonly reason: UnknownReason;

  constructor(reason: UnknownReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export interface PrometheusOptions {
  /** Base URL, from the operator's configuration and never from a custom resource. */
  readonly address: URL;
  readonly timeoutMs: number;
  /** A larger answer is refused: nothing that is scraped may exhaust the operator's memory. */
  readonly maxBodyBytes: number;
}

export type Query = (promql: string, signal?: AbortSignal) => Promise<readonly Sample[]>;

/** An instant query against one Prometheus. Throws QueryError for everything but a success with a vector. */
export function createPrometheus(options: PrometheusOptions): Query {
  const endpoint = new URL(`${options.address.pathname.replace(/\/$/, "")}/api/v1/query`, options.address);
  return async (promql, signal) => {
    const timeout = AbortSignal.timeout(options.timeoutMs);
    const text = await fetchText(endpoint, promql, options, signal ? AbortSignal.any([signal, timeout]) : timeout);
    return parseVector(text);
  };
}

async function fetchText(
  endpoint: URL,
  promql: string,
  options: PrometheusOptions,
  signal: AbortSignal,
): Promise<string> {
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      body: new URLSearchParams({ query: promql }),
      // A redirect would carry the query, and one day credentials, to a host that nobody configured.
      redirect: "error",
      signal,
    });
    const text = await readCapped(response, options.maxBodyBytes);
    if (!response.ok)
      throw new QueryError("PrometheusError", `Prometheus answered ${response.status}: ${excerpt(text)}`);
    return text;
  } catch (error) {
    if (error instanceof QueryError) throw error;
    const what = signal.aborted ? `no complete answer within ${options.timeoutMs / 1000} s` : causeOf(error);
    throw new QueryError("PrometheusUnreachable", `Prometheus at ${endpoint.origin} cannot be asked: ${what}`, {
      cause: error,
    });
  }
}

async function readCapped(response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes)
      throw new QueryError("PrometheusError", `Prometheus' answer is larger than ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** fetch hides what happened behind "fetch failed". */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (cause instanceof AggregateError) return causeOf(cause.errors[0]);
  return cause instanceof Error ? cause.message : String(cause);
}

/** Reads the body of an answer; exported for the table of garbage in prometheus.test.ts. */
export function parseVector(text: string): readonly Sample[] {
  const body = parseJson(text);
  if (!isRecord(body)) throw notAnAnswer(text);
  if (body["status"] === "error") {
    throw new QueryError("PrometheusError", `Prometheus refused the query: ${excerpt(String(body["error"]))}`);
  }
  const data = body["data"];
  if (body["status"] !== "success" || !isRecord(data)) throw notAnAnswer(text);
  if (data["resultType"] !== "vector" || !Array.isArray(data["result"])) throw notAnAnswer(text);
  return data["result"].map((element) => parseSample(element, text));
}

function parseSample(element: unknown, text: string): Sample {
  if (!isRecord(element)) throw notAnAnswer(text);
  const { metric, value } = element;
  if (!isRecord(metric) || !Array.isArray(value) || value.length !== 2) throw notAnAnswer(text);
  const labels: Record<string, string> = {};
  for (const [name, label] of Object.entries(metric)) {
    if (typeof label !== "string") throw notAnAnswer(text);
    labels[name] = label;
  }
  return { labels, value: parseValue(value[1]) };
}

const decimal = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/** In JavaScript Number("") and Number(null) are 0: only what Prometheus writes for a finite number is one. */
function parseValue(value: unknown): number {
  return typeof value === "string" && decimal.test(value) ? Number(value) : Number.NaN;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw notAnAnswer(text, error);
  }
}

function notAnAnswer(text: string, cause?: unknown): QueryError {
  return new QueryError("PrometheusError", `this is no answer of Prometheus: ${excerpt(text)}`, { cause });
}

function excerpt(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  if (line === "") return "(empty)";
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
