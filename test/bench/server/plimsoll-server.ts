// The server under measurement, started as a program and seen only from outside.

import { difference, type OutputValues, readOutputs } from "./answers.ts";
import { type ExecutionPlan, readExecutionPlan } from "./execution-plan.ts";
import type { HttpLoad } from "./load/http-load.ts";
import type { BenchProcess, ProcessGroup } from "./process-group.ts";
import { residentBytes } from "./process-usage.ts";
import { sampleValues } from "./prometheus-text.ts";
import { modelName } from "./requests.ts";

/** Loading and calibrating. */
const READY_TIMEOUT_MS = 120_000;

export interface ServerLaunch {
  /** The program, for example `node server-image/main.ts`; options are added to it. */
  readonly command: readonly string[];
  readonly modelPath: string;
  readonly cores: readonly number[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Values of the label `protocol`. */
export type Protocol = "v2-rest" | "v2-rest-binary" | "v2-grpc";

export class PlimsollServer {
  readonly port: number;
  /** Undefined where the server has no gRPC. */
  readonly grpcPort: number | undefined;
  readonly pid: number;
  /** Resident when it began to listen, which is before it has a model. */
  readonly baseBytes: number;
  readonly #process: BenchProcess;

  private constructor(started: BenchProcess, listening: Listening, baseBytes: number) {
    this.#process = started;
    this.port = listening.port;
    this.grpcPort = listening.grpcPort;
    this.pid = started.pid;
    this.baseBytes = baseBytes;
  }

  /** Resolves when the model is ready. */
  static async start(group: ProcessGroup, launch: ServerLaunch): Promise<PlimsollServer> {
    const { command, modelPath, cores, environment } = launch;
    const ports = ["--http-port", "0", "--grpc-port", "0"];
    // Nothing here balances load, so there is nobody to wait for before stopping.
    const options = ["--model-name", modelName, "--storage-uri", modelPath, ...ports, "--drain-delay-seconds", "0"];
    const started = group.start({ name: "the server", command: [...command, ...options], cores, environment });
    const listening = started.next(readListening, READY_TIMEOUT_MS);
    const ready = started.next((line) => (parseLog(line)?.msg === "ready" ? true : undefined), READY_TIMEOUT_MS);
    ready.catch(() => undefined);
    const baseBytes = listening.then(() => residentBytes(started.pid));
    const server = new PlimsollServer(started, await listening, await baseBytes);
    await ready;
    return server;
  }

  /** Rejects where an answer to this request is not the runtime's own. */
  async check(load: HttpLoad, expected: OutputValues): Promise<{ answerBytes: number }> {
    return checkAnswer(this.port, load, expected);
  }

  async plan(): Promise<ExecutionPlan> {
    return readExecutionPlan(JSON.parse(await this.#get(`/v2/models/${modelName}/config`)));
  }

  /** Requests per second that the server says it takes. Rejects where it says nothing. */
  async loadLine(protocol: Protocol): Promise<number> {
    const name = "plimsoll_load_line_requests_per_second";
    const [value] = sampleValues(await this.#get("/metrics"), name, { protocol });
    if (value === undefined || !(value > 0)) {
      throw new Error(`/metrics has no ${name}{protocol="${protocol}"}`);
    }
    return value;
  }

  /** Requests that were answered with 200 or OK since the start. */
  async answered(protocol: Protocol): Promise<number> {
    const metrics = await this.#get("/metrics");
    const all = ["200", "OK", "0"].flatMap((code) =>
      sampleValues(metrics, "plimsoll_requests_total", { protocol, code }),
    );
    return all.reduce((sum, value) => sum + value, 0);
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  async #get(path: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, { headers: { connection: "close" } });
    const text = await response.text();
    if (!response.ok) {
      throw new Error(`GET ${path} was answered ${response.status}: ${text.slice(0, 500)}`);
    }
    return text;
  }
}

/** Rejects where the answer to this request is not the runtime's own. */
export async function checkAnswer(
  port: number,
  { path, headers, body }: HttpLoad,
  expected: OutputValues,
): Promise<{ answerBytes: number }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers: { ...headers, connection: "close" },
    body: new Uint8Array(body),
  });
  const answer = Buffer.from(await response.arrayBuffer());
  if (!response.ok) {
    throw new Error(`POST ${path} was answered ${response.status}: ${answer.toString().slice(0, 500)}`);
  }
  const headerLength = response.headers.get("inference-header-content-length");
  const wrong = difference(readOutputs(answer, headerLength === null ? undefined : Number(headerLength)), expected);
  if (wrong !== undefined) {
    throw new Error(`the answer differs from the runtime's own: ${wrong}`);
  }
  return { answerBytes: answer.length };
}

interface Listening {
  readonly port: number;
  readonly grpcPort?: number;
}

function readListening(line: string): Listening | undefined {
  const log = parseLog(line);
  return log?.msg === "listening" && log.port !== undefined ? { ...log, port: log.port } : undefined;
}

function parseLog(line: string): Partial<Listening & { readonly msg: string }> | undefined {
  return line.startsWith("{") ? (JSON.parse(line) as Partial<Listening & { readonly msg: string }>) : undefined;
}
